import { z } from 'zod';
import type { Adapter, Binding, Destination, ReadBackEntry } from '../destination.js';
import type { HttpRequest } from '../http.js';
import { createPace } from '../pace.js';
import { at, encoded, misconfigured, read, targetReader } from './mechanics/api.js';
import { each, eachEntry, inForce } from './mechanics/each.js';
import { configured, jsonBody } from './mechanics/incoming.js';
import { createKnown } from './mechanics/known.js';
import { collect } from './mechanics/reports.js';
import { readSesEvent, sesEvent } from './mechanics/ses-events.js';
import { signAws } from './mechanics/sigv4.js';
import { createSnsReader, snsMessage } from './mechanics/sns.js';
import { createSpellings } from './mechanics/spellings.js';

const settings = z.strictObject({
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/),
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
  baseUrl: z.url().optional(),
  /** ARNs of the SNS topics that may report to us. */
  topics: z.array(z.string().startsWith('arn:')).min(1).optional(),
  /** SNS retries an endpoint for about an hour. */
  webhookWindowSeconds: z.number().int().positive().default(7200),
  /** Calls about contacts and their lists; Amazon takes one a second unless it was raised. */
  contactCallsPerSecond: z.number().positive().default(1),
});
const target = z.union([
  z.strictObject({ account: z.literal(true) }),
  z.strictObject({ contactList: z.string().min(1), topic: z.string().min(1).optional() }),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

/** Contacts take two calls each, at about one call a second: a larger batch would outlive its deadline. */
const BATCH = 5;
/** Pages of 1,000 entries that one lift may read to find a spelling. */
const MAX_PAGES_LEARNT = 10;

const preference = z.object({ TopicName: z.string(), SubscriptionStatus: z.string() });
const contact = z.object({
  EmailAddress: z.string().optional(),
  TopicPreferences: z.array(preference).default([]),
  UnsubscribeAll: z.boolean().default(false),
  LastUpdatedTimestamp: z.number().optional(),
});
const contacts = z.object({ Contacts: z.array(contact).default([]), NextToken: z.string().nullish() });
const contactList = z.object({ Topics: z.array(z.object({ TopicName: z.string() })).default([]) });
const suppressed = z.object({ EmailAddress: z.string(), Reason: z.string(), LastUpdateTime: z.number().optional() });
const suppressedPage = z.object({
  SuppressedDestinationSummaries: z.array(suppressed).default([]),
  NextToken: z.string().nullish(),
});

/**
 * Amazon SES, API v2: the account's suppression list, or a topic (or all) of a contact list.
 *
 * The account list knows the reasons BOUNCE and COMPLAINT only and stops *every* mail, service messages too. `UpdateContact`
 * replaces all topic preferences, so they are read first.
 * @see https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_PutSuppressedDestination.html
 * @see https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_UpdateContact.html
 */
export const ses: Adapter<Settings, Target> = {
  settings,
  target,
  reportsAs: 'webhook',
  create(options, parts, bindings): Destination {
    const base = (options.baseUrl ?? `https://email.${options.region}.amazonaws.com`).replace(/\/+$/, '');
    const targetOf = targetReader(target);
    const sns = createSnsReader(parts.machine, parts.http);
    const known = createKnown(parts.now);
    const spellings = createSpellings();
    const pace = createPace(parts.machine, options.contactCallsPerSecond);

    async function call(
      method: HttpRequest['method'],
      path: string,
      signal: AbortSignal,
      json?: unknown,
      also: readonly number[] = [],
    ) {
      if (path.startsWith('/v2/email/contact-lists/')) await pace(signal);
      const body = json === undefined ? '' : JSON.stringify(json);
      const url = `${base}${path}`;
      const headers = await signAws(
        { method, url, body, headers: { 'content-type': 'application/json' } },
        options,
        options.region,
        'ses',
        parts.now(),
      );
      const secrets = [options.secretAccessKey];
      return parts.http.request({
        method,
        url,
        headers,
        signal,
        also,
        secrets,
        ...(json === undefined ? {} : { body }),
      });
    }

    async function setContact(
      where: { contactList: string; topic?: string | undefined },
      address: string,
      out: boolean,
      signal: AbortSignal,
    ) {
      const path = at`/v2/email/contact-lists/${where.contactList}/contacts/${address}`;
      const found = await call('GET', path, signal, undefined, [404]);
      const known = found.status === 404 ? undefined : read(contact, found);
      if (known ? isOut(where, known) === out : !out) return;
      const others = (known?.TopicPreferences ?? []).filter((one) => one.TopicName !== where.topic);
      const json =
        where.topic === undefined
          ? { TopicPreferences: others, UnsubscribeAll: out }
          : {
              TopicPreferences: [...others, { TopicName: where.topic, SubscriptionStatus: out ? 'OPT_OUT' : 'OPT_IN' }],
              UnsubscribeAll: known?.UnsubscribeAll ?? false,
            };
      if (known) await call('PUT', path, signal, json);
      else
        await call('POST', at`/v2/email/contact-lists/${where.contactList}/contacts`, signal, {
          EmailAddress: address,
          ...json,
        });
    }

    /** A list or topic that does not exist fails like a bad address would, so it is looked for first. */
    async function checkList(where: { contactList: string; topic?: string | undefined }, signal: AbortSignal) {
      const answer = await call('GET', at`/v2/email/contact-lists/${where.contactList}`, signal, undefined, [404]);
      if (answer.status === 404) throw misconfigured(`contact list ${where.contactList} does not exist there`);
      const topics = read(contactList, answer).Topics.map((one) => one.TopicName);
      if (where.topic !== undefined && !topics.includes(where.topic))
        throw misconfigured(`topic ${where.topic} is not in contact list ${where.contactList}`);
    }

    const isOut = (where: Target, one: z.infer<typeof contact>) =>
      'contactList' in where &&
      (where.topic === undefined
        ? one.UnsubscribeAll
        : one.TopicPreferences.some((p) => p.TopicName === where.topic && p.SubscriptionStatus === 'OPT_OUT'));

    async function pageOfSuppressed(cursor: string | undefined, signal: AbortSignal) {
      const query = `PageSize=1000${cursor === undefined ? '' : `&NextToken=${encoded(cursor)}`}`;
      const page = read(suppressedPage, await call('GET', `/v2/email/suppression/addresses?${query}`, signal));
      for (const one of page.SuppressedDestinationSummaries) spellings.learn(one.EmailAddress);
      return page;
    }

    /** The first spellings on the account's list, once in ten minutes; a reconciliation learns all of them. */
    async function learnSpellings(signal: AbortSignal): Promise<void> {
      let cursor: string | undefined;
      for (let pages = 0; pages < MAX_PAGES_LEARNT; pages++) {
        cursor = (await pageOfSuppressed(cursor, signal)).NextToken ?? undefined;
        if (cursor === undefined) return;
      }
    }

    /** What is found under the spellings of an address; the list is read where none of those known is there. */
    async function underSpellings<T>(
      address: string,
      signal: AbortSignal,
      ask: (spelling: string) => Promise<T | undefined>,
    ): Promise<T[]> {
      const askAll = async (all: readonly string[]): Promise<T[]> => {
        const found: T[] = [];
        for (const spelling of all) {
          const one = await ask(spelling);
          if (one !== undefined) found.push(one);
        }
        return found;
      };
      const likely = spellings.of(address);
      const found = await askAll(likely);
      if (found.length > 0) return found;
      await known('spellings', () => learnSpellings(signal));
      return askAll(spellings.of(address).filter((spelling) => !likely.includes(spelling)));
    }

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: BATCH, lift: BATCH },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        if ('contactList' in where)
          await known(`${where.contactList}/${where.topic ?? ''}`, () => checkList(where, signal));
        return inForce(
          await eachEntry(entries, 1, signal, async (entry) => {
            if ('contactList' in where) return setContact(where, entry.address, action === 'suppress', signal);
            if (action === 'lift') {
              await underSpellings(entry.address, signal, async (spelling) => {
                const path = at`/v2/email/suppression/addresses/${spelling}`;
                const { status } = await call('DELETE', path, signal, undefined, [404]);
                return status === 404 ? undefined : spelling;
              });
              return undefined;
            }
            const reason = entry.reason === 'undeliverable' ? 'BOUNCE' : 'COMPLAINT';
            return call('PUT', '/v2/email/suppression/addresses', signal, {
              EmailAddress: entry.address,
              Reason: reason,
            });
          }),
        );
      },

      async readBack(binding, cursor, signal) {
        const where = targetOf(binding);
        if ('contactList' in where) {
          const filter =
            where.topic === undefined
              ? {}
              : { Filter: { FilteredStatus: 'OPT_OUT', TopicFilter: { TopicName: where.topic } } };
          const answer = await call('POST', at`/v2/email/contact-lists/${where.contactList}/contacts/list`, signal, {
            PageSize: 500,
            ...filter,
            ...(cursor === undefined ? {} : { NextToken: cursor }),
          });
          const page = read(contacts, answer);
          return {
            entries: page.Contacts.filter((one) => where.topic !== undefined || one.UnsubscribeAll).map((one) => ({
              address: one.EmailAddress ?? '',
              kind: 'unsubscribed',
              ...(one.LastUpdatedTimestamp === undefined ? {} : { at: one.LastUpdatedTimestamp * 1000 }),
            })),
            ...(page.NextToken ? { next: page.NextToken } : {}),
          };
        }
        const page = await pageOfSuppressed(cursor, signal);
        return {
          entries: page.SuppressedDestinationSummaries.map(summary),
          ...(page.NextToken ? { next: page.NextToken } : {}),
        };
      },

      async lookup(binding, addresses, signal): Promise<readonly ReadBackEntry[]> {
        const where = targetOf(binding);
        const found = await each(addresses, 1, signal, async (address): Promise<ReadBackEntry | undefined> => {
          if ('contactList' in where) {
            const answer = await call(
              'GET',
              at`/v2/email/contact-lists/${where.contactList}/contacts/${address}`,
              signal,
              undefined,
              [404],
            );
            return answer.status !== 404 && isOut(where, read(contact, answer))
              ? { address, kind: 'unsubscribed' }
              : undefined;
          }
          const [entry] = await underSpellings(address, signal, async (spelling) => {
            const answer = await call('GET', at`/v2/email/suppression/addresses/${spelling}`, signal, undefined, [404]);
            if (answer.status === 404) return undefined;
            return summary(read(z.object({ SuppressedDestination: suppressed }), answer).SuppressedDestination);
          });
          return entry;
        });
        return found.filter((one) => one !== undefined);
      },

      async receive(request, now) {
        configured(options.topics?.[0], 'topics');
        const message = jsonBody(request.body, snsMessage);
        await sns.check(message, options.topics ?? [], now, options.webhookWindowSeconds);
        const more = { replayKey: message.MessageId, replayFor: options.webhookWindowSeconds };
        if (message.Type === 'SubscriptionConfirmation') await sns.confirm(message);
        if (message.Type !== 'Notification') return { reports: [], unknown: [], ...more };
        const notification: unknown = jsonBody(Buffer.from(message.Message), z.unknown());
        return collect(
          [notification],
          sesEvent,
          (one) => readSesEvent(one, message.MessageId, boundTo(bindings, targetOf)),
          more,
        );
      },
    };
  },
};

function summary(one: z.infer<typeof suppressed>): ReadBackEntry {
  return {
    address: one.EmailAddress,
    kind: one.Reason === 'BOUNCE' ? 'bounced' : 'complained',
    ...(one.LastUpdateTime === undefined ? {} : { at: one.LastUpdateTime * 1000 }),
  };
}

function boundTo(bindings: readonly Binding[], targetOf: (binding: Binding) => Target) {
  return (contactList: string, topic: string | undefined) =>
    bindings.filter((binding) => {
      const where = targetOf(binding);
      return 'contactList' in where && where.contactList === contactList && where.topic === topic;
    });
}
