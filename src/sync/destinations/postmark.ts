import { z } from 'zod';
import type { Adapter, Binding, Destination, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { at, createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { each } from './mechanics/each.js';
import { checkBasic, configured, forged, jsonBody, type RequestHead, stableId } from './mechanics/incoming.js';
import { bounced, collect, complained, evidence, listed, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  serverToken: z.string().min(1),
  baseUrl: z.url().default('https://api.postmarkapp.com'),
  webhookUser: z.string().min(1).optional(),
  webhookPassword: z.string().min(1).optional(),
  /** Addresses webhooks may come from; all when left out. */
  webhookFrom: z.array(z.string()).min(1).optional(),
});
const target = z.strictObject({ stream: z.string().min(1).default('broadcast') });

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const statuses = z.object({
  Suppressions: z.array(z.object({ EmailAddress: z.string(), Status: z.string(), Message: z.string().nullish() })),
});
const dump = z.object({
  Suppressions: z.array(
    z.object({ EmailAddress: z.string(), SuppressionReason: z.string(), Origin: z.string(), CreatedAt: timeField }),
  ),
});
const KINDS: Readonly<Record<string, ReadBackEntry['kind']>> = { HardBounce: 'bounced', SpamComplaint: 'complained' };

/**
 * Postmark: suppressions of a message stream, 50 addresses a call. A spam complaint cannot be lifted: such an entry comes
 * back as failed and is parked. "Requests are processed asynchronously and can take a minute until they become active."
 * @see https://postmarkapp.com/developer/api/suppressions-api
 * @see https://postmarkapp.com/developer/webhooks/webhooks-overview
 */
export const postmark: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, { 'x-postmark-server-token': options.serverToken });
    const targetOf = targetReader(target);
    const listOf = (binding: Binding) => at`/message-streams/${targetOf(binding).stream}/suppressions`;
    const toEntries = (json: unknown): ReadBackEntry[] =>
      read(dump, { json }).Suppressions.map((one) => ({
        address: one.EmailAddress,
        at: one.CreatedAt,
        kind: KINDS[one.SuppressionReason] ?? 'unsubscribed',
      }));

    const admit = (head: RequestHead) => {
      const user = configured(options.webhookUser, 'webhookUser');
      checkBasic(head, user, configured(options.webhookPassword, 'webhookPassword'));
      if (options.webhookFrom && !options.webhookFrom.includes(head.ip))
        throw forged('the request comes from an address that is not allowed');
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 50, lift: 50 },

      async send(binding, action, entries, signal) {
        const { stream } = targetOf(binding);
        const answer = await api('POST', `${listOf(binding)}${action === 'lift' ? '/delete' : ''}`, signal, {
          json: { Suppressions: entries.map((entry) => ({ EmailAddress: entry.address })) },
          missing: `message stream ${stream}`,
        }).catch((error: unknown) => {
          // "1226: the stream does not exist" comes as a 422, like faults of an address do.
          if (
            error instanceof ProviderError &&
            error.fault === 'refused' &&
            /"ErrorCode":\s*1226\b/.test(error.message)
          )
            throw misconfigured(`message stream ${stream} does not exist there: correct the catalog`);
          throw error;
        });
        const failed = new Map(
          read(statuses, answer)
            .Suppressions.filter((one) => one.Status === 'Failed')
            .map((one) => [one.EmailAddress.toLowerCase(), redact(one.Message ?? 'refused')]),
        );
        const parked = entries.flatMap((entry) => {
          const why = failed.get(entry.address.toLowerCase());
          return why === undefined ? [] : [{ ref: entry.ref, why }];
        });
        return { status: 'accepted', ...(parked.length > 0 ? { parked } : {}) };
      },

      async readBack(binding, _cursor, signal) {
        return { entries: toEntries((await api('GET', `${listOf(binding)}/dump`, signal)).json) };
      },

      async lookup(binding, addresses, signal) {
        const found = await each(addresses, 5, signal, async (EmailAddress) =>
          toEntries((await api('GET', `${listOf(binding)}/dump`, signal, { query: { EmailAddress } })).json),
        );
        return found.flat();
      },

      admit,

      async receive(request) {
        admit(request);
        return collect([jsonBody(request.body, z.record(z.string(), z.unknown()))], event, (one) =>
          readEvent(one, (stream) => bindings.filter((binding) => targetOf(binding).stream === stream)),
        );
      },
    };
  },
};

const event = z.object({
  RecordType: z.string(),
  MessageID: z.string().nullish(),
  MessageStream: z.string().nullish(),
  ID: z.number().optional(),
  Type: z.string().optional(),
  Email: z.string().optional(),
  Recipient: z.string().optional(),
  BouncedAt: timeField.optional(),
  ChangedAt: timeField.optional(),
  Details: z.string().nullish(),
  SuppressSending: z.boolean().optional(),
  SuppressionReason: z.string().nullish(),
  Origin: z.string().nullish(),
});

const HARD = new Set(['HardBounce', 'BadEmailAddress', 'ManuallyDeactivated']);

function readEvent(one: z.infer<typeof event>, bound: (stream: string) => readonly Binding[]): Reading {
  const address = one.Email ?? one.Recipient ?? '';
  const time = one.BouncedAt ?? one.ChangedAt ?? Number.NaN;
  const facts = {
    address,
    at: time,
    id: stableId(one.RecordType, one.ID, one.MessageID ?? '', address, time),
    evidence: evidence({
      type: one.Type ?? one.RecordType,
      stream: one.MessageStream ?? undefined,
      origin: one.Origin ?? undefined,
    }),
  };
  switch (one.RecordType) {
    case 'SpamComplaint':
      return complained(facts);
    case 'Bounce':
      return bounced(facts, HARD.has(one.Type ?? '') ? 'hard' : 'soft', one.Details);
    case 'SubscriptionChange':
      // Origin Customer or Admin: done through the API or by Postmark's staff, often by ourselves. Not the person's word.
      if (one.Origin !== 'Recipient') return 'ignored';
      if (one.SuppressSending === false) return listed('opted_in', facts, bound(one.MessageStream ?? ''));
      if (one.SuppressionReason === 'HardBounce') return bounced(facts, 'hard');
      if (one.SuppressionReason === 'SpamComplaint') return complained(facts);
      return listed('opted_out', facts, bound(one.MessageStream ?? ''));
    case 'Delivery':
    case 'Open':
    case 'Click':
      return 'ignored';
    default:
      return { unknown: one.RecordType };
  }
}
