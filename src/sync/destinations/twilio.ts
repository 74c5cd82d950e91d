import { z } from 'zod';
import type { Action, Adapter, Binding, Destination, Sent } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { createPace } from '../pace.js';
import { createApi, misconfigured, read, refusedForGood, targetReader } from './mechanics/api.js';
import { chunks, inForce } from './mechanics/each.js';
import { numbersOf, parkedOf, type TextNumber } from './mechanics/text-numbers.js';

const settings = z.strictObject({
  /** Of an API key (`SK…`), or the account's own (`AC…`) with its auth token as the secret. */
  keySid: z.string().regex(/^(SK|AC)[0-9a-f]{32}$/, 'SK or AC and 32 hexadecimal digits'),
  keySecret: z.string().min(16),
  /** "100 requests per minute": less, where several processes share them. */
  callsPerSecond: z.number().positive().default(1.5),
  baseUrl: z.url().default('https://accounts.twilio.com'),
});
const target = z.strictObject({
  /** A messaging service (`MG…`) or one of your numbers in E.164: consent is kept for each sender apart. */
  sender: z.string().regex(/^(MG[0-9a-f]{32}|\+[1-9]\d{6,14}|\d{5,6})$/, 'MG and 32 hexadecimal digits, or a number'),
  /** How Twilio is told that it was collected. */
  source: z.enum(['website', 'offline', 'opt-in-message', 'opt-out-message', 'others']).default('others'),
  /** There is no neutral state there: `opt-in` says that the person wants texts again, `leave` says nothing. */
  onLift: z.enum(['opt-in', 'leave']).default('opt-in'),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

/** "Creates up to 25 consents" a request. */
const BATCH = 25;
const answered = z.object({
  items: z.array(
    z.object({
      correlation_id: z.string(),
      error_code: z.coerce.number(),
      error_messages: z.array(z.string()).nullish(),
    }),
  ),
});

/**
 * Twilio: who may get texts from a sender, by its Consent Management API (a pilot, for text messages only). 25 numbers a
 * request, 100 requests a minute, each answered on its own. An upsert: saying it again changes nothing.
 *
 * Twilio has no way to ask for what it holds. A STOP that is texted comes in by `/hooks/sms`.
 * @see https://www.twilio.com/docs/messaging/features/consent-api
 * @see https://www.twilio.com/docs/messaging/features/bulk-upsert-consents-api
 * The form of `Items` (the field repeated, each one JSON) is the SDK's, `twilio` 6.3.1 (rest/accounts/v1/bulkConsents).
 */
export const twilio: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const basic = Buffer.from(`${options.keySid}:${options.keySecret}`).toString('base64');
    const api = createApi(parts.http, options.baseUrl, { authorization: `Basic ${basic}` });
    const targetOf = targetReader(target);
    const pace = createPace(parts.machine, options.callsPerSecond);

    async function upsert(
      where: Target,
      status: 'opt-in' | 'opt-out',
      numbers: readonly TextNumber[],
      signal: AbortSignal,
    ) {
      const items = numbers.map((one) => ({ ...one, id: parts.machine.randomBytes(16).toString('hex') }));
      await pace(signal);
      const answer = await asAWhole(
        api('POST', '/v1/Consents/Bulk', signal, {
          form: items.map(({ entry, number, id }): [string, string] => [
            'Items',
            JSON.stringify({
              contact_id: number,
              correlation_id: id,
              sender_id: where.sender,
              status,
              source: where.source,
              ...(entry.since === undefined || status === 'opt-in' ? {} : { date_of_consent: isoSeconds(entry.since) }),
            }),
          ]),
          also: [404],
        }),
      );
      if (answer.status === 404)
        throw refusedForGood(
          'Twilio does not know Consent Management for this account: it is a pilot, ask Twilio for access, then resume',
        );
      const outcomes = new Map(read(answered, answer).items.map((item) => [item.correlation_id, item]));
      return items.map(({ entry, number, id }) => ({ entry, number, why: faultOf(outcomes.get(id), where.sender) }));
    }

    return {
      accepts: ['phone'],
      form: 'readable',
      limits: { suppress: BATCH, lift: BATCH },
      liftsNothing: (binding: Binding) => targetOf(binding).onLift === 'leave',

      async send(binding: Binding, action: Action, entries, signal): Promise<Sent> {
        const where = targetOf(binding);
        if (action === 'lift' && where.onLift === 'leave') return inForce();
        const outcomes: (TextNumber & { readonly why?: string | undefined })[] = [];
        for (const numbers of chunks(numbersOf(entries), BATCH))
          outcomes.push(...(await upsert(where, action === 'suppress' ? 'opt-out' : 'opt-in', numbers, signal)));
        const parked = parkedOf(outcomes);
        if (entries.length > 1 && parked.length === entries.length)
          throw misconfigured(`none of ${entries.length} numbers was taken: ${parked[0]?.why}`);
        return inForce(parked);
      },
    };
  },
};

/** What is refused as a whole is no number's fault: each has an answer of its own. */
async function asAWhole<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ProviderError && error.fault === 'refused') throw misconfigured(error.message);
    throw error;
  }
}

/** ISO 8601 in whole seconds, as in Twilio's examples. */
const isoSeconds = (ms: number) => new Date(ms).toISOString().replace(/\.\d{3}Z$/, 'Z');

/** Why an item was refused, undefined when it was taken. Throws for what is no fault of the number. */
function faultOf(item: z.infer<typeof answered>['items'][number] | undefined, sender: string): string | undefined {
  if (!item) throw new ProviderError('unavailable', 'the answer does not speak of every number');
  if (item.error_code === 0) return undefined;
  const why = redact(`${item.error_code} ${(item.error_messages ?? []).join(' ')}`.trim());
  if (/SENDER/.test(why)) throw misconfigured(`sender ${sender} is not accepted there: correct the catalog (${why})`);
  if (!/INVALID|MISSING|CONTACT/.test(why)) throw new ProviderError('unavailable', why);
  return why;
}
