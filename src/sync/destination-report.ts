import type { Clock } from '../core/clock.js';
import { type Queues, syncQueue } from '../queues.js';
import { type Configurations, type Evaluation, leftOf } from '../store/configurations.js';
import { unavailable } from '../store/connect.js';
import type { Contacts } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { Reconciliations, StartedBy } from '../store/reconciliations.js';
import type { BoundDestination } from './destination.js';
import { type ReconciliationProgress, reconciliationProgress } from './reconciliation-progress.js';

/** What is to be known of a destination at a glance. Times are ms. */
export interface DestinationReport {
  readonly name: string;
  readonly adapter: string;
  readonly role: string;
  readonly state: 'in_step' | 'working' | 'waiting' | 'paused' | 'credentials_refused' | 'failing';
  readonly pending: number;
  /** s; how long the oldest waits. */
  readonly oldest: number;
  readonly lastToldAt?: number;
  readonly lastError?: { readonly kind: string; readonly message: string; readonly at: number };
  readonly reconciliation: ReconciliationProgress;
  /** Contacts that the last change of configuration, or a comparison, has yet to bring here; none before there was one. */
  readonly backfill?: { readonly total: number; readonly done: number };
  readonly bindings: BoundDestination['bindings'];
}

/** State, lag, backfill and drift of the destinations. Counts what waits, which is rare, and never all contacts. */
export function createDestinationReports(parts: {
  readonly destinations: readonly BoundDestination[];
  readonly contacts: Contacts;
  readonly states: DestinationStates;
  readonly reconciliations: Reconciliations;
  readonly configurations: Configurations;
  /** Key ids that this process lacks: contacts sealed under them wait. */
  readonly missingKeys: () => readonly number[];
  readonly clock: Clock;
  /** Says that there is work, to workers in whichever process. */
  readonly queues: Pick<Queues, 'add'>;
}) {
  const { contacts, states, reconciliations, clock } = parts;

  async function report(bound: BoundDestination, evaluation: Evaluation | undefined): Promise<DestinationReport> {
    const [stored, waiting, reconciled, backlog] = await Promise.all([
      states.get(bound.name),
      contacts.waiting(bound.name),
      reconciliations.get(bound.name),
      contacts.backlog(),
    ]);
    const now = clock.now();
    const missing = parts.missingKeys();
    const lacking = {
      kind: 'key_missing',
      message: `this process lacks root ${missing.join(', ')}; what is sealed under it waits`,
      at: now,
    };
    const state = missing.length > 0 ? { ...stored, lastError: lacking } : stored;
    const total = evaluation?.total ?? 0;
    const left = leftOf(evaluation) + waiting.backfill;
    return {
      name: bound.name,
      adapter: bound.adapter,
      role: bound.role,
      state: state.paused
        ? 'paused'
        : state.lastError?.kind === 'credentials'
          ? 'credentials_refused'
          : state.lastError
            ? 'failing'
            : waiting.count + backlog.count === 0
              ? 'in_step'
              : (state.waitUntil ?? 0) > now
                ? 'waiting'
                : 'working',
      pending: waiting.count,
      oldest: waiting.oldest === undefined ? 0 : Math.max(0, (now - waiting.oldest) / 1000),
      bindings: bound.bindings,
      reconciliation: reconciliationProgress(bound, reconciled),
      ...(total + left === 0
        ? {}
        : { backfill: { total: Math.max(total, left), done: Math.max(0, Math.max(total, left) - left) } }),
      ...(state.lastSyncedAt === undefined ? {} : { lastToldAt: state.lastSyncedAt }),
      ...(state.lastError ? { lastError: state.lastError } : {}),
    };
  }

  return {
    names: parts.destinations.map(({ name }) => name),

    async all(): Promise<DestinationReport[]> {
      try {
        const evaluation = await parts.configurations.current();
        return await Promise.all(parts.destinations.map((bound) => report(bound, evaluation)));
      } catch (error) {
        throw unavailable(error);
      }
    },

    async of(bound: BoundDestination): Promise<DestinationReport> {
      try {
        return await report(bound, await parts.configurations.current());
      } catch (error) {
        throw unavailable(error);
      }
    },

    /** Syncs nothing for now; what is pending stays. */
    pause: (name: string): Promise<void> => states.pause(name, true),

    /** Ends a pause, and a wait after refused credentials or a rate limit. */
    async resume(name: string): Promise<void> {
      await states.pause(name, false);
      await states.waitUntil(name, 0);
      await reconciliations.hurry(name);
      parts.queues.add(syncQueue(name));
      parts.queues.add('reconcile');
    },

    /** Asks for a comparison; a worker takes it up within seconds. */
    async reconcile(name: string, wanted: { readonly dryRun: boolean; readonly by: StartedBy }): Promise<void> {
      await reconciliations.request(name, { ...wanted, at: clock.now() });
      parts.queues.add('reconcile');
    },
  };
}

export type DestinationReports = ReturnType<typeof createDestinationReports>;
