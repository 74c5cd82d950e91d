import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { createScheduler } from '../scheduler.js';
import type { Changes } from '../store/changes.js';
import { type Leader, whileLeading } from '../store/leader.js';
import type { WebhookSubscriptions } from '../store/webhook-subscriptions.js';
import { cursorText } from '../suppression/change-entry.js';
import type { HttpClient } from './http.js';
import { deliverBatch } from './webhook-delivery.js';
import { createWebhookSecrets } from './webhook-secrets.js';

/**
 * Sends the change feed to whoever subscribed, after the Standard Webhooks specification. Level-triggered: a subscription is
 * a cursor, and what lies after it is to be delivered, in order. A delivery whose outcome is not known is repeated as it
 * was, under the same id.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function createWebhooksOut(parts: {
  readonly subscriptions: WebhookSubscriptions;
  readonly changes: Changes;
  readonly http: HttpClient;
  readonly keyring: Keyring;
  /** Only public addresses are written to. */
  readonly publicOnly: boolean;
  readonly leaderFor: (name: string) => Leader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly machine: Machine;
  readonly intervalMs?: number | undefined;
}) {
  const { subscriptions, changes, clock, log } = parts;
  const secrets = createWebhookSecrets(parts);
  const context = { ...parts, secrets };
  const leaders = new Map<string, Leader>();
  const running = new Map<string, Promise<void>>();
  const loop = createScheduler({
    machine: parts.machine,
    log,
    everyMs: parts.intervalMs ?? 500,
    tasks: { 'looking for deliveries': begin },
  });

  function work(id: string): Promise<void> {
    const current = running.get(id);
    if (current) return current;
    const leader = leaders.get(id) ?? parts.leaderFor(`webhook:${id}`);
    leaders.set(id, leader);
    const started = whileLeading(parts.machine, leader, async (leads) => {
      while (!loop.isStopped() && leads() && (await deliverBatch(context, id)));
    })
      .catch((error: unknown) => log.warn({ err: error, subscription: id }, 'deliveries are interrupted; they go on'))
      .then(() => {
        running.delete(id);
      });
    running.set(id, started);
    return started;
  }

  /** Begins to deliver what there is to whoever can take it now. A receiver that is slow holds nobody up. */
  async function begin(): Promise<void> {
    const head = cursorText(await changes.head());
    const due = (await subscriptions.list()).filter(
      ({ state, position, dueAt }) => state === 'active' && cursorText(position) !== head && dueAt <= clock.now(),
    );
    for (const { id } of due) void work(id);
  }

  return {
    /** Delivers what there is now. */
    async once(): Promise<void> {
      await begin();
      await Promise.all(running.values());
    },
    start: loop.start,
    async stop(): Promise<void> {
      await loop.stop();
      await Promise.all(running.values());
    },
    subscribe: secrets.subscribe,
    rotate: secrets.rotate,
  };
}

export type WebhooksOut = ReturnType<typeof createWebhooksOut>;
