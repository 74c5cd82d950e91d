import { z } from 'zod';
import type { Adapter, Binding, Destination, ReadBackEntry } from '../destination.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import {
  checkClock,
  configured,
  forged,
  hmac,
  jsonBody,
  sameText,
  signedTime,
  stableId,
} from './mechanics/incoming.js';
import { bounced, collect, complained, evidence, listed, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  apiKey: z.string().min(1),
  domain: z.string().min(1),
  baseUrl: z.url().default('https://api.mailgun.net'),
  webhookSigningKey: z.string().min(1).optional(),
  /** Mailgun tries a webhook again for eight hours, with the same timestamp and token. */
  webhookWindowSeconds: z
    .number()
    .int()
    .positive()
    .default(8 * 3600 + 600),
});
const target = z.strictObject({
  /** Only mail with this tag; `*` is all mail of the domain, service messages too. */
  tag: z.string().min(1).max(128).default('*'),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const record = z.object({
  address: z.string(),
  tag: z.string().optional(),
  tags: z.array(z.string()).optional(),
  created_at: timeField.optional().catch(undefined),
});
const page = z.object({ items: z.array(record), paging: z.object({ next: z.string().optional() }).optional() });
const PAGE = 1000;
const WIDTH = 8;

/**
 * Mailgun: the unsubscribes of one domain, with tags. "up to 1000 unsubscribe records" a JSON call; pages of 1,000.
 * @see https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/unsubscribe
 * @see https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks
 */
export const mailgun: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const basic = Buffer.from(`api:${options.apiKey}`).toString('base64');
    const api = createApi(parts.http, options.baseUrl, { authorization: `Basic ${basic}` });
    const targetOf = targetReader(target);
    const list = at`/v3/${options.domain}/unsubscribes`;
    const missing = `domain ${options.domain}`;
    const holds = (one: z.infer<typeof record>, tag: string) => one.tag === tag || one.tags?.includes(tag) === true;
    const entryOf = (one: z.infer<typeof record>): ReadBackEntry => ({
      address: one.address,
      kind: 'unsubscribed',
      ...(one.created_at === undefined ? {} : { at: one.created_at }),
    });

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 1000, lift: 100 },

      async send(binding, action, entries, signal) {
        const { tag } = targetOf(binding);
        if (action === 'suppress') {
          await api('POST', list, signal, {
            json: entries.map((entry) => ({ address: entry.address, tags: [tag] })),
            missing,
          });
          return inForce();
        }
        return inForce(
          await eachEntry(entries, WIDTH, signal, (entry) =>
            api('DELETE', `${list}${at`/${entry.address}`}`, signal, { query: { tag }, also: [404] }),
          ),
        );
      },

      async readBack(binding, cursor, signal) {
        const { tag } = targetOf(binding);
        const found = read(page, await api('GET', cursor ?? `${list}?limit=${PAGE}`, signal, { missing }));
        // Only path and query: a page's URL must not lead our key to another host.
        const next =
          found.paging?.next === undefined || found.items.length === 0 ? undefined : new URL(found.paging.next);
        return {
          entries: found.items.filter((one) => holds(one, tag)).map(entryOf),
          ...(next?.pathname === undefined || !next.pathname.endsWith('/unsubscribes')
            ? {}
            : { next: next.pathname + next.search }),
        };
      },

      async lookup(binding, addresses, signal) {
        const { tag } = targetOf(binding);
        const found = await each(addresses, WIDTH, signal, async (address) => {
          const answer = await api('GET', `${list}${at`/${address}`}`, signal, { also: [404] });
          return answer.status === 404 ? undefined : read(record, answer);
        });
        return found.flatMap((one) => (one && holds(one, tag) ? [entryOf(one)] : []));
      },

      async receive(request, now) {
        const key = configured(options.webhookSigningKey, 'webhookSigningKey');
        const { signature, 'event-data': eventData } = jsonBody(request.body, webhookBody);
        if (
          !signature ||
          !sameText(signature.signature, hmac('sha256', key, 'hex', signature.timestamp, signature.token))
        ) {
          throw forged('the signature does not fit timestamp and token');
        }
        checkClock(signedTime(signature.timestamp) * 1000, now, options.webhookWindowSeconds);
        // The signature does not cover the event: it counts for the first that comes under it.
        return collect([eventData], event, (one) => readEvent(one, bindings, targetOf), {
          replayKey: signature.token,
          replayContent: stableId(JSON.stringify(eventData)),
          replayFor: options.webhookWindowSeconds,
        });
      },
    };
  },
};

const webhookBody = z.object({
  signature: z
    .object({ timestamp: z.coerce.string(), token: z.string().min(1), signature: z.string() })
    .optional()
    .catch(undefined),
  'event-data': z.unknown(),
});
const event = z.object({
  event: z.string(),
  id: z.string().min(1),
  timestamp: timeField,
  recipient: z.string().min(1),
  severity: z.string().optional(),
  reason: z.string().optional(),
  tags: z.array(z.string()).nullish(),
  'delivery-status': z
    .object({ code: z.number().optional(), message: z.string().nullish(), description: z.string().nullish() })
    .optional(),
});

/** Reasons of a permanent failure that are not about the mailbox. `suppress-unsubscribe` echoes our own entry. */
const NOT_THE_MAILBOX = new Set(['suppress-unsubscribe', 'suppress-complaint']);
const SOFT = new Set(['espblock', 'greylisted', 'old']);

function readEvent(
  one: z.infer<typeof event>,
  bindings: readonly Binding[],
  targetOf: (binding: Binding) => Target,
): Reading {
  const facts = {
    address: one.recipient,
    at: one.timestamp,
    id: one.id,
    evidence: evidence({
      event: one.event,
      severity: one.severity,
      reason: one.reason,
      code: one['delivery-status']?.code,
    }),
  };
  switch (one.event) {
    case 'unsubscribed': {
      const tags = one.tags ?? [];
      return listed(
        'opted_out',
        facts,
        bindings.filter((binding) => tags.includes(targetOf(binding).tag)),
      );
    }
    case 'complained':
      return complained(facts);
    case 'failed':
      if (NOT_THE_MAILBOX.has(one.reason ?? '')) return 'ignored';
      return bounced(
        facts,
        one.severity === 'permanent' && !SOFT.has(one.reason ?? '') ? 'hard' : 'soft',
        one['delivery-status']?.message || one['delivery-status']?.description,
      );
    case 'accepted':
    case 'delivered':
    case 'opened':
    case 'clicked':
    case 'rejected':
    case 'stored':
      return 'ignored';
    default:
      return { unknown: one.event };
  }
}
