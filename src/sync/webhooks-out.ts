import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { backoff } from '../core/backoff.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import { createCipher, MissingKeyError } from '../core/seal.js';
import { createScheduler } from '../scheduler.js';
import type { Changes, FeedPosition } from '../store/changes.js';
import { type Leader, whileLeading } from '../store/leader.js';
import type { WebhookSubscription, WebhookSubscriptions } from '../store/webhook-subscriptions.js';
import { changeEntry, cursorText, positionRefusal } from '../suppression/change-entry.js';
import { signDelivery } from './destinations/mechanics/standard-webhooks.js';
import type { HttpClient } from './http.js';
import { ProviderError } from './provider-error.js';

/** Changes of one delivery: a body of some 100 kB. */
const BATCH = 500;
/** Standard Webhooks: "15–30s". */
const TIMEOUT = 15_000;
const RETRIES = { firstMs: 5_000, maxMs: 3_600_000, jitter: 0.25 };
/** A receiver that fails for five days is given up: a long weekend and two days. The feed keeps 90. */
const GIVE_UP = 5 * DAY_MS;
/** How long (ms) the secret before a rotation still signs. */
const CHANGE_OVER = DAY_MS;

/** A new signing secret, as the receiver gets it. */
const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

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
  readonly intervalMs?: number;
}) {
  const { subscriptions, changes, http, clock, log } = parts;
  const sealer = createCipher(parts.keyring, 'webhook-secret');
  const leaders = new Map<string, Leader>();
  const running = new Map<string, Promise<void>>();
  const loop = createScheduler({ log, everyMs: parts.intervalMs ?? 500, tasks: { 'looking for deliveries': begin } });

  const seal = (id: string, secret: string) => sealer.seal(Buffer.from(secret), Buffer.from(id));
  const unseal = (id: string, sealed: Buffer) => sealer.open(sealed, Buffer.from(id))?.toString('utf8');

  /** Every secret in force signs: "space delimited", so that a receiver can change over without a gap. */
  function signed(one: WebhookSubscription, messageId: string, body: string): Readonly<Record<string, string>> {
    const at = Math.floor(clock.now() / 1000);
    const sealed = [
      one.secret,
      ...((one.previousUntil ?? 0) > clock.now() && one.previousSecret ? [one.previousSecret] : []),
    ];
    const headers = sealed.flatMap((value) => {
      const secret = unseal(one.id, value);
      return secret === undefined ? [] : [signDelivery(secret, messageId, at, body)];
    });
    if (headers.length === 0) throw new Error('the secret of a subscription cannot be opened: is its key gone?');
    return {
      ...headers[0],
      'webhook-signature': headers.map((each) => each['webhook-signature']).join(' '),
      'content-type': 'application/json',
    };
  }

  async function post(one: WebhookSubscription, upTo: FeedPosition, body: string): Promise<void> {
    const id = createHash('sha256')
      .update(`${one.id}:${one.position.number}:${upTo.number}:${body}`)
      .digest('hex')
      .slice(0, 32);
    const answer = await http.request({
      method: 'POST',
      url: one.url,
      headers: signed(one, `msg_${id}`, body),
      body,
      signal: AbortSignal.timeout(TIMEOUT),
      also: [410],
      publicOnly: parts.publicOnly,
    });
    // "410 Gone: … the consumer is no longer interested": the endpoint is disabled.
    if (answer.status === 410) await subscriptions.disable(one.id, 'the receiver answered 410 Gone', clock.now());
    else await subscriptions.delivered(one.id, one.position, upTo, clock.now());
  }

  async function failed(one: WebhookSubscription, error: unknown): Promise<void> {
    const now = clock.now();
    const known = error instanceof ProviderError;
    if (!known) log.error({ err: error, subscription: one.id }, 'a delivery failed unexpectedly');
    const wait =
      known && error.retryAfter !== undefined
        ? error.retryAfter * 1000
        : backoff(one.failures + 1, RETRIES, Math.random);
    const why = known ? error.message.slice(0, 200) : 'the delivery failed; see the log';
    await subscriptions.failed(one.id, { error: why, at: now, dueAt: now + wait });
    if (one.failingSince !== undefined && now - one.failingSince > GIVE_UP) {
      await subscriptions.disable(one.id, `no delivery succeeded for 5 days; the last failed with: ${why}`, now);
      log.warn({ subscription: one.id }, 'a webhook is disabled: its receiver failed for 5 days');
    }
  }

  /** Delivers one batch. False when there is nothing to deliver now. */
  async function deliver(id: string): Promise<boolean> {
    const one = await subscriptions.get(id);
    if (one?.state !== 'active' || one.dueAt > clock.now()) return false;
    const limit = one.upTo === undefined ? BATCH : one.upTo - one.position.number;
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
      await post(one, last, body);
      return true;
    } catch (error) {
      // No fault of the receiver: a process with the whole key ring delivers.
      if (error instanceof MissingKeyError) throw error;
      await failed(one, error);
      return false;
    }
  }

  function work(id: string): Promise<void> {
    const current = running.get(id);
    if (current) return current;
    const leader = leaders.get(id) ?? parts.leaderFor(`webhook:${id}`);
    leaders.set(id, leader);
    const started = whileLeading(leader, async (leads) => {
      while (!loop.isStopped() && leads() && (await deliver(id)));
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

    /** Subscribes a URL from a cursor on. The secret is shown now and never again. */
    async subscribe(wanted: {
      readonly url: string;
      readonly description?: string | undefined;
      readonly position: FeedPosition;
    }): Promise<{ subscription: WebhookSubscription; secret: string }> {
      const id = `wh_${randomBytes(12).toString('hex')}`;
      const secret = newSecret();
      const subscription: WebhookSubscription = {
        id,
        url: wanted.url,
        ...(wanted.description === undefined ? {} : { description: wanted.description }),
        createdAt: clock.now(),
        secret: seal(id, secret),
        position: wanted.position,
        state: 'active',
        failures: 0,
        dueAt: 0,
      };
      await subscriptions.insert(subscription);
      return { subscription, secret };
    },

    /** A new secret; the one before signs too for a day (ms of its end). */
    async rotate(one: WebhookSubscription): Promise<{ secret: string; previousUntil: number }> {
      const secret = newSecret();
      const previousUntil = clock.now() + CHANGE_OVER;
      await subscriptions.rotate(one.id, seal(one.id, secret), one.secret, previousUntil);
      return { secret, previousUntil };
    },
  };
}

export type WebhooksOut = ReturnType<typeof createWebhooksOut>;
