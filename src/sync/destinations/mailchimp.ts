import { z } from 'zod';
import type { Adapter, Binding, Destination, Entry, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import { hexHash } from './mechanics/hashing.js';
import { checkUrlSecret, configured, formBody, type RequestHead, stableId } from './mechanics/incoming.js';
import {
  bounced,
  collect,
  complained,
  evidence,
  listed,
  type Reading,
  timeField,
  timeOf,
} from './mechanics/reports.js';

const settings = z.strictObject({
  /** Ends in its data center, such as `-us21`. */
  apiKey: z.string().regex(/.-[a-z]+\d+$/, 'a key ends in its data center, such as -us21'),
  baseUrl: z.url().optional(),
  /** The `secret` in the query of the webhook's URL. */
  webhookSecret: z.string().min(16).optional(),
});
const target = z.strictObject({
  /** Id of the audience. */
  list: z.string().min(1),
  /**
   * What a lift does with a member who is unsubscribed: `ask` has Mailchimp mail them a confirmation, `resubscribe` sets
   * them to subscribed where Mailchimp allows it and asks otherwise, `leave` does nothing.
   */
  onLift: z.enum(['ask', 'resubscribe', 'leave']).default('ask'),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const member = z.object({
  email_address: z.string(),
  status: z.string(),
  last_changed: timeField.optional().catch(undefined),
});
const page = z.object({ members: z.array(member) });
const batchAnswer = z.object({
  errors: z.array(z.object({ email_address: z.string(), error: z.string() })).default([]),
});
/** "The number of records to return. … Maximum value is 1000". */
const PAGE = 1000;
/** "10 simultaneous connections" a key; other programs of the account want some. */
const WIDTH = 5;
/** Statuses under which nobody is mailed, in the order of read-back. */
const OUT: readonly (readonly [string, ReadBackEntry['kind']])[] = [
  ['unsubscribed', 'unsubscribed'],
  ['cleaned', 'bounced'],
];
const KINDS = new Map(OUT);

/** Errors that say nobody is mailed there anyhow: unsubscribed by themselves, bounced, or erased for good. */
const OUT_ANYHOW = /compliance state|permanently deleted/i;
/** Clears by itself, so the address must not be parked. */
const THROTTLED = /not allowing more signups/i;

/**
 * Mailchimp Marketing: the unsubscribed members of an audience. "Up to 500 members may be added or updated with each API
 * call." Somebody who is not in the audience is added to it as unsubscribed, so that no later import can subscribe them.
 * @see https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/
 * @see https://mailchimp.com/developer/marketing/docs/fundamentals/#api-limits
 * @see https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/
 */
export const mailchimp: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const base = options.baseUrl ?? `https://${options.apiKey.split('-').at(-1)}.api.mailchimp.com`;
    const basic = Buffer.from(`hush:${options.apiKey}`).toString('base64');
    const api = createApi(parts.http, base, { authorization: `Basic ${basic}` });
    const targetOf = targetReader(target);
    const one = (list: string, address: string) =>
      at`/3.0/lists/${list}/members/${hexHash('md5', address.toLowerCase())}`;
    const toEntry = (found: z.infer<typeof member>): ReadBackEntry => ({
      address: found.email_address,
      kind: KINDS.get(found.status) ?? 'unsubscribed',
      ...(found.last_changed === undefined ? {} : { at: found.last_changed }),
    });

    async function find(list: string, address: string, signal: AbortSignal) {
      const answer = await api('GET', one(list, address), signal, { also: [404] });
      return answer.status === 404 ? undefined : read(member, answer);
    }

    async function suppress(list: string, entries: readonly Entry[], signal: AbortSignal) {
      const answer = await api('POST', at`/3.0/lists/${list}`, signal, {
        query: { skip_merge_validation: 'true', skip_duplicate_check: 'true' },
        json: {
          members: entries.map((entry) => ({ email_address: entry.address, status: 'unsubscribed' })),
          update_existing: true,
        },
        missing: `audience ${list}`,
      });
      const errors = read(batchAnswer, answer).errors.filter((one) => !OUT_ANYHOW.test(one.error));
      if (errors.some((one) => THROTTLED.test(one.error)))
        throw new ProviderError('unavailable', 'the provider takes no more changes of some addresses for now');
      const why = new Map(errors.map((one) => [one.email_address.toLowerCase(), redact(one.error)]));
      return inForce(
        entries.flatMap((entry) => {
          const reason = why.get(entry.address.toLowerCase());
          return reason === undefined ? [] : [{ ref: entry.ref, why: reason }];
        }),
      );
    }

    async function lift(where: Target, address: string, signal: AbortSignal): Promise<void> {
      const found = await find(where.list, address, signal);
      // Who is subscribed, cleaned or not there stays so: a lift adds nobody to an audience.
      if (found?.status !== 'unsubscribed') return;
      const set = (status: string) => api('PATCH', one(where.list, address), signal, { json: { status } });
      if (where.onLift === 'ask') return void (await set('pending'));
      try {
        await set('subscribed');
      } catch (error) {
        // "Member In Compliance State": they left by themselves, so only they can come back.
        if (!(error instanceof ProviderError && OUT_ANYHOW.test(error.message))) throw error;
        await set('pending');
      }
    }

    const admit = (head: RequestHead) => {
      checkUrlSecret(head, configured(options.webhookSecret, 'webhookSecret'));
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 500, lift: 50 },
      liftsNothing: (binding) => targetOf(binding).onLift === 'leave',

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        if (action === 'suppress') return suppress(where.list, entries, signal);
        if (where.onLift === 'leave') return inForce();
        return inForce(await eachEntry(entries, WIDTH, signal, (entry) => lift(where, entry.address, signal)));
      },

      async readBack(binding, cursor, signal) {
        const { list } = targetOf(binding);
        const [index = 0, offset = 0] = (cursor ?? '0:0').split(':').map(Number);
        const status = OUT[index]?.[0];
        if (status === undefined) return { entries: [] };
        const answer = await api('GET', at`/3.0/lists/${list}/members`, signal, {
          query: { status, count: PAGE, offset, sort_field: 'timestamp_signup', sort_dir: 'ASC' },
          missing: `audience ${list}`,
        });
        const found = read(page, answer).members;
        const more = found.length === PAGE ? `${index}:${offset + PAGE}` : OUT[index + 1] && `${index + 1}:0`;
        return { entries: found.map(toEntry), ...(more ? { next: more } : {}) };
      },

      async lookup(binding, addresses, signal) {
        const { list } = targetOf(binding);
        const found = await each(addresses, WIDTH, signal, (address) => find(list, address, signal));
        return found.flatMap((entry) => (entry && KINDS.has(entry.status) ? [toEntry(entry)] : []));
      },

      admit,

      async receive(request) {
        admit(request);
        // "Our webhook validator will only send HTTP GET requests."
        if (request.method !== 'POST') return { reports: [], unknown: [] };
        const fields = formBody(request.body, ['type', 'fired_at']);
        return collect([fields], event, (item) =>
          readEvent(item, (list) => bindings.filter((binding) => targetOf(binding).list === list)),
        );
      },
    };
  },
};

const event = z.object({
  type: z.string(),
  /** "2009-03-26 21:35:57", UTC. */
  fired_at: z
    .string()
    .transform((text) => timeOf(text.replace(/^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)$/, '$1T$2Z')))
    .refine((ms) => Number.isFinite(ms)),
  'data[list_id]': z.string().default(''),
  'data[email]': z.string().default(''),
  'data[action]': z.string().optional(),
  'data[reason]': z.string().optional(),
  'data[campaign_id]': z.string().optional(),
});

function readEvent(one: z.infer<typeof event>, bound: (list: string) => readonly Binding[]): Reading {
  const list = one['data[list_id]'];
  const facts = {
    address: one['data[email]'],
    at: one.fired_at,
    id: stableId(one.type, list, one['data[email]'].toLowerCase(), one.fired_at),
    evidence: evidence({ type: one.type, list, reason: one['data[reason]'], campaign: one['data[campaign_id]'] }),
  };
  switch (one.type) {
    case 'subscribe':
      return listed('opted_in', facts, bound(list));
    case 'unsubscribe':
      if (one['data[reason]'] === 'abuse') return complained(facts);
      // `delete`: somebody of the account took the person off the list, which is no word of theirs.
      return one['data[action]'] === 'delete' ? 'ignored' : listed('opted_out', facts, bound(list));
    case 'cleaned':
      return one['data[reason]'] === 'abuse' ? complained(facts) : bounced(facts, 'hard');
    case 'profile':
    case 'upemail':
    case 'campaign':
      return 'ignored';
    default:
      return { unknown: one.type };
  }
}
