import { z } from 'zod';
import type { Adapter, Binding, Destination, Entry, ReadBackEntry, Sent } from '../destination.js';
import { ProviderError } from '../destination.js';
import { at, createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { each, inForce } from './mechanics/each.js';
import { checkBasic, configured, jsonBody, type RequestHead, stableId } from './mechanics/incoming.js';
import { createKnown } from './mechanics/known.js';
import { bounced, collect, complained, evidence, listed, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  /** Of the type "server-side". */
  apiKey: z.string().min(1),
  /** `https://api.eu.iterable.com` for projects in the EU. */
  baseUrl: z.url().default('https://api.iterable.com'),
  webhookUser: z.string().min(1).optional(),
  webhookPassword: z.string().min(1).optional(),
});
const id = z.number().int().positive();
const target = z.union([
  z.strictObject({ channel: id }),
  z.strictObject({ messageType: id }),
  /** An email list; off it means unsubscribed from it. */
  z.strictObject({ list: id }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const ids = z.array(z.number()).nullish();
const user = z.object({
  user: z
    .object({
      email: z.string().optional(),
      dataFields: z
        .object({ emailListIds: ids, unsubscribedChannelIds: ids, unsubscribedMessageTypeIds: ids })
        .default({
          emailListIds: null,
          unsubscribedChannelIds: null,
          unsubscribedMessageTypeIds: null,
        }),
    })
    .optional(),
});
type Fields = NonNullable<z.infer<typeof user>['user']>['dataFields'];
const bulkAnswer = z.object({
  invalidEmails: z.array(z.string()).default([]),
  validEmailFailures: z.array(z.string()).default([]),
});
const all = z.record(z.string(), z.unknown());
const named = z.array(z.object({ id: z.number() }));
const WIDTH = 8;

/** Where a kind of target lives: in the user, and in the list of those that exist. */
function placeOf(where: Target) {
  if ('channel' in where)
    return { field: 'unsubscribedChannelIds', id: where.channel, of: 'channels', outWhenListed: true } as const;
  if ('messageType' in where)
    return {
      field: 'unsubscribedMessageTypeIds',
      id: where.messageType,
      of: 'messageTypes',
      outWhenListed: true,
    } as const;
  return { field: 'emailListIds', id: where.list, of: 'lists', outWhenListed: false } as const;
}

/** The field's ids with ours in it or not, or undefined when it is so already. */
function changed(fields: Fields | undefined, place: ReturnType<typeof placeOf>, out: boolean): number[] | undefined {
  const now = fields?.[place.field] ?? [];
  const wanted = out === place.outWhenListed;
  if (now.includes(place.id) === wanted) return undefined;
  return wanted ? [...now, place.id] : now.filter((one) => one !== place.id);
}

/**
 * Iterable: one channel, message type or list. `bulkUpdateSubscriptions` takes 1,000 users but replaces each field it is
 * given, so every user is read first and only what changes is written; hence 100 a batch. A lift on a list does nothing,
 * since it would subscribe. There is no read-back: exports come as files.
 * @see https://api.iterable.com/api/docs#users_bulkUpdateSubscriptions
 * @see https://support.iterable.com/hc/en-us/articles/208013936-System-Webhooks
 */
export const iterable: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, { 'api-key': options.apiKey });
    const targetOf = targetReader(target);
    const known = createKnown(parts.now);

    async function checkPlace({ of, id: wanted }: ReturnType<typeof placeOf>, signal: AbortSignal): Promise<void> {
      const answer = read(all, await api('GET', `/api/${of}`, signal));
      const found = named.safeParse(answer[of]).data ?? [];
      if (!found.some((one) => one.id === wanted))
        throw misconfigured(`${wanted} is not among the ${of} there: correct the catalog`);
    }

    async function fieldsOf(address: string, signal: AbortSignal): Promise<Fields | undefined> {
      const answer = await api('GET', at`/api/users/${address}`, signal, { also: [404] });
      // Who is not there is a 404 or an empty answer.
      return answer.status === 404 ? undefined : read(user, answer).user?.dataFields;
    }

    function outcome(entries: readonly Entry[], answer: Parameters<typeof read>[1]): Sent {
      const { invalidEmails, validEmailFailures } = read(bulkAnswer, answer);
      if (validEmailFailures.length > 0) {
        // Not done, for no fault of the address: found out one by one, then tried again until it is done.
        throw new ProviderError(entries.length > 1 ? 'refused' : 'unavailable', 'some addresses were not changed');
      }
      const invalid = new Set(invalidEmails.map((email) => email.toLowerCase()));
      return inForce(
        entries
          .filter((entry) => invalid.has(entry.address.toLowerCase()))
          .map((entry) => ({ ref: entry.ref, why: 'not a valid address' })),
      );
    }

    const admit = (head: RequestHead) => {
      const user = configured(options.webhookUser, 'webhookUser');
      checkBasic(head, user, configured(options.webhookPassword, 'webhookPassword'));
      return true;
    };

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 100, lift: 100 },
      liftsNothing: (binding) => placeOf(targetOf(binding)).of === 'lists',

      async send(binding, action, entries, signal) {
        const place = placeOf(targetOf(binding));
        if (action === 'lift' && place.of === 'lists') return inForce();
        await known(`${place.of}/${place.id}`, () => checkPlace(place, signal));
        const out = action === 'suppress';
        const users = await each(entries, WIDTH, signal, async (entry) => ({
          entry,
          fields: await fieldsOf(entry.address, signal),
        }));
        const missing = users.filter((one) => one.fields === undefined && out && place.outWhenListed);
        // Somebody who is not there yet is created, so that an import cannot have them mailed.
        const created =
          missing.length === 0
            ? inForce()
            : outcome(
                missing.map((one) => one.entry),
                await api('POST', '/api/users/bulkUpdate', signal, {
                  json: { users: missing.map(({ entry }) => ({ email: entry.address })), createNewFields: false },
                }),
              );
        const parked = new Set(created.parked?.map((one) => one.ref));
        const changes = users.flatMap(({ entry, fields }) => {
          const value = fields || out ? changed(fields, place, out) : undefined;
          return value === undefined || parked.has(entry.ref) ? [] : [{ entry, value }];
        });
        if (changes.length === 0) return created;
        const sent = outcome(
          changes.map((one) => one.entry),
          await api('POST', '/api/users/bulkUpdateSubscriptions', signal, {
            json: {
              updateSubscriptionsRequests: changes.map(({ entry, value }) => ({
                email: entry.address,
                [place.field]: value,
              })),
            },
          }),
        );
        return inForce([...(created.parked ?? []), ...(sent.parked ?? [])]);
      },

      async lookup(binding, addresses, signal) {
        const place = placeOf(targetOf(binding));
        const found = await each(addresses, WIDTH, signal, async (address): Promise<ReadBackEntry[]> => {
          const fields = await fieldsOf(address, signal);
          const out = fields !== undefined && changed(fields, place, true) === undefined;
          return out ? [{ address, kind: 'unsubscribed' }] : [];
        });
        return found.flat();
      },

      admit,

      async receive(request) {
        admit(request);
        return collect([jsonBody(request.body, z.record(z.string(), z.unknown()))], event, (one) =>
          readEvent(one, (places) =>
            bindings.filter((binding) => {
              const place = placeOf(targetOf(binding));
              return places[place.of].includes(place.id);
            }),
          ),
        );
      },
    };
  },
};

const event = z.object({
  eventName: z.string(),
  email: z.string().min(1),
  dataFields: z.object({
    /** "2016-12-02 20:21:04 +00:00" */
    createdAt: timeField,
    channelIds: ids,
    messageTypeIds: ids,
    emailListIds: ids,
    unsubSource: z.string().optional(),
    recipientState: z.string().optional(),
    campaignId: z.coerce.string().optional(),
  }),
});

type Places = Readonly<Record<'channels' | 'messageTypes' | 'lists', readonly number[]>>;

const IGNORED =
  /^(email(send|sendskip|open|click|delivered|clicked)|(push|inapp|sms|webpush)\w*|customevent|purchase|hostedunsubscribeclick)$/;

function readEvent(
  { eventName, email, dataFields: data }: z.infer<typeof event>,
  bound: (places: Places) => readonly Binding[],
): Reading {
  const facts = {
    address: email,
    at: data.createdAt,
    id: stableId(eventName, email.toLowerCase(), data.createdAt, data.campaignId),
    evidence: evidence({ event: eventName, source: data.unsubSource, campaign: data.campaignId }),
  };
  const about = bound({
    channels: data.channelIds ?? [],
    messageTypes: data.messageTypeIds ?? [],
    lists: data.emailListIds ?? [],
  });
  // Names are documented in two spellings.
  switch (eventName.toLowerCase()) {
    case 'emailunsubscribe':
      // Written through the interface, most likely by ourselves.
      return /^api/i.test(data.unsubSource ?? '') ? 'ignored' : listed('opted_out', facts, about);
    case 'emailsubscribe':
      return listed('opted_in', facts, about);
    case 'emailcomplaint':
      return complained(facts);
    case 'emailbounce':
      return bounced(facts, /soft/i.test(data.recipientState ?? '') ? 'soft' : 'hard');
    default:
      return IGNORED.test(eventName.toLowerCase()) ? 'ignored' : { unknown: eventName };
  }
}
