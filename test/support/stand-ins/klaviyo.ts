import { z } from 'zod';
import { type Answer, type Asked, looksLikeEmail, refuse, startServer } from './server.js';

const jobBody = (type: string) =>
  z.strictObject({
    data: z.strictObject({
      type: z.literal(type),
      attributes: z.strictObject({
        profiles: z.strictObject({
          data: z.array(
            z.strictObject({ type: z.literal('profile'), attributes: z.strictObject({ email: z.string() }) }),
          ),
        }),
      }),
    }),
  });
const leaveBody = z.strictObject({
  data: z.strictObject({
    type: z.literal('profile-subscription-bulk-delete-job'),
    attributes: z.strictObject({
      profiles: z.strictObject({
        data: z.array(
          z.strictObject({
            type: z.literal('profile'),
            attributes: z.strictObject({
              email: z.string(),
              subscriptions: z.strictObject({
                email: z.strictObject({ marketing: z.strictObject({ consent: z.literal('UNSUBSCRIBED') }) }),
              }),
            }),
          }),
        ),
      }),
    }),
    relationships: z.strictObject({
      list: z.strictObject({ data: z.strictObject({ type: z.literal('list'), id: z.string() }) }),
    }),
  }),
});

/** Klaviyo with one list, `L1st`. Jobs take their effect when they are asked about for the second time. */
export async function startKlaviyo(apiKey = 'pk_stand_in_key') {
  const suppressed = new Map<string, string>();
  const left = new Map<string, string>();
  const jobs = new Map<string, { looks: number; run: () => void }>();
  /** Who is on the list; everybody unless told. */
  let isMember = (_address: string) => true;
  let calls = 0;

  const fail = (status: number, detail: string) => refuse(status, { errors: [{ status, detail }] });
  function emails(list: readonly { attributes: { email: string } }[]): string[] {
    if (list.length > 100) return fail(400, 'at most 100 profiles');
    const bad = list.find(({ attributes: { email } }) => !looksLikeEmail(email) || email.endsWith('.invalid'));
    if (bad) return fail(400, `Invalid email address: ${bad.attributes.email}`);
    return list.map(({ attributes }) => attributes.email.toLowerCase());
  }
  const checked = <T>(schema: z.ZodType<T>, { json, headers }: Asked): T => {
    if (headers['content-type'] !== 'application/vnd.api+json') return fail(415, 'content type');
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : fail(400, 'wrong body');
  };
  const shown = (id: string, type: string, status: string): Answer => ({
    status: status === 'queued' ? 202 : 200,
    json: { data: { type, id, attributes: { status, created_at: '2026-03-01T10:00:00+00:00', total_count: 1 } } },
  });
  const begin = (type: string, change: (email: string) => void) => (asked: Asked) => {
    const list = emails(checked(jobBody(type), asked).data.attributes.profiles.data);
    const id = `01GSQ${calls++}`;
    jobs.set(`${type}/${id}`, { looks: 0, run: () => list.forEach(change) });
    return shown(id, type, 'queued');
  };
  const look = (type: string) => (asked: Asked) => {
    const id = asked.params.id ?? '';
    const found = jobs.get(`${type}/${id}`) ?? fail(404, 'no such job');
    if (++found.looks === 2) found.run();
    return shown(id, type, found.looks < 2 ? 'processing' : 'complete');
  };
  const asList = (filter: string | null) => {
    const match = /^any\(email,(\[.*\])\)$/s.exec(filter ?? '');
    return match
      ? z
          .array(z.string())
          .parse(JSON.parse(match[1] ?? '[]'))
          .map((one) => one.toLowerCase())
      : undefined;
  };
  const person = (email: string) => ({
    type: 'profile',
    id: email,
    attributes: {
      email,
      subscriptions: {
        email: {
          marketing: {
            suppression: suppressed.has(email)
              ? [{ reason: suppressed.get(email), timestamp: '2026-03-01T10:00:00+00:00' }]
              : [],
            list_suppressions: left.has(email)
              ? [{ list_id: left.get(email), reason: 'UNSUBSCRIBE', timestamp: '2026-03-01T10:00:00+00:00' }]
              : [],
          },
        },
      },
    },
  });
  const sizeOf = (query: URLSearchParams) => {
    const size = Number(query.get('page[size]') ?? 20);
    return size >= 1 && size <= 100 ? size : fail(400, 'page size');
  };

  const create = 'profile-suppression-bulk-create-job';
  const remove = 'profile-suppression-bulk-delete-job';
  const server = await startServer({
    authorised: ({ headers }) =>
      headers.authorization === `Klaviyo-API-Key ${apiKey}` && /^\d{4}-\d\d-\d\d$/.test(String(headers.revision)),
    unauthorised: { status: 401, json: { errors: [{ code: 'not_authenticated' }] } },
    routes: {
      [`POST /api/${create}s`]: begin(create, (email) => {
        if (!suppressed.has(email)) suppressed.set(email, 'USER_SUPPRESSED');
      }),
      [`GET /api/${create}s/:id`]: look(create),
      [`POST /api/${remove}s`]: begin(remove, (email) => {
        if (suppressed.get(email) === 'USER_SUPPRESSED') suppressed.delete(email);
      }),
      [`GET /api/${remove}s/:id`]: look(remove),
      'POST /api/profile-subscription-bulk-delete-jobs': (asked) => {
        const { attributes, relationships } = checked(leaveBody, asked).data;
        for (const email of emails(attributes.profiles.data)) {
          // "Profiles not in the specified list will be globally unsubscribed."
          if (isMember(email)) left.set(email, relationships.list.data.id);
          else suppressed.set(email, 'UNSUBSCRIBE');
        }
        return { status: 202 };
      },
      'GET /api/lists/:list/profiles': ({ params, query }) => {
        if (params.list !== 'L1st') return fail(404, 'no such list');
        sizeOf(query);
        const wanted = asList(query.get('filter')) ?? fail(400, 'filter');
        return { status: 200, json: { data: wanted.filter(isMember).map(person), links: { next: null } } };
      },
      'GET /api/profiles': ({ query, headers }) => {
        if (query.get('additional-fields[profile]') !== 'subscriptions') return fail(400, 'no subscriptions asked for');
        const filter = query.get('filter') ?? '';
        const held = filter.includes('list_suppressions') ? left : suppressed;
        const all = asList(filter) ?? [...held.keys()];
        const size = sizeOf(query);
        const from = Number(query.get('page[cursor]') ?? 0);
        const next =
          from + size < all.length ? `https://${headers.host}/api/profiles?page%5Bcursor%5D=${from + size}` : null;
        return { status: 200, json: { data: all.slice(from, from + size).map(person), links: { next } } };
      },
    },
  });
  return {
    ...server,
    apiKey,
    suppressed,
    left,
    members: (test: (address: string) => boolean) => {
      isMember = test;
    },
    cancelJobs: () => jobs.clear(),
  };
}
