import { z } from 'zod';
import type { Adapter, Binding, Destination, Entry, ReadBackEntry, Sent } from '../destination.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { chunks, each, inForce } from './mechanics/each.js';
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
} from './mechanics/incoming.js';
import { klaviyoEvent, readKlaviyoEvent } from './mechanics/klaviyo-events.js';
import { collect, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  apiKey: z.string().min(1),
  baseUrl: z.url().default('https://a.klaviyo.com'),
  /** Version of the interface, which is supported for two years from its date. */
  revision: z.iso.date().default('2026-07-15'),
  /** The secret key given when the system webhook was made. */
  webhookSecret: z.string().min(16).optional(),
  webhookWindowSeconds: z.number().int().positive().default(600),
});
const target = z.union([
  /** All email marketing of the account. */
  z.strictObject({ global: z.literal(true) }),
  /** One list, of those who are on it. */
  z.strictObject({ list: z.string().min(1) }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const JOB_KINDS = {
  suppress: 'profile-suppression-bulk-create-job',
  lift: 'profile-suppression-bulk-delete-job',
} as const;
const job = z.object({ data: z.object({ id: z.string(), attributes: z.object({ status: z.string() }) }) });
const denial = z.object({
  reason: z.string(),
  timestamp: timeField.optional().catch(undefined),
  list_id: z.string().optional(),
});
const profile = z.object({
  attributes: z.object({
    email: z.string().nullish(),
    subscriptions: z
      .object({
        email: z
          .object({
            marketing: z
              .object({ suppression: z.array(denial).nullish(), list_suppressions: z.array(denial).nullish() })
              .optional(),
          })
          .optional(),
      })
      .nullish(),
  }),
});
const profiles = z.object({ data: z.array(profile), links: z.object({ next: z.string().nullish() }).optional() });
const KINDS: Readonly<Record<string, ReadBackEntry['kind']>> = {
  HARD_BOUNCE: 'bounced',
  INVALID_EMAIL: 'bounced',
  SPAM_COMPLAINT: 'complained',
};
/** "Default: 20. Min: 1. Max: 100." */
const PAGE = 100;
/** Addresses asked for in one filter, which travels in the URL. */
const ASKED = 20;
const WIDTH = 4;
const EVER = '1970-01-02T00:00:00Z';

/** A filter's text value: the addresses in it must not end it. */
const anyOf = (addresses: readonly string[]) => `any(email,${JSON.stringify(addresses)})`;

/**
 * Klaviyo: suppressed profiles, or those unsubscribed from one list. "Email address per request limit: 100", jobs, 75
 * calls a second and 750 a minute. A suppressed address that is not there yet is created suppressed.
 *
 * "Profiles not in the specified list will be globally unsubscribed", so only those who are on a list are taken off it.
 * A lift takes off manual suppressions only, never what the person did; one of a list does nothing, since the way back
 * there is to subscribe somebody.
 * @see https://developers.klaviyo.com/en/reference/bulk_suppress_profiles
 * @see https://developers.klaviyo.com/en/reference/bulk_unsubscribe_profiles
 * @see https://developers.klaviyo.com/en/docs/working_with_system_webhooks
 */
export const klaviyo: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, {
      authorization: `Klaviyo-API-Key ${options.apiKey}`,
      revision: options.revision,
      accept: 'application/vnd.api+json',
    });
    const targetOf = targetReader(target);
    const jsonApi = { 'content-type': 'application/vnd.api+json' };

    async function startJob(
      action: 'suppress' | 'lift',
      entries: readonly Entry[],
      signal: AbortSignal,
    ): Promise<Sent> {
      const type = JOB_KINDS[action];
      const data = entries.map((entry) => ({ type: 'profile', attributes: { email: entry.address } }));
      const answer = await api('POST', `/api/${type}s`, signal, {
        headers: jsonApi,
        json: { data: { type, attributes: { profiles: { data } } } },
      });
      return { status: 'accepted', job: `${type}s/${read(job, answer).data.id}` };
    }

    async function membersOf(list: string, addresses: readonly string[], signal: AbortSignal): Promise<Set<string>> {
      const found = await each(chunks(addresses, ASKED), WIDTH, signal, async (some) => {
        const answer = await api('GET', at`/api/lists/${list}/profiles`, signal, {
          query: { filter: anyOf(some), 'page[size]': PAGE, 'fields[profile]': 'email' },
          missing: `list ${list}`,
        });
        return read(profiles, answer).data;
      });
      return new Set(found.flat().map((one) => (one.attributes.email ?? '').toLowerCase()));
    }

    async function takeOff(list: string, entries: readonly Entry[], signal: AbortSignal): Promise<Sent> {
      const members = await membersOf(
        list,
        entries.map((entry) => entry.address),
        signal,
      );
      const data = entries
        .filter((entry) => members.has(entry.address.toLowerCase()))
        .map((entry) => ({
          type: 'profile',
          attributes: {
            email: entry.address,
            subscriptions: { email: { marketing: { consent: 'UNSUBSCRIBED' } } },
          },
        }));
      if (data.length === 0) return inForce();
      const type = 'profile-subscription-bulk-delete-job';
      await api('POST', `/api/${type}s`, signal, {
        headers: jsonApi,
        json: {
          data: {
            type,
            attributes: { profiles: { data } },
            relationships: { list: { data: { type: 'list', id: list } } },
          },
        },
      });
      // Such a job has no id to ask about.
      return { status: 'accepted' };
    }

    function entriesOf(where: Target, found: z.infer<typeof profiles>): ReadBackEntry[] {
      return found.data.flatMap(({ attributes: { email, subscriptions } }) => {
        const marketing = subscriptions?.email?.marketing;
        const denials =
          'list' in where
            ? marketing?.list_suppressions?.filter((one) => one.list_id === where.list)
            : marketing?.suppression;
        const [first] = denials ?? [];
        if (!email || !first) return [];
        const kind = KINDS[first.reason] ?? 'unsubscribed';
        return [{ address: email, kind, ...(first.timestamp === undefined ? {} : { at: first.timestamp }) }];
      });
    }

    const asked = {
      'page[size]': PAGE,
      'additional-fields[profile]': 'subscriptions',
      'fields[profile]':
        'email,subscriptions.email.marketing.suppression,subscriptions.email.marketing.list_suppressions',
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 100, lift: 100 },
      liftsNothing: (binding) => 'list' in targetOf(binding),

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        if (!('list' in where)) return startJob(action, entries, signal);
        return action === 'suppress' ? takeOff(where.list, entries, signal) : inForce();
      },

      async poll(path, signal) {
        const answer = await api('GET', `/api/${path}`, signal, { also: [404] });
        if (answer.status === 404) return 'failed';
        const { status } = read(job, answer).data.attributes;
        return status === 'complete' ? 'done' : status === 'cancelled' ? 'failed' : 'working';
      },

      async readBack(binding, cursor, signal) {
        const where = targetOf(binding);
        const marketing = 'subscriptions.email.marketing';
        const filter =
          'list' in where
            ? `and(equals(${marketing}.list_suppressions.list_id,${JSON.stringify(where.list)}),greater-than(${marketing}.list_suppressions.timestamp,${EVER}))`
            : `greater-than(${marketing}.suppression.timestamp,${EVER})`;
        const found = read(
          profiles,
          await api('GET', '/api/profiles', signal, { query: { ...asked, filter, 'page[cursor]': cursor } }),
        );
        const next = found.links?.next ? new URL(found.links.next).searchParams.get('page[cursor]') : undefined;
        return { entries: entriesOf(where, found), ...(next ? { next } : {}) };
      },

      async lookup(binding, addresses, signal) {
        const found = await each(chunks(addresses, ASKED), WIDTH, signal, async (some) =>
          read(profiles, await api('GET', '/api/profiles', signal, { query: { ...asked, filter: anyOf(some) } })),
        );
        return found.flatMap((page) => entriesOf(targetOf(binding), page));
      },

      unprovenBytes: 5 * 1024 * 1024,
      admit: (head) => carriesSignature(head, 'klaviyo-signature'),

      async receive(request, now) {
        const secret = configured(options.webhookSecret, 'webhookSecret');
        const stamp = header(request, 'klaviyo-timestamp');
        const expected = hmac('sha256', secret, 'hex', request.body, stamp);
        if (stamp === '' || !sameText(header(request, 'klaviyo-signature'), expected))
          throw forged('the signature does not fit the body');
        const body = jsonBody(request.body, webhookBody);
        // Not the header's time: it has been seen hours off, while this one is signed too.
        checkClock(body.meta.timestamp, now, options.webhookWindowSeconds);
        const bound = (list: string | undefined): readonly Binding[] =>
          bindings.filter((binding) => {
            const where = targetOf(binding);
            return 'list' in where ? where.list === list : list === undefined;
          });
        return collect(body.data, klaviyoEvent, (one) => readKlaviyoEvent(one, bound), {
          replayKey: replayKeyOf(request.body, stamp),
          replayFor: options.webhookWindowSeconds,
        });
      },
    };
  },
};

const webhookBody = z.object({ meta: z.object({ timestamp: timeField }), data: z.array(z.unknown()) });
