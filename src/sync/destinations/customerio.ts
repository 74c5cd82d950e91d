import { z } from 'zod';
import type { Adapter, Binding, Destination, Entry, ReadBackEntry } from '../destination.js';
import { redact } from '../http.js';
import { createPace } from '../pace.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { each, inForce } from './mechanics/each.js';
import {
  carriesSignature,
  checkClock,
  configured,
  forged,
  header,
  hmac,
  jsonBody,
  replayKeyOf,
  sameText,
  signedTime,
  stableId,
} from './mechanics/incoming.js';
import {
  bounced,
  collect,
  complained,
  evidence,
  listed,
  optedOut,
  type Reading,
  timeField,
} from './mechanics/reports.js';

const settings = z.strictObject({
  siteId: z.string().min(1),
  /** Of the Track API. */
  apiKey: z.string().min(1),
  /** Of the App API, for reading back. */
  appKey: z.string().min(1).optional(),
  /** `https://track-eu.customer.io` and `https://api-eu.customer.io` for accounts in the EU. */
  baseUrl: z.url().default('https://track.customer.io'),
  appUrl: z.url().default('https://api.customer.io'),
  /** Signing key of the reporting webhook. */
  webhookKey: z.string().min(1).optional(),
  webhookWindowSeconds: z.number().int().positive().default(600),
});
const target = z.union([
  /** The attribute `unsubscribed`: all messages but those sent to unsubscribed people as well. */
  z.strictObject({ global: z.literal(true) }),
  /** Number of a topic of the subscription center. */
  z.strictObject({ topic: z.number().int().positive() }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const batchAnswer = z.object({
  errors: z.array(z.object({ batch_index: z.number().int(), message: z.string().default('refused') })).default([]),
});
const attributes = z.object({
  customer: z.object({
    attributes: z.record(z.string(), z.unknown()).default({}),
    unsubscribed: z.boolean().default(false),
    timestamps: z.record(z.string(), z.number()).default({}),
  }),
});
const found = z.object({
  identifiers: z.array(z.object({ email: z.string().nullish() })),
  next: z.string().nullish(),
});
/** A batch has at most 500 kB, an entry of ours at most about 800 bytes. */
const BATCH = 500;
/** "Maximum 1000". */
const PAGE = 1000;
const WIDTH = 4;
/** The App API takes 10 calls a second. */
const APP_CALLS = 8;

/**
 * Customer.io: the attribute `unsubscribed`, or a topic of the subscription center. A batch holds up to 500 kB, and the
 * Track API asks for no more than 100 calls a second. Who is not there yet is created as unsubscribed.
 * @see https://docs.customer.io/integrations/api/track/tag/track-v2/batch/
 * @see https://docs.customer.io/journeys/subscription-center/
 * @see https://docs.customer.io/integrations/data-out/connections/webhooks/
 */
export const customerio: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const basic = Buffer.from(`${options.siteId}:${options.apiKey}`).toString('base64');
    const { appKey } = options;
    const secrets = [options.apiKey, ...(appKey === undefined ? [] : [appKey])];
    const track = createApi(parts.http, options.baseUrl, { authorization: `Basic ${basic}` }, secrets);
    const app = createApi(parts.http, options.appUrl, { authorization: `Bearer ${appKey ?? ''}` }, secrets);
    const pace = createPace(parts.machine, APP_CALLS);
    const targetOf = targetReader(target);
    const change = (where: Target, out: boolean) =>
      'topic' in where ? { [`cio_subscription_preferences.topics.topic_${where.topic}`]: !out } : { unsubscribed: out };

    async function identify(where: Target, out: boolean, entries: readonly Entry[], signal: AbortSignal) {
      const answer = await track('POST', '/api/v2/batch', signal, {
        json: {
          batch: entries.map((entry) => ({
            type: 'person',
            action: 'identify',
            identifiers: { email: entry.address },
            attributes: change(where, out),
          })),
        },
      });
      return inForce(
        read(batchAnswer, { json: answer.json ?? {} }).errors.flatMap(({ batch_index, message }) => {
          const entry = entries[batch_index];
          return entry ? [{ ref: entry.ref, why: redact(message) }] : [];
        }),
      );
    }

    async function lookUp(where: Target, address: string, signal: AbortSignal): Promise<ReadBackEntry[]> {
      await pace(signal);
      const answer = await app('GET', at`/v1/customers/${address}/attributes`, signal, {
        query: { id_type: 'email' },
        also: [404],
      });
      if (answer.status === 404) return [];
      const { customer } = read(attributes, answer);
      const out =
        'topic' in where
          ? topicsOf(customer.attributes.cio_subscription_preferences)[where.topic] === false
          : customer.unsubscribed;
      const time = customer.timestamps.unsubscribed;
      if (!out) return [];
      return [{ address, kind: 'unsubscribed', ...('global' in where && time ? { at: time * 1000 } : {}) }];
    }

    async function page(cursor: string | undefined, signal: AbortSignal) {
      const answer = await app('POST', '/v1/customers', signal, {
        query: { limit: PAGE, start: cursor },
        json: { filter: { attribute: { field: 'unsubscribed', operator: 'eq', value: true } } },
      });
      const { identifiers, next } = read(found, answer);
      const entries = identifiers.flatMap(({ email }): ReadBackEntry[] =>
        email ? [{ address: email, kind: 'unsubscribed' }] : [],
      );
      return { entries, ...(next ? { next } : {}) };
    }

    const canReadBack = appKey !== undefined && bindings.every((binding) => 'global' in targetOf(binding));
    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: BATCH, lift: 50 },

      async send(binding, action, entries, signal) {
        return identify(targetOf(binding), action === 'suppress', entries, signal);
      },

      // People cannot be searched for by topic.
      ...(canReadBack
        ? { readBack: (_: Binding, cursor: string | undefined, signal: AbortSignal) => page(cursor, signal) }
        : {}),

      ...(appKey === undefined
        ? {}
        : {
            async lookup(binding: Binding, addresses: readonly string[], signal: AbortSignal) {
              const where = targetOf(binding);
              return (await each(addresses, WIDTH, signal, (address) => lookUp(where, address, signal))).flat();
            },
          }),

      admit: (head) => carriesSignature(head, 'x-cio-signature'),

      async receive(request, now) {
        const key = configured(options.webhookKey, 'webhookKey');
        const stamp = header(request, 'x-cio-timestamp');
        const expected = hmac('sha256', key, 'hex', `v0:${stamp}:`, request.body);
        if (stamp === '' || !sameText(header(request, 'x-cio-signature'), expected))
          throw forged('the signature does not fit body and time');
        checkClock(signedTime(stamp) * 1000, now, options.webhookWindowSeconds);
        const boundTo = (topic: number | undefined) =>
          bindings.filter((binding) => {
            const where = targetOf(binding);
            return 'topic' in where ? where.topic === topic : topic === undefined;
          });
        return collect([jsonBody(request.body, z.unknown())], event, (one) => readEvent(one, boundTo), {
          replayKey: replayKeyOf(stamp, request.body),
          replayFor: options.webhookWindowSeconds,
        });
      },
    };
  },
};

const preferences = z.object({ topics: z.record(z.string(), z.boolean()).default({}) });

/** `{"topics": {"topic_7": false}}`, as an object or as text, to topic numbers. */
function topicsOf(value: unknown): Readonly<Record<number, boolean>> {
  let json = value;
  try {
    if (typeof value === 'string') json = JSON.parse(value);
  } catch {
    return {};
  }
  const topics = preferences.safeParse(json).data?.topics ?? {};
  return Object.fromEntries(Object.entries(topics).map(([name, on]) => [Number(name.replace('topic_', '')), on]));
}

const event = z.object({
  event_id: z.string().min(1),
  object_type: z.string(),
  metric: z.string(),
  timestamp: timeField,
  data: z.object({
    email_address: z.string().nullish(),
    recipient: z.string().nullish(),
    identifiers: z.object({ email: z.string().nullish() }).nullish(),
    delivery_id: z.string().nullish(),
    content: z.string().nullish(),
    failure_message: z.string().nullish(),
  }),
});

const IGNORED =
  /^(drafted|attempted|sent|delivered|opened|human_opened|clicked|human_clicked|converted|deferred|dropped|suppressed|failed|undeliverable)$/;

/** @see https://docs.customer.io/integrations/api/webhooks/ */
function readEvent(
  { event_id, object_type, metric, timestamp, data }: z.infer<typeof event>,
  bound: (topic: number | undefined) => readonly Binding[],
): Reading {
  const facts = {
    address: data.recipient ?? data.email_address ?? data.identifiers?.email ?? '',
    at: timestamp,
    id: event_id,
    evidence: evidence({ object: object_type, metric, delivery: data.delivery_id ?? undefined }),
  };
  const kind = `${object_type} ${metric}`;
  // Without a message behind it, it was written through the interface, most likely by ourselves, or by the staff there.
  const bySelf = Boolean(data.delivery_id);
  switch (kind) {
    case 'email unsubscribed':
      return optedOut(facts);
    case 'email spammed':
      return complained(facts);
    case 'email bounced':
      return bounced(facts, 'hard', data.failure_message);
    case 'customer unsubscribed':
      return bySelf ? listed('opted_out', facts, bound(undefined)) : 'ignored';
    case 'customer subscribed':
      return bySelf ? listed('opted_in', facts, bound(undefined)) : 'ignored';
    case 'customer cio_subscription_preferences_changed':
    case 'email cio_subscription_preferences_changed': {
      if (!bySelf) return 'ignored';
      // Only topics we are bound to: the whole state comes, not what changed, so others may be off for long.
      return Object.entries(topicsOf(data.content)).flatMap(([topic, on]) => {
        const about = bound(Number(topic));
        if (about.length === 0) return [];
        const reading = listed(on ? 'opted_in' : 'opted_out', { ...facts, id: stableId(event_id, topic) }, about);
        return Array.isArray(reading) ? reading : [];
      });
    }
    default:
      return IGNORED.test(metric) ? 'ignored' : { unknown: kind };
  }
}
