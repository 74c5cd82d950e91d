import { createPublicKey, verify } from 'node:crypto';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type {
  Adapter,
  Binding,
  Destination,
  InboundRequest,
  ReadBackEntry,
  ReadBackPage,
  Received,
} from '../destination.js';
import { at, createApi, read, targetReader } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import {
  carriesSignature,
  checkClock,
  configured,
  forged,
  header,
  jsonBody,
  replayKeyOf,
} from './mechanics/incoming.js';
import { createKnown } from './mechanics/known.js';
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
  apiKey: z.string().min(1),
  baseUrl: z.url().default('https://api.sendgrid.com'),
  /** Acts for a subuser. */
  onBehalfOf: z.string().min(1).optional(),
  /** The verification key of the signed event webhook, as shown in the mail settings. */
  webhookKey: z.string().min(1).optional(),
  webhookWindowSeconds: z.number().int().positive().default(600),
});
const target = z.union([
  z.strictObject({ global: z.literal(true) }),
  z.strictObject({ group: z.number().int().positive() }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

/** The lists that hold a global binding's addresses, in the order of read-back. */
const GLOBAL_LISTS = [
  { path: 'unsubscribes', kind: 'unsubscribed' },
  { path: 'bounces', kind: 'bounced' },
  { path: 'spam_reports', kind: 'complained' },
] as const;
/** "The maximum page size for this endpoint is 500 items per page." */
const PAGE = 500;
const WIDTH = 8;

const addresses = z.array(z.string());
const dated = z.array(z.object({ email: z.string(), created: z.number() }));
const oneGlobal = z.object({ recipient_email: z.string().optional() });

/**
 * Twilio SendGrid: global suppressions and unsubscribe groups.
 *
 * Adding to a group that does not exist adds to the *global* list ("If you attempt to add suppressions to a group that
 * has been deleted or does not exist, …"), so a group is looked up before it is written to. 1,000 addresses a call.
 * @see https://www.twilio.com/docs/sendgrid/api-reference/suppressions-suppressions/add-suppressions-to-a-suppression-group
 * @see https://www.twilio.com/docs/sendgrid/api-reference/suppressions-global-suppressions
 * @see https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
 */
export const sendgrid: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, {
      authorization: `Bearer ${options.apiKey}`,
      ...(options.onBehalfOf === undefined ? {} : { 'on-behalf-of': options.onBehalfOf }),
    });
    const targetOf = targetReader(target);
    const known = createKnown(parts.now);

    const listPath = (where: Target) =>
      'group' in where ? at`/v3/asm/groups/${where.group}/suppressions` : '/v3/asm/suppressions/global';

    async function checkGroup(where: Target, signal: AbortSignal): Promise<void> {
      if (!('group' in where)) return;
      const missing = `unsubscribe group ${where.group}`;
      await known(
        where.group,
        async () => void (await api('GET', at`/v3/asm/groups/${where.group}`, signal, { missing })),
      );
    }

    async function globalPage(cursor: string | undefined, signal: AbortSignal): Promise<ReadBackPage> {
      const [index = 0, offset = 0] = (cursor ?? '0:0').split(':').map(Number);
      const list = GLOBAL_LISTS[index];
      if (!list) return { entries: [] };
      const answer = await api('GET', at`/v3/suppression/${list.path}`, signal, { query: { limit: PAGE, offset } });
      const found = read(dated, answer);
      const next =
        found.length === PAGE
          ? `${index}:${offset + PAGE}`
          : index + 1 < GLOBAL_LISTS.length
            ? `${index + 1}:0`
            : undefined;
      return {
        entries: found.map((one) => ({ address: one.email, at: one.created * 1000, kind: list.kind })),
        ...(next === undefined ? {} : { next }),
      };
    }

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 1000, lift: 100 },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        if (action === 'lift') {
          const path = listPath(where);
          return inForce(
            await eachEntry(entries, WIDTH, signal, (entry) =>
              api('DELETE', `${path}${at`/${entry.address}`}`, signal, { also: [404] }),
            ),
          );
        }
        await checkGroup(where, signal);
        await api('POST', listPath(where), signal, {
          json: { recipient_emails: entries.map((entry) => entry.address) },
        });
        return inForce();
      },

      async readBack(binding, cursor, signal) {
        const where = targetOf(binding);
        if (!('group' in where)) return globalPage(cursor, signal);
        // The group's list comes whole and without times.
        const found = read(addresses, await api('GET', listPath(where), signal));
        return { entries: found.map((address) => ({ address, kind: 'unsubscribed' })) };
      },

      async lookup(binding, asked, signal): Promise<readonly ReadBackEntry[]> {
        const where = targetOf(binding);
        if ('group' in where) {
          const answer = await api('POST', `${listPath(where)}/search`, signal, { json: { recipient_emails: asked } });
          return read(addresses, answer).map((address) => ({ address, kind: 'unsubscribed' }));
        }
        const found = await each(asked, WIDTH, signal, async (address) =>
          read(oneGlobal, await api('GET', at`/v3/asm/suppressions/global/${address}`, signal, { also: [404] })),
        );
        return found.flatMap((one) =>
          one.recipient_email ? [{ address: one.recipient_email, kind: 'unsubscribed' }] : [],
        );
      },

      admit: (head) => carriesSignature(head, 'x-twilio-email-event-webhook-signature'),

      async receive(request, now): Promise<Received> {
        const key = configured(options.webhookKey, 'webhookKey');
        const signedAt = checkSignature(key, request);
        checkClock(signedAt, now, options.webhookWindowSeconds);
        return collect(
          jsonBody(request.body, z.array(z.unknown())),
          event,
          (one) => readEvent(one, bindings, targetOf),
          {
            // Not the signature: an ECDSA signature has a second valid form, (r, n − s).
            replayKey: replayKeyOf(header(request, 'x-twilio-email-event-webhook-timestamp'), request.body),
            replayFor: options.webhookWindowSeconds,
          },
        );
      },
    };
  },
};

/** ECDSA P-256 over timestamp + raw body. Returns when it was signed, in ms. */
function checkSignature(key: string, request: InboundRequest): number {
  const signature = header(request, 'x-twilio-email-event-webhook-signature');
  const timestamp = header(request, 'x-twilio-email-event-webhook-timestamp');
  if (signature === '' || !/^\d{1,12}$/.test(timestamp)) throw forged('the request carries no signature');
  let genuine = false;
  try {
    const publicKey = createPublicKey({ key: Buffer.from(key, 'base64'), format: 'der', type: 'spki' });
    genuine = verify(
      'sha256',
      Buffer.concat([Buffer.from(timestamp), request.body]),
      publicKey,
      Buffer.from(signature, 'base64'),
    );
  } catch (error) {
    throw new HushError(
      'unauthorized',
      'the verification key cannot be read',
      { remedy: 'copy webhookKey again' },
      { cause: error },
    );
  }
  if (!genuine) throw forged('the signature does not fit the body');
  return Number(timestamp) * 1000;
}

const event = z.object({
  event: z.string(),
  email: z.string().min(1),
  timestamp: timeField,
  sg_event_id: z.string().min(1),
  asm_group_id: z.number().optional(),
  type: z.string().optional(),
  status: z.string().optional(),
  reason: z.string().optional(),
});

/** @see https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event */
function readEvent(
  one: z.infer<typeof event>,
  bindings: readonly Binding[],
  targetOf: (binding: Binding) => Target,
): Reading {
  const facts = {
    address: one.email,
    at: one.timestamp,
    id: one.sg_event_id,
    evidence: evidence({ event: one.event, status: one.status, group: one.asm_group_id }),
  };
  const bound = bindings.filter((binding) => {
    const where = targetOf(binding);
    return 'group' in where && where.group === one.asm_group_id;
  });
  switch (one.event) {
    case 'unsubscribe':
      return optedOut(facts);
    case 'group_unsubscribe':
      return listed('opted_out', facts, bound);
    case 'group_resubscribe':
      return listed('opted_in', facts, bound);
    case 'spamreport':
      return complained(facts);
    case 'bounce':
      // `blocked` is a refusal of this message, not of the mailbox.
      return bounced(facts, one.type === 'blocked' ? 'soft' : 'hard', one.reason);
    case 'dropped':
      return readDrop(one.reason ?? '', facts);
    case 'processed':
    case 'delivered':
    case 'deferred':
    case 'open':
    case 'click':
      return 'ignored';
    default:
      return { unknown: one.event };
  }
}

/**
 * A drop repeats why the address was on a list before. "Unsubscribed Address" is ignored: it may echo what we put there
 * ourselves, such as a pause, and must not make it permanent; unsubscribes themselves come as events and by read-back.
 */
function readDrop(reason: string, facts: Parameters<typeof optedOut>[0]): Reading {
  if (/^spam report/i.test(reason)) return complained(facts);
  if (/^(bounced|invalid)/i.test(reason)) return bounced(facts, 'hard');
  return 'ignored';
}
