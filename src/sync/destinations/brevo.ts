import { z } from 'zod';
import type { Adapter, Destination, ReadBackEntry } from '../destination.js';
import { createPace } from '../pace.js';
import { type Api, at, createApi, read } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import { checkUrlSecret, configured, jsonBody, type RequestHead, stableId } from './mechanics/incoming.js';
import { bounced, collect, complained, evidence, optedOut, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  apiKey: z.string().min(1),
  baseUrl: z.url().default('https://api.brevo.com'),
  /** The `secret` in the query of the webhook's URL. */
  webhookSecret: z.string().min(16).optional(),
  /** "All endpoints under /v3/contacts": 36,000 an hour and 10 a second, more for larger accounts. */
  callsPerSecond: z.number().positive().default(8),
});
const target = z.strictObject({});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const contact = z.object({
  email: z.string().nullish(),
  emailBlacklisted: z.boolean(),
  modifiedAt: timeField.optional().catch(undefined),
});
const page = z.object({ contacts: z.array(contact), count: z.number() });
/** "Results default to 50 contacts per page (maximum 1000)". */
const PAGE = 1000;
const WIDTH = 5;

/**
 * Brevo: a contact's `emailBlacklisted`, which stops campaigns but not transactional mail. `POST /v3/contacts` with
 * `updateEnabled` is used for single contacts, since `/contacts/batch` only knows contacts that exist already. A 429 says
 * when to come back in `x-sib-ratelimit-reset`.
 * @see https://developers.brevo.com/docs/api-limits
 * @see https://developers.brevo.com/docs/limit-headers
 * @see https://developers.brevo.com/reference/createcontact
 * @see https://developers.brevo.com/reference/getcontacts-1
 */
export const brevo: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts): Destination {
    const call = createApi(parts.http, options.baseUrl, { 'api-key': options.apiKey });
    const pace = createPace(parts.machine, options.callsPerSecond);
    const api: Api = async (method, path, signal, more) => {
      await pace(signal);
      return call(method, path, signal, more);
    };
    const one = (address: string) => at`/v3/contacts/${address}`;
    const query = { identifierType: 'email_id' };
    const toEntry = (found: z.infer<typeof contact>): ReadBackEntry => ({
      address: found.email ?? '',
      kind: 'unsubscribed',
      ...(found.modifiedAt === undefined ? {} : { at: found.modifiedAt }),
    });

    const admit = (head: RequestHead) => {
      checkUrlSecret(head, configured(options.webhookSecret, 'webhookSecret'));
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 100, lift: 100 },

      async send(_binding, action, entries, signal) {
        return inForce(
          await eachEntry(entries, WIDTH, signal, (entry) =>
            action === 'suppress'
              ? api('POST', '/v3/contacts', signal, {
                  json: { email: entry.address, emailBlacklisted: true, updateEnabled: true },
                })
              : api('PUT', one(entry.address), signal, { query, json: { emailBlacklisted: false }, also: [404] }),
          ),
        );
      },

      async readBack(_binding, cursor, signal) {
        const offset = Number(cursor ?? 0);
        const found = read(
          page,
          await api('GET', '/v3/contacts', signal, { query: { limit: PAGE, offset, sort: 'asc' } }),
        );
        return {
          entries: found.contacts.filter((entry) => entry.emailBlacklisted && entry.email).map(toEntry),
          ...(found.contacts.length === PAGE ? { next: String(offset + PAGE) } : {}),
        };
      },

      async lookup(_binding, addresses, signal) {
        const found = await each(addresses, WIDTH, signal, async (address) => {
          const answer = await api('GET', one(address), signal, { query, also: [404] });
          return answer.status === 404 ? undefined : read(contact, answer);
        });
        return found.flatMap((entry) => (entry?.emailBlacklisted ? [toEntry(entry)] : []));
      },

      admit,

      async receive(request) {
        admit(request);
        const body = jsonBody(request.body, z.union([z.array(z.unknown()), z.record(z.string(), z.unknown())]));
        return collect(Array.isArray(body) ? body : [body], event, readEvent);
      },
    };
  },
};

const event = z.object({
  event: z.string(),
  email: z.string().min(1),
  id: z.coerce.string().optional(),
  'message-id': z.string().optional(),
  camp_id: z.coerce.string().optional(),
  reason: z.string().nullish(),
  ts_epoch: timeField.optional(),
  ts_event: timeField.optional(),
  ts: timeField.optional(),
  date_event: timeField.optional().catch(undefined),
});

/** Marketing and transactional webhooks spell some kinds differently. @see https://developers.brevo.com/docs/marketing-webhooks */
function readEvent(one: z.infer<typeof event>): Reading {
  const time = one.ts_epoch ?? one.ts_event ?? one.ts ?? one.date_event ?? Number.NaN;
  const facts = {
    address: one.email,
    at: time,
    id: stableId(one.event, one.email.toLowerCase(), one['message-id'], one.camp_id, time),
    evidence: evidence({ event: one.event, campaign: one.camp_id }),
  };
  switch (one.event) {
    case 'unsubscribe':
    case 'unsubscribed':
      return optedOut(facts);
    case 'spam':
    case 'complaint':
      return complained(facts);
    case 'hard_bounce':
    case 'hardBounce':
    case 'invalid_email':
      return bounced(facts, 'hard', one.reason);
    case 'soft_bounce':
    case 'softBounce':
      return bounced(facts, 'soft');
    case 'delivered':
    case 'opened':
    case 'unique_opened':
    case 'click':
    case 'request':
    case 'deferred':
    case 'blocked':
    case 'error':
    case 'proxy_open':
    case 'unique_proxy_open':
    case 'list_addition':
    case 'contact_updated':
    case 'contact_deleted':
      return 'ignored';
    default:
      return { unknown: one.event };
  }
}
