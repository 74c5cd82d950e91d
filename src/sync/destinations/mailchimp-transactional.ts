import { z } from 'zod';
import type { Adapter, Destination, InboundRequest, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { createApi, misconfigured, read } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import {
  carriesSignature,
  configured,
  forged,
  formBody,
  header,
  hmac,
  jsonBody,
  sameText,
  stableId,
} from './mechanics/incoming.js';
import { bounced, collect, complained, evidence, optedOut, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  apiKey: z.string().min(1),
  baseUrl: z.url().default('https://mandrillapp.com'),
  /** The key shown beside the webhook. */
  webhookKey: z.string().min(1).optional(),
});
const target = z.strictObject({
  /** The denylist of one subaccount; the account's own when left out. */
  subaccount: z.string().min(1).optional(),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const failure = z.object({ status: z.literal('error'), name: z.string(), message: z.string().default('') });
const added = z.object({ added: z.boolean() });
const rejects = z.array(
  z.object({
    email: z.string(),
    reason: z.string(),
    created_at: z
      .string()
      .transform((text) => Date.parse(`${text.replace(' ', 'T')}Z`))
      .optional(),
  }),
);
const KINDS: Readonly<Record<string, ReadBackEntry['kind']>> = {
  'hard-bounce': 'bounced',
  'soft-bounce': 'bounced',
  spam: 'complained',
};
const WIDTH = 8;
/** What Mandrill signs its trial call with, before the webhook has a key. */
const TRIAL_KEY = 'test-webhook';

/**
 * Mailchimp Transactional (Mandrill): the rejection denylist, one address a call. It stops every mail of the account or
 * subaccount. No read-back: `rejects/list` "returns up to 1000 results" and has no pages.
 *
 * Errors come as 500 with a name in the body, so the name decides what went wrong, not the status.
 * @see https://mailchimp.com/developer/transactional/api/rejects/
 * @see https://mailchimp.com/developer/transactional/guides/track-respond-activity-webhooks/#authenticating-webhook-requests
 */
export const mailchimpTransactional: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts): Destination {
    const api = createApi(parts.http, options.baseUrl, {}, [options.apiKey]);

    async function call(path: string, where: Target, json: Readonly<Record<string, unknown>>, signal: AbortSignal) {
      const answer = await api('POST', `/api/1.0/rejects/${path}.json`, signal, {
        json: { key: options.apiKey, ...json, ...where },
        also: [500],
      });
      if (answer.status !== 500) return answer;
      const failed = failure.safeParse(answer.json);
      if (!failed.success) throw new ProviderError('unavailable', '500');
      const { name, message } = failed.data;
      const why = `${name}: ${redact(message, [options.apiKey])}`;
      if (name === 'Invalid_Key' || name === 'PaymentRequired') throw new ProviderError('credentials', why);
      if (name === 'Unknown_Subaccount') throw misconfigured(`subaccount ${where.subaccount} does not exist there`);
      throw new ProviderError(name === 'ValidationError' ? 'refused' : 'unavailable', why);
    }

    async function find(where: Target, email: string, signal: AbortSignal): Promise<ReadBackEntry[]> {
      return read(rejects, await call('list', where, { email }, signal)).map((one) => ({
        address: one.email,
        kind: KINDS[one.reason] ?? 'unsubscribed',
        ...(one.created_at === undefined ? {} : { at: one.created_at }),
      }));
    }

    async function suppress(where: Target, email: string, signal: AbortSignal): Promise<void> {
      const answer = read(added, await call('add', where, { email, comment: 'hush' }, signal));
      if (answer.added || (await find(where, email, signal)).length > 0) return;
      // "Attempting to denylist an address that has been added to the allowlist will have no effect."
      throw new ProviderError('refused', 'the address is on the allowlist there: take it off');
    }

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 100, lift: 100 },

      async send(binding, action, entries, signal) {
        const where = target.parse(binding.target);
        return inForce(
          await eachEntry(entries, WIDTH, signal, (entry) =>
            action === 'suppress'
              ? suppress(where, entry.address, signal)
              : // `deleted: false` says that it was not there.
                call('delete', where, { email: entry.address }, signal),
          ),
        );
      },

      async lookup(binding, addresses, signal) {
        const where = target.parse(binding.target);
        return (await each(addresses, WIDTH, signal, (address) => find(where, address, signal))).flat();
      },

      // Events come with their messages, up to a thousand at once.
      unprovenBytes: 5 * 1024 * 1024,
      admit: (head) => carriesSignature(head, 'x-mandrill-signature'),

      async receive(request) {
        // Before a webhook is saved, its URL is asked for with HEAD.
        if (request.method !== 'POST') return { reports: [], unknown: [] };
        const fields = formBody(request.body);
        const text = fields.mandrill_events ?? '';
        const trial = text === '[]' && isSigned(TRIAL_KEY, request, fields);
        if (!trial && !isSigned(configured(options.webhookKey, 'webhookKey'), request, fields))
          throw forged('the signature does not fit URL and body');
        const events = jsonBody(Buffer.from(text), z.array(z.unknown()));
        return collect(events, event, readEvent);
      },
    };
  },
};

/** HMAC-SHA1 over the URL and every field's name and value, by name. */
function isSigned(key: string, request: InboundRequest, fields: Readonly<Record<string, string>>): boolean {
  const sorted = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1));
  const expected = hmac('sha1', key, 'base64', request.url, ...sorted.flat());
  return sameText(header(request, 'x-mandrill-signature'), expected);
}

const event = z.object({
  event: z.string().optional(),
  /** Of changes of the deny- and allowlist, which have no event. */
  type: z.string().optional(),
  ts: timeField,
  _id: z.string().default(''),
  msg: z
    .object({
      email: z.string(),
      bounce_description: z.string().nullish(),
      diag: z.string().nullish(),
      subaccount: z.string().nullish(),
    })
    .optional(),
});

function readEvent(one: z.infer<typeof event>): Reading {
  const kind = one.event ?? one.type ?? 'unnamed';
  const address = one.msg?.email ?? '';
  const facts = {
    address,
    at: one.ts,
    id: stableId(kind, one._id, address.toLowerCase(), one.ts),
    evidence: evidence({
      event: kind,
      subaccount: one.msg?.subaccount ?? undefined,
      bounce: one.msg?.bounce_description ?? undefined,
    }),
  };
  switch (kind) {
    case 'unsub':
      return optedOut(facts);
    case 'spam':
      return complained(facts);
    case 'hard_bounce':
      return bounced(facts, 'hard', one.msg?.diag);
    case 'soft_bounce':
      return bounced(facts, 'soft');
    // `reject` echoes the denylist, where we put people ourselves; so do its changes.
    case 'reject':
    case 'blacklist':
    case 'whitelist':
    case 'send':
    case 'deferral':
    case 'delivered':
    case 'open':
    case 'click':
      return 'ignored';
    default:
      return { unknown: kind };
  }
}
