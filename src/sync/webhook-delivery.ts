import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { backoff } from '../core/backoff.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { abortAfter, type Machine } from '../core/machine.js';
import { MissingKeyError } from '../core/seal.js';
import type { Changes, FeedPosition } from '../store/changes.js';
import type { WebhookSubscription, WebhookSubscriptions } from '../store/webhook-subscriptions.js';
import { changeEntry, cursorText, positionRefusal } from '../suppression/change-entry.js';
import { signDelivery } from './destinations/mechanics/standard-webhooks.js';
import type { HttpClient } from './http.js';
import { ProviderError } from './provider-error.js';
import type { WebhookSecrets } from './webhook-secrets.js';

/** Changes of one delivery: a body of some 100 kB. */
const BATCH_SIZE = 500;
/** Standard Webhooks: "15–30s". */
const TIMEOUT_MS = 15_000;
const RETRIES = { firstMs: 5_000, maxMs: 3_600_000, jitter: 0.25 };
/** A receiver that fails for five days is given up: a long weekend and two days. The feed keeps 90. */
const GIVE_UP_MS = 5 * DAY_MS;

export interface DeliveryContext {
  readonly subscriptions: WebhookSubscriptions;
  readonly changes: Changes;
  readonly http: HttpClient;
  readonly secrets: WebhookSecrets;
  /** Only public addresses are written to. */
  readonly publicOnly: boolean;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
}

/** The same for a delivery that is repeated: its receiver knows it again. */
export function messageId(one: Pick<WebhookSubscription, 'id' | 'position'>, upTo: FeedPosition, body: string): string {
  const digest = createHash('sha256').update(`${one.id}:${one.position.number}:${upTo.number}:${body}`).digest('hex');
  return `msg_${digest.slice(0, 32)}`;
}

/** Every secret in force signs: "space delimited", so that a receiver can change over without a gap. */
export function deliveryHeaders(
  secrets: readonly string[],
  id: string,
  now: number,
  body: string,
): Readonly<Record<string, string>> {
  const headers = secrets.map((secret) => signDelivery(secret, id, Math.floor(now / 1000), body));
  if (headers.length === 0) throw new Error('the secret of a subscription cannot be opened: is its key gone?');
  return {
    ...headers[0],
    'webhook-signature': headers.map((each) => each['webhook-signature']).join(' '),
    'content-type': 'application/json',
  };
}

async function post(context: DeliveryContext, one: WebhookSubscription, upTo: FeedPosition, body: string) {
  const { subscriptions, http, secrets, clock } = context;
  const response = await http.request({
    method: 'POST',
    url: one.url,
    headers: deliveryHeaders(secrets.inForce(one), messageId(one, upTo, body), clock.now(), body),
    body,
    signal: abortAfter(context.machine, TIMEOUT_MS),
    also: [410],
    publicOnly: context.publicOnly,
  });
  // "410 Gone: … the consumer is no longer interested": the endpoint is disabled.
  if (response.status === 410) await subscriptions.disable(one.id, 'the receiver answered 410 Gone', clock.now());
  else await subscriptions.delivered(one.id, one.position, upTo, clock.now());
}

async function recordFailure(context: DeliveryContext, one: WebhookSubscription, error: unknown): Promise<void> {
  const { subscriptions, clock, log } = context;
  const now = clock.now();
  const isExpected = error instanceof ProviderError;
  if (!isExpected) log.error({ err: error, subscription: one.id }, 'a delivery failed unexpectedly');
  const wait =
    isExpected && error.retryAfter !== undefined
      ? error.retryAfter * 1000
      : backoff(one.failures + 1, RETRIES, context.machine.random);
  const why = isExpected ? error.message.slice(0, 200) : 'the delivery failed; see the log';
  await subscriptions.failed(one.id, { error: why, at: now, dueAt: now + wait });
  if (one.failingSince !== undefined && now - one.failingSince > GIVE_UP_MS) {
    await subscriptions.disable(one.id, `no delivery succeeded for 5 days; the last failed with: ${why}`, now);
    log.warn({ subscription: one.id }, 'a webhook is disabled: its receiver failed for 5 days');
  }
}

/** Delivers one batch to a subscription. False when there is nothing to deliver now, or it failed. */
export async function deliverBatch(context: DeliveryContext, id: string): Promise<boolean> {
  const { subscriptions, changes, clock, log } = context;
  const one = await subscriptions.get(id);
  if (one?.state !== 'active' || one.dueAt > clock.now()) return false;
  const limit = one.upTo === undefined ? BATCH_SIZE : one.upTo - one.position.number;
  const { changes: found, state } = await changes.after(one.position, limit);
  const refusal = positionRefusal(one.position, state);
  if (refusal) {
    const reason = `${refusal.message}; take /v1/suppressions anew and replay from its Hush-Cursor`;
    await subscriptions.disable(one.id, reason, clock.now());
    log.warn({ subscription: one.id }, 'a webhook is disabled: the feed cannot go on after its cursor');
    return false;
  }
  const last = found.at(-1);
  if (!last || !(await subscriptions.attempt(id, one.position, last))) return false;
  const data = { changes: found.map(changeEntry), cursor: cursorText(last) };
  // The time of the last change: a repeated delivery has the same body.
  const body = JSON.stringify({ type: 'contacts.changed', timestamp: last.at.toISOString(), data });
  try {
    await post(context, one, last, body);
    return true;
  } catch (error) {
    // No fault of the receiver: a process with the whole key ring delivers.
    if (error instanceof MissingKeyError) throw error;
    await recordFailure(context, one, error);
    return false;
  }
}
