import { z } from 'zod';
import { abortAfter } from '../../core/machine.js';
import type { Adapter, Binding, Destination, Entry, ReadBackEntry, Sent } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { createApi, misconfigured, read, targetReader } from './mechanics/api.js';
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
  signedTime,
  stableId,
} from './mechanics/incoming.js';
import { createKnown } from './mechanics/known.js';
import { collect, evidence, listed, type Reading, timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  /** Of a private app with `communication_preferences.read_write` and `crm.objects.contacts.read`. */
  accessToken: z.string().min(1),
  baseUrl: z.url().default('https://api.hubapi.com'),
  businessUnit: z.number().int().nonnegative().optional(),
  /** Signs the app's webhooks. */
  clientSecret: z.string().min(1).optional(),
});
const target = z.union([
  /** Every email of the account or business unit. Only the person can take that back. */
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({
    /** Id of the subscription type. */
    subscription: z.number().int().positive(),
    /** On what ground a lift subscribes again; without one a lift sets "not specified". */
    legalBasis: z
      .enum([
        'LEGITIMATE_INTEREST_PQL',
        'LEGITIMATE_INTEREST_CLIENT',
        'PERFORMANCE_OF_CONTRACT',
        'CONSENT_WITH_NOTICE',
        'NON_GDPR',
        'PROCESS_AND_STORE',
        'LEGITIMATE_INTEREST_OTHER',
      ])
      .optional(),
    legalBasisExplanation: z.string().min(1).max(500).optional(),
  }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const PATH = '/communication-preferences/2026-03';
const batchAnswer = z.object({
  errors: z
    .array(
      z.object({
        message: z.string().default('refused'),
        context: z.record(z.string(), z.array(z.string())).optional(),
      }),
    )
    .default([]),
});
const definitions = z.object({ results: z.array(z.object({ id: z.coerce.number() })) });
const one = { subscriberIdString: z.string() };
const when = timeField.optional().catch(undefined);
const wide = z.object({
  results: z.array(z.object({ ...one, wideStatuses: z.array(z.object({ status: z.string(), timestamp: when })) })),
});
const perTopic = z.object({
  results: z.array(
    z.object({
      ...one,
      statuses: z.array(z.object({ subscriptionId: z.coerce.number(), status: z.string(), timestamp: when })),
    }),
  ),
});
const contacts = z.object({
  results: z.array(z.object({ id: z.string(), properties: z.record(z.string(), z.string().nullable()) })),
});
/** "The search endpoints … up to 200 records per page." */
const PAGE = 200;
/** Of every batch endpoint. */
const BATCH = 100;

/**
 * HubSpot: out of all email, or of one subscription type. 100 addresses a call; 100 calls in 10 seconds (190 from
 * Professional on), 5 searches a second. Read-back walks contacts by id, since a search ends after 10,000 results.
 * @see https://developers.hubspot.com/docs/api-reference/communication-preferences-subscriptions-v4/guide
 * @see https://developers.hubspot.com/docs/api-reference/search/guide
 * @see https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests (also `@hubspot/api-client` 13.5 `Signature`)
 */
export const hubspot: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const api = createApi(parts.http, options.baseUrl, { authorization: `Bearer ${options.accessToken}` });
    const targetOf = targetReader(target);
    const query = { channel: 'EMAIL', businessUnitId: options.businessUnit };
    const propertyOf = (where: Target) =>
      'all' in where ? 'hs_email_optout' : `hs_email_optout_${where.subscription}`;
    const known = createKnown(parts.now);

    /** A type that does not exist fails like a bad address would, so it is looked for first. */
    async function checkSubscription(id: number, signal: AbortSignal): Promise<void> {
      const answer = await api('GET', `${PATH}/definitions`, signal, {
        query: { businessUnitId: options.businessUnit },
      });
      if (!read(definitions, answer).results.some((found) => found.id === id))
        throw misconfigured(`subscription type ${id} does not exist there: correct the catalog`);
    }

    function outcome(entries: readonly Entry[], answer: Parameters<typeof read>[1]): Sent {
      const { errors } = read(batchAnswer, answer);
      const parked = errors.map((error) => {
        const named = new Set(
          Object.values(error.context ?? {})
            .flat()
            .map((text) => text.toLowerCase()),
        );
        const entry = entries.find((candidate) => named.has(candidate.address.toLowerCase()));
        // An error that names nobody: halve the batch until it does.
        if (!entry) throw new ProviderError('refused', redact(error.message));
        return { ref: entry.ref, why: redact(error.message) };
      });
      return inForce(parked);
    }

    async function write(
      where: Extract<Target, { subscription: number }>,
      statusState: 'UNSUBSCRIBED' | 'SUBSCRIBED' | 'NOT_SPECIFIED',
      entries: readonly Entry[],
      signal: AbortSignal,
    ): Promise<Sent> {
      await known(where.subscription, () => checkSubscription(where.subscription, signal));
      const grounds =
        statusState === 'SUBSCRIBED' && where.legalBasis
          ? {
              legalBasis: where.legalBasis,
              legalBasisExplanation: where.legalBasisExplanation ?? 'Permitted in the preference center',
            }
          : {};
      const answer = await api('POST', `${PATH}/statuses/batch/write`, signal, {
        json: {
          inputs: entries.map((entry) => ({
            channel: 'EMAIL',
            statusState,
            subscriberIdString: entry.address,
            subscriptionId: where.subscription,
            ...grounds,
          })),
        },
      });
      return outcome(entries, answer);
    }

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: BATCH, lift: BATCH },
      liftsNothing: (binding) => !('subscription' in targetOf(binding)),

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        if ('subscription' in where) {
          const lifted = where.legalBasis ? 'SUBSCRIBED' : 'NOT_SPECIFIED';
          return write(where, action === 'suppress' ? 'UNSUBSCRIBED' : lifted, entries, signal);
        }
        if (action === 'lift') return inForce();
        const inputs = entries.map((entry) => entry.address);
        return outcome(
          entries,
          await api('POST', `${PATH}/statuses/batch/unsubscribe-all`, signal, {
            query: { ...query, verbose: 'true' },
            json: { inputs },
          }),
        );
      },

      async readBack(binding, cursor, signal) {
        const property = propertyOf(targetOf(binding));
        const filters = [
          { propertyName: property, operator: 'EQ', value: 'true' },
          { propertyName: 'email', operator: 'HAS_PROPERTY' },
          ...(cursor === undefined ? [] : [{ propertyName: 'hs_object_id', operator: 'GT', value: cursor }]),
        ];
        const answer = await api('POST', '/crm/v3/objects/contacts/search', signal, {
          json: {
            filterGroups: [{ filters }],
            sorts: [{ propertyName: 'hs_object_id', direction: 'ASCENDING' }],
            properties: ['email'],
            limit: PAGE,
          },
        });
        const found = read(contacts, answer).results;
        const last = found.at(-1)?.id;
        return {
          entries: found.flatMap(({ properties: { email } }) =>
            email ? [{ address: email, kind: 'unsubscribed' }] : [],
          ),
          ...(found.length === PAGE && last !== undefined ? { next: last } : {}),
        };
      },

      async lookup(binding, addresses, signal): Promise<readonly ReadBackEntry[]> {
        const where = targetOf(binding);
        const found = await each(chunks(addresses, BATCH), 2, signal, async (inputs) => {
          const path = `${PATH}/statuses/batch/${'all' in where ? 'unsubscribe-all/' : ''}read`;
          const answer = await api('POST', path, signal, { query, json: { inputs } });
          return 'all' in where
            ? read(wide, answer).results.map((one) => ({ ...one, statuses: one.wideStatuses }))
            : read(perTopic, answer).results.map((one) => ({
                ...one,
                statuses: one.statuses.filter((status) => status.subscriptionId === where.subscription),
              }));
        });
        return found.flat().flatMap(({ subscriberIdString: address, statuses }): ReadBackEntry[] => {
          const out = statuses.find((status) => status.status === 'UNSUBSCRIBED');
          if (!out) return [];
          return [{ address, kind: 'unsubscribed', ...(out.timestamp === undefined ? {} : { at: out.timestamp }) }];
        });
      },

      admit: (head) => carriesSignature(head, 'x-hubspot-signature-v3'),

      async receive(request, now) {
        const secret = configured(options.clientSecret, 'clientSecret');
        const stamp = header(request, 'x-hubspot-request-timestamp');
        const expected = hmac('sha256', secret, 'base64', request.method, request.url, request.body, stamp);
        if (stamp === '' || !sameText(header(request, 'x-hubspot-signature-v3'), expected))
          throw forged('the signature does not fit method, URL, body and time');
        checkClock(signedTime(stamp), now, WINDOW);
        const items = jsonBody(request.body, z.array(z.unknown()));
        const changed = items.flatMap((item) => {
          const parsed = event.safeParse(item);
          return parsed.success && isOptOut(parsed.data) ? [String(parsed.data.objectId)] : [];
        });
        const emails = await emailsOf([...new Set(changed)]);
        return collect(
          items,
          event,
          (change) =>
            readEvent(change, emails.get(String(change.objectId)) ?? '', (property) =>
              bindings.filter((binding) => propertyOf(targetOf(binding)) === property),
            ),
          { replayKey: replayKeyOf(request.method, request.url, request.body, stamp), replayFor: WINDOW },
        );
      },
    };

    /** Webhooks name contacts by HubSpot's id only. */
    async function emailsOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
      // HubSpot waits 5 seconds for the answer to a webhook.
      const signal = abortAfter(parts.machine, 4000);
      const found = await each(chunks(ids, BATCH), 4, signal, async (some) => {
        const answer = await api('POST', '/crm/v3/objects/contacts/batch/read', signal, {
          json: { properties: ['email'], inputs: some.map((id) => ({ id })) },
        });
        return read(contacts, answer).results;
      });
      return new Map(found.flat().flatMap(({ id, properties: { email } }) => (email ? [[id, email]] : [])));
    }
  },
};

/** "Reject the request if the timestamp is older than 5 minutes." */
const WINDOW = 300;

const event = z.object({
  subscriptionType: z.string(),
  eventId: z.coerce.string().default(''),
  objectId: z.coerce.string().min(1),
  occurredAt: timeField,
  propertyName: z.string().optional(),
  propertyValue: z.string().nullish(),
  changeSource: z.string().optional(),
});

const OPT_OUT = /^hs_email_optout(_\d+)?$/;
const isOptOut = (change: z.infer<typeof event>) =>
  change.subscriptionType.endsWith('.propertyChange') && OPT_OUT.test(change.propertyName ?? '');

function readEvent(
  change: z.infer<typeof event>,
  address: string,
  bound: (property: string) => readonly Binding[],
): Reading {
  if (!change.subscriptionType.endsWith('.propertyChange')) return { unknown: change.subscriptionType };
  // What an app wrote, ourselves included, is not the word of the person.
  if (!isOptOut(change) || /^(api|integration)$/i.test(change.changeSource ?? '')) return 'ignored';
  const property = change.propertyName ?? '';
  const facts = {
    address,
    at: change.occurredAt,
    id: stableId(change.eventId, change.objectId, change.occurredAt, property),
    evidence: evidence({ property, source: change.changeSource }),
  };
  return listed(change.propertyValue === 'true' ? 'opted_out' : 'opted_in', facts, bound(property));
}
