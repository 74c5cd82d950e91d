import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const create = z.strictObject({
  email: z.string(),
  status: z.enum(['enabled', 'disabled', 'blocklisted']),
  lists: z.array(z.number()),
});
const ids = z.array(z.number()).min(1);
const blocklist = z.strictObject({ ids });
const manage = z.strictObject({
  ids,
  action: z.enum(['add', 'remove', 'unsubscribe']),
  target_list_ids: ids,
  status: z.enum(['unconfirmed', 'confirmed', 'unsubscribed']).optional(),
});
const patch = z.strictObject({ status: z.enum(['enabled', 'disabled', 'blocklisted']) });

interface Subscriber {
  readonly id: number;
  readonly email: string;
  status: string;
  readonly lists: Map<number, string>;
}

const BY_EMAIL = /^LOWER\(subscribers\.email\) IN \(((?:'(?:[^']|'')*')(?:,'(?:[^']|'')*')*)\)$/s;
const BLOCKED =
  /^subscribers\.id IN \(SELECT id FROM subscribers WHERE status='blocklisted' AND id > (\d+) ORDER BY id LIMIT (\d+)\)$/;
const LEFT =
  /^subscribers\.id IN \(SELECT subscriber_id FROM subscriber_lists WHERE status='unsubscribed' AND list_id IN \(([\d,]+)\) AND subscriber_id > (\d+) GROUP BY subscriber_id HAVING COUNT\(\*\) = (\d+) ORDER BY subscriber_id LIMIT (\d+)\)$/;

/** listmonk with the lists 3 and 4. It understands the three queries it is asked, and no SQL beyond them. */
export async function startListmonk(user = 'hush', token = 'listmonk-stand-in-token') {
  const people = new Map<number, Subscriber>();
  let nextId = 1;
  const put = (email: string, status = 'enabled', lists: readonly (readonly [number, string])[] = []) => {
    const one: Subscriber = { id: nextId++, email, status, lists: new Map(lists) };
    people.set(one.id, one);
    return one;
  };
  const byEmail = (email: string) => [...people.values()].find((one) => one.email === email);
  const fail = (status: number, message: string) => refuse(status, { message });
  const parse = <T>(schema: z.ZodType<T>, json: unknown): T => {
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : fail(400, 'Invalid fields');
  };
  const shown = (one: Subscriber) => ({
    id: one.id,
    uuid: `uuid-${one.id}`,
    email: one.email,
    name: 'Somebody',
    status: one.status,
    attribs: {},
    updated_at: '2026-03-01T10:00:00.000000+01:00',
    lists: [...one.lists].map(([id, subscription_status]) => ({
      id,
      subscription_status,
      subscription_updated_at: '2026-03-01T10:00:00.000000+01:00',
    })),
  });
  function select(sql: string): Subscriber[] {
    const all = [...people.values()].sort((a, b) => a.id - b.id);
    const emails = BY_EMAIL.exec(sql)?.[1];
    if (emails !== undefined) {
      const wanted = new Set([...emails.matchAll(/'((?:[^']|'')*)'/gs)].map(([, text]) => text?.replaceAll("''", "'")));
      return all.filter((one) => wanted.has(one.email));
    }
    const blocked = BLOCKED.exec(sql);
    if (blocked) {
      const found = all.filter((one) => one.status === 'blocklisted' && one.id > Number(blocked[1]));
      return found.slice(0, Number(blocked[2]));
    }
    const left = LEFT.exec(sql);
    if (!left) return fail(400, 'Error preparing query: syntax error');
    const lists = (left[1] ?? '').split(',').map(Number);
    return all
      .filter((one) => one.id > Number(left[2]))
      .filter((one) => lists.filter((list) => one.lists.get(list) === 'unsubscribed').length === Number(left[3]))
      .slice(0, Number(left[4]));
  }
  const done = { status: 200, json: { data: true } };
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `token ${user}:${token}`,
    unauthorised: { status: 403, json: { message: 'invalid API credentials' } },
    routes: {
      'GET /api/lists/:id': ({ params }) =>
        params.id === '3' || params.id === '4'
          ? { status: 200, json: { data: { id: Number(params.id) } } }
          : fail(400, 'List not found'),
      'GET /api/subscribers': ({ query }) => {
        if (query.get('per_page') !== 'all' || query.get('order_by') !== 'id') return fail(400, 'paging');
        const results = select(query.get('query') ?? '').map(shown);
        return { status: 200, json: { data: { results, total: results.length, page: 1, per_page: 0 } } };
      },
      'POST /api/subscribers': ({ json }) => {
        const { email, status, lists } = parse(create, json);
        const key = email.trim().toLowerCase();
        // Go's mail.ParseAddress gives another text back for a quoted local part, which listmonk refuses.
        if (!looksLikeEmail(key) || key.endsWith('.invalid') || key.includes('"'))
          return fail(400, `Invalid email: ${email}`);
        if (byEmail(key)) return fail(409, 'E-mail already exists.');
        return {
          status: 200,
          json: {
            data: shown(
              put(
                key,
                status,
                lists.map((id) => [id, 'unconfirmed']),
              ),
            ),
          },
        };
      },
      'PUT /api/subscribers/blocklist': ({ json }) => {
        for (const id of parse(blocklist, json).ids) {
          const one = people.get(id);
          if (!one) continue;
          one.status = 'blocklisted';
          for (const list of one.lists.keys()) one.lists.set(list, 'unsubscribed');
        }
        return done;
      },
      'PUT /api/subscribers/lists': ({ json }) => {
        const asked = parse(manage, json);
        for (const list of asked.target_list_ids) {
          if (list !== 3 && list !== 4) return fail(500, 'violates foreign key constraint');
          for (const one of asked.ids.flatMap((id) => people.get(id) ?? [])) {
            if (asked.action === 'add') one.lists.set(list, asked.status ?? one.lists.get(list) ?? 'unconfirmed');
            else if (asked.action === 'remove') one.lists.delete(list);
            else if (one.lists.has(list)) one.lists.set(list, 'unsubscribed');
          }
        }
        return done;
      },
      'PATCH /api/subscribers/:id': ({ params, json }) => {
        const one = people.get(Number(params.id)) ?? fail(400, 'Subscriber not found');
        one.status = parse(patch, json).status;
        return { status: 200, json: { data: shown(one) } };
      },
    },
  });
  return { ...server, user, token, people, put, byEmail };
}
