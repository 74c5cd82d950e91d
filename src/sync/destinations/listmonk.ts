import { z } from 'zod';
import type { Adapter, Destination, Entry, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { at, createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { chunks, each, eachEntry, inForce, type Parked } from './mechanics/each.js';
import { createKnown } from './mechanics/known.js';
import { timeField } from './mechanics/reports.js';

const settings = z.strictObject({
  /** Where listmonk runs, such as `http://listmonk:9000`. */
  baseUrl: z.url(),
  /** An API user (Admin → Users), and the token shown when it was made. */
  username: z.string().min(1),
  token: z.string().min(1),
});
const target = z.union([
  z.strictObject({
    lists: z.array(z.number().int().positive()).min(1),
    /** `subscribe` puts those who were unsubscribed back on the lists, unconfirmed; `leave` does nothing. */
    onLift: z.enum(['subscribe', 'leave']).default('subscribe'),
  }),
  /** The blocklist: no campaign of any list. */
  z.strictObject({}),
]);

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const when = timeField.optional().catch(undefined);
const subscriber = z.object({
  id: z.number(),
  email: z.string(),
  status: z.string(),
  updated_at: when,
  lists: z
    .array(z.object({ id: z.number(), subscription_status: z.string().nullish(), subscription_updated_at: when }))
    .nullish(),
});
const page = z.object({ data: z.object({ results: z.array(subscriber).nullish() }) });
const created = z.object({ data: z.object({ id: z.number() }) });
type Subscriber = z.infer<typeof subscriber>;

/** Addresses of one query, which travels in the URL. */
const ASKED = 50;
const PAGE = 1000;
const WIDTH = 4;

/** A text literal of PostgreSQL: with standard_conforming_strings only the quote itself ends it. */
const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** listmonk keeps addresses in lower case (`SanitizeEmail`). */
const stored = (address: string) => address.trim().toLowerCase();

/**
 * listmonk 6.1 or newer: the blocklist, or being unsubscribed from lists. Who is not there yet is created, blocklisted or
 * unsubscribed: `upsert-subscriber`, which imports run, leaves the status of an existing subscriber alone and gives a
 * blocklisted one only subscriptions marked as unsubscribed. There are no webhooks; read-back is all there is.
 *
 * Read from the source of v6.2: `cmd/subscribers.go`, `queries/subscribers.sql`, `internal/auth/auth.go`. Pages hold at most
 * 50 (`MaxPerPage`) or everything (`per_page=all`), so the query itself cuts pages by id.
 * @see https://listmonk.app/docs/apis/subscribers/
 */
export const listmonk: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const authorization = `token ${options.username}:${options.token}`;
    const api = createApi(parts.http, options.baseUrl, { authorization }, [options.token]);
    const targetOf = targetReader(target);
    const known = createKnown(parts.now);

    async function query(sql: string, signal: AbortSignal): Promise<readonly Subscriber[]> {
      const answer = await api('GET', '/api/subscribers', signal, {
        query: { query: sql, per_page: 'all', order_by: 'id', order: 'ASC' },
      });
      return read(page, answer).data.results ?? [];
    }

    async function find(addresses: readonly string[], signal: AbortSignal): Promise<ReadonlyMap<string, Subscriber>> {
      const found = await each(chunks(addresses, ASKED), WIDTH, signal, (some) =>
        query(`LOWER(subscribers.email) IN (${some.map((one) => literal(stored(one))).join(',')})`, signal),
      );
      return new Map(found.flat().map((one) => [stored(one.email), one]));
    }

    /** A list that does not exist breaks the database's rules there, which looks like a failure that passes. */
    async function checkList(list: number, signal: AbortSignal): Promise<void> {
      const answer = await api('GET', at`/api/lists/${list}`, signal, { also: [400, 404] });
      if (answer.status !== 200) throw misconfigured(`list ${list} does not exist there: correct the catalog`);
    }

    async function suppress(where: Target, entries: readonly Entry[], signal: AbortSignal) {
      const there = await find(
        entries.map((entry) => entry.address),
        signal,
      );
      const ids: number[] = [];
      const missing: Entry[] = [];
      for (const entry of entries) {
        const one = there.get(stored(entry.address));
        if (one) ids.push(one.id);
        else missing.push(entry);
      }
      // Without a list: nobody is on one before they are unsubscribed from it.
      const status = 'lists' in where ? 'enabled' : 'blocklisted';
      const parked: Parked[] = await eachEntry(missing, WIDTH, signal, async (entry) => {
        const json = { email: entry.address, status, lists: [] };
        const answer = await api('POST', '/api/subscribers', signal, { json, also: [409] });
        if (answer.status === 409) throw new ProviderError('unavailable', 'the subscriber appeared meanwhile');
        ids.push(read(created, answer).data.id);
      });
      if (ids.length === 0) return inForce(parked);
      if ('lists' in where) {
        // `add` with a status sets it for those who are on the list and those who are not.
        const json = { ids, action: 'add', target_list_ids: where.lists, status: 'unsubscribed' };
        await api('PUT', '/api/subscribers/lists', signal, { json });
      } else await api('PUT', '/api/subscribers/blocklist', signal, { json: { ids } });
      return inForce(parked);
    }

    async function lift(where: Target, entries: readonly Entry[], signal: AbortSignal) {
      if ('lists' in where && where.onLift === 'leave') return inForce();
      const there = await find(
        entries.map((entry) => entry.address),
        signal,
      );
      if (!('lists' in where)) {
        const blocked = entries.filter((entry) => there.get(stored(entry.address))?.status === 'blocklisted');
        return inForce(
          await eachEntry(blocked, WIDTH, signal, async (entry) => {
            const id = there.get(stored(entry.address))?.id ?? 0;
            const json = { status: 'enabled' };
            const answer = await api('PATCH', at`/api/subscribers/${id}`, signal, { json, also: [405] });
            if (answer.status === 405) throw misconfigured('this listmonk is too old: 6.1 or newer is needed');
          }),
        );
      }
      for (const list of where.lists) {
        const ids = [...there.values()].filter((one) => statusOn(one, list) === 'unsubscribed').map((one) => one.id);
        if (ids.length === 0) continue;
        const json = { ids, action: 'add', target_list_ids: [list], status: 'unconfirmed' };
        await api('PUT', '/api/subscribers/lists', signal, { json });
      }
      return inForce();
    }

    return {
      accepts: ['email'],
      form: 'readable',
      limits: { suppress: 100, lift: 100 },
      liftsNothing(binding) {
        const where = targetOf(binding);
        return 'lists' in where && where.onLift === 'leave';
      },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        for (const list of 'lists' in where ? where.lists : []) await known(list, () => checkList(list, signal));
        return action === 'suppress' ? suppress(where, entries, signal) : lift(where, entries, signal);
      },

      async readBack(binding, cursor, signal) {
        const where = targetOf(binding);
        const after = Number(cursor ?? 0);
        const ids =
          'lists' in where
            ? `SELECT subscriber_id FROM subscriber_lists WHERE status='unsubscribed' AND list_id IN (${where.lists.join(',')}) AND subscriber_id > ${after} GROUP BY subscriber_id HAVING COUNT(*) = ${where.lists.length} ORDER BY subscriber_id LIMIT ${PAGE}`
            : `SELECT id FROM subscribers WHERE status='blocklisted' AND id > ${after} ORDER BY id LIMIT ${PAGE}`;
        const found = await query(`subscribers.id IN (${ids})`, signal);
        const last = Math.max(after, ...found.map((one) => one.id));
        return {
          entries: found.flatMap((one) => entryOf(where, one) ?? []),
          ...(found.length === PAGE ? { next: String(last) } : {}),
        };
      },

      async lookup(binding, addresses, signal) {
        const found = await find(addresses, signal);
        return [...found.values()].flatMap((one) => entryOf(targetOf(binding), one) ?? []);
      },
    };
  },
};

function statusOn(one: Subscriber, list: number): string | undefined {
  return one.lists?.find((subscription) => subscription.id === list)?.subscription_status ?? undefined;
}

/** What a subscriber is for a binding: blocklisted, or unsubscribed from each of its lists. */
function entryOf(where: Target, one: Subscriber): ReadBackEntry | undefined {
  const entry = (time: number | undefined): ReadBackEntry => ({
    address: one.email,
    kind: 'unsubscribed',
    ...(time === undefined ? {} : { at: time }),
  });
  if (!('lists' in where)) return one.status === 'blocklisted' ? entry(one.updated_at) : undefined;
  if (!where.lists.every((list) => statusOn(one, list) === 'unsubscribed')) return undefined;
  const times = (one.lists ?? []).flatMap((subscription) =>
    where.lists.includes(subscription.id) ? [subscription.subscription_updated_at ?? Number.NaN] : [],
  );
  const time = Math.max(...times);
  return entry(Number.isFinite(time) ? time : undefined);
}
