import { z } from 'zod';
import type { Adapter, Destination, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import { checkBasic, configured, jsonBody, type RequestHead } from './mechanics/incoming.js';
import { bounced, collect, complained, evidence, optedOut, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  apiKey: z.string().min(1),
  /** `https://api.eu.sparkpost.com` for accounts in the EU. */
  baseUrl: z.url().default('https://api.sparkpost.com'),
  subaccount: z.number().int().positive().optional(),
  webhookUser: z.string().min(1).optional(),
  webhookPassword: z.string().min(1).optional(),
});
const target = z.strictObject({ type: z.enum(['non_transactional', 'transactional']).default('non_transactional') });

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const results = z.object({
  results: z.array(
    z.object({
      recipient: z.string(),
      type: z.string(),
      source: z.string().nullish(),
      updated: timeField.optional().catch(undefined),
    }),
  ),
  links: z.array(z.object({ href: z.string(), rel: z.string() })).optional(),
});
const KINDS: Readonly<Record<string, ReadBackEntry['kind']>> = {
  'Spam Complaint': 'complained',
  'Bounce Rule': 'bounced',
  Compliance: 'blocked',
};
const PAGE = 10_000;
const WIDTH = 8;

/**
 * SparkPost: the account's (or a subaccount's) suppression list; entries are of a type, so service messages can go on.
 * Larger bodies are accepted; 1,000 an upsert keeps a refused one quick to bisect.
 * @see https://developers.sparkpost.com/api/suppression-list/
 * @see https://developers.sparkpost.com/api/webhooks/
 */
export const sparkpost: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts): Destination {
    const api = createApi(parts.http, options.baseUrl, {
      authorization: options.apiKey,
      ...(options.subaccount === undefined ? {} : { 'x-msys-subaccount': String(options.subaccount) }),
    });
    const targetOf = targetReader(target);
    const one = (address: string) => at`/api/v1/suppression-list/${address}`;
    const toEntries = (found: z.infer<typeof results>, type: string): ReadBackEntry[] =>
      found.results
        .filter((entry) => entry.type === type)
        .map((entry) => ({
          address: entry.recipient,
          kind: KINDS[entry.source ?? ''] ?? 'unsubscribed',
          ...(entry.updated === undefined ? {} : { at: entry.updated }),
        }));

    async function lift(address: string, type: string, signal: AbortSignal): Promise<void> {
      const answer = await api('DELETE', one(address), signal, { json: { type }, also: [403, 404] });
      if (answer.status !== 403) return;
      // 403 says either "this key may not" or "this entry may not be removed": reading tells which.
      await api('GET', one(address), signal, { also: [404] });
      throw new ProviderError('refused', 'the provider does not let this entry be removed');
    }

    const admit = (head: RequestHead) => {
      const user = configured(options.webhookUser, 'webhookUser');
      checkBasic(head, user, configured(options.webhookPassword, 'webhookPassword'));
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 1000, lift: 100 },

      async send(binding, action, entries, signal) {
        const { type } = targetOf(binding);
        if (action === 'lift')
          return inForce(await eachEntry(entries, WIDTH, signal, (entry) => lift(entry.address, type, signal)));
        await api('PUT', '/api/v1/suppression-list', signal, {
          json: { recipients: entries.map((entry) => ({ recipient: entry.address, type, description: entry.reason })) },
        });
        return inForce();
      },

      async readBack(binding, cursor, signal) {
        const { type } = targetOf(binding);
        const answer = await api('GET', '/api/v1/suppression-list', signal, {
          query: { cursor: cursor ?? 'initial', per_page: PAGE, types: type },
        });
        const found = read(results, answer);
        const href = found.links?.find((link) => link.rel === 'next')?.href;
        const next = href === undefined ? undefined : new URL(href, options.baseUrl).searchParams.get('cursor');
        return { entries: toEntries(found, type), ...(next ? { next } : {}) };
      },

      async lookup(binding, addresses, signal) {
        const { type } = targetOf(binding);
        const found = await each(addresses, WIDTH, signal, async (address) => {
          const answer = await api('GET', one(address), signal, { also: [404] });
          return answer.status === 404 ? [] : toEntries(read(results, answer), type);
        });
        return found.flat();
      },

      admit,

      async receive(request) {
        admit(request);
        const events = jsonBody(
          request.body,
          z.array(z.object({ msys: z.record(z.string(), z.unknown()).optional() })),
        );
        return collect(
          events.flatMap(({ msys }) => Object.values(msys ?? {})),
          event,
          readEvent,
        );
      },
    };
  },
};

const event = z.object({
  type: z.string(),
  rcpt_to: z.string().optional(),
  raw_rcpt_to: z.string().optional(),
  timestamp: timeField,
  event_id: z.coerce.string().min(1),
  bounce_class: z.coerce.string().optional(),
  error_code: z.coerce.string().optional(),
  reason: z.string().nullish(),
  raw_reason: z.string().nullish(),
});

/** Invalid recipient, no recipient, unsubscribe by the receiving side. @see https://support.sparkpost.com/docs/deliverability/bounce-classification-codes */
const HARD = new Set(['10', '30', '90']);
/** Administrative failure: stopped by the suppression list itself. */
const SUPPRESSED = '25';
const IGNORED = new Set([
  'delivery',
  'injection',
  'delay',
  'open',
  'initial_open',
  'click',
  'amp_open',
  'amp_initial_open',
  'amp_click',
  'policy_rejection',
  'generation_failure',
  'generation_rejection',
  'sms_status',
]);

function readEvent(one: z.infer<typeof event>): Reading {
  const facts = {
    address: one.raw_rcpt_to ?? one.rcpt_to ?? '',
    at: one.timestamp,
    id: one.event_id,
    evidence: evidence({ type: one.type, class: one.bounce_class, code: one.error_code }),
  };
  switch (one.type) {
    case 'bounce':
    case 'out_of_band':
      if (one.bounce_class === SUPPRESSED) return 'ignored';
      return bounced(facts, HARD.has(one.bounce_class ?? '') ? 'hard' : 'soft', one.raw_reason || one.reason);
    case 'spam_complaint':
      return complained(facts);
    case 'list_unsubscribe':
    case 'link_unsubscribe':
      return optedOut(facts);
    default:
      return IGNORED.has(one.type) ? 'ignored' : { unknown: one.type };
  }
}
