import type { Logger } from 'pino';
import { createAliasGroups } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Policy } from '../core/policy.js';
import type { Accept } from '../preferences/accept.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Projector } from '../projection/project.js';
import type { Queues } from '../queues.js';
import type { Stores } from '../store/open.js';
import type { BoundDestination } from './destination.js';
import { createDestinationReports } from './destination-report.js';
import { createEvaluation } from './evaluation.js';
import type { HttpClient } from './http.js';
import { SETTLING_MS } from './reconciliation.js';
import { createReconciliationLoop } from './reconciliation-loop.js';
import { createSweeper } from './sweeper.js';
import type { WorkerTimes } from './task.js';
import { createWebhooksOut } from './webhooks-out.js';
import { createSyncWorker } from './worker.js';

/** Everything that has outside systems know the latest, and that finds out where they do not. */
export function createSync(parts: {
  readonly destinations: readonly BoundDestination[];
  readonly stores: Stores;
  readonly privateParts: PrivateParts;
  readonly projector: Projector;
  readonly accept: Accept;
  readonly keyring: Keyring;
  readonly policy: Policy;
  readonly configuration: string;
  /** Of phone numbers that providers give without one. */
  readonly country: string;
  readonly http: HttpClient;
  /** Webhooks go to public addresses only. */
  readonly publicOnly: boolean;
  readonly clock: Clock;
  readonly log: Logger;
  readonly machine: Machine;
  readonly queues: Pick<Queues, 'add'>;
  /** Has the log forget a contact, after its data was destroyed. */
  readonly forget: (contact: Buffer) => Promise<void>;
  readonly onSynced: (destination: string, seconds: readonly number[]) => void;
  readonly onFault: (destination: string, fault: string) => void;
  /** Something is sealed under a root key that this process lacks. */
  readonly onMissingKey: (keyId: number) => void;
  /** Key ids that this process lacks. */
  readonly missingKeys: () => readonly number[];
  readonly onFound: (destination: string, found: Readonly<Record<string, number>>) => void;
  readonly times?: Partial<WorkerTimes> | undefined;
  readonly settling?: number | undefined;
  readonly intervalMs?: number | undefined;
}) {
  const { contacts, states, configurations, reconciliations, leaders, webhookSubscriptions, changes } = parts.stores;
  const context = {
    ...parts,
    contacts,
    states,
    configurations,
    reconciliations,
    changes,
    subscriptions: webhookSubscriptions,
    aliasGroupOf: createAliasGroups(parts.keyring, parts.policy.mailboxes),
    settling: parts.settling ?? SETTLING_MS,
    leaderFor: (name: string) => leaders.leaderFor(name),
  };
  const byName = new Map(parts.destinations.map((bound) => [bound.name, bound]));
  /** Contacts that this process has synced, by destination. */
  const syncedCount = new Map<string, number>();
  const worker = createSyncWorker({
    ...context,
    onSynced(destination, count, seconds) {
      syncedCount.set(destination, (syncedCount.get(destination) ?? 0) + count);
      parts.onSynced(destination, seconds);
    },
  });
  const sweeper = createSweeper({ ...context, worker });
  const evaluation = createEvaluation(context);
  const reconciling = createReconciliationLoop({ ...context, pace: worker.pace });
  const webhooksOut = createWebhooksOut(context);
  const reports = createDestinationReports(context);

  return {
    byName,
    worker,
    sweeper,
    evaluation,
    reconciling,
    webhooksOut,
    reports,

    /** Syncs a destination until nothing is due; reports how many contacts were synced meanwhile. */
    async syncDue(name: string, report: (progress: { readonly synced: number }) => void): Promise<void> {
      const bound = byName.get(name);
      if (!bound) return;
      const before = syncedCount.get(name) ?? 0;
      await worker.work(bound);
      report({ synced: (syncedCount.get(name) ?? 0) - before });
    },

    start(): void {
      for (const loop of [sweeper, evaluation, reconciling, webhooksOut]) loop.start();
    },

    /** What leaves syncs pending and makes calls ends first, then what serves them. */
    async stop(): Promise<void> {
      await Promise.all([evaluation.stop(), reconciling.stop(), webhooksOut.stop()]);
      await Promise.all([sweeper.stop(), worker.stop()]);
    },
  };
}

export type Sync = ReturnType<typeof createSync>;
