import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const type = z.enum(['transactional', 'non_transactional']);
const body = z.strictObject({
  recipients: z.array(z.strictObject({ recipient: z.string(), type, description: z.string().optional() })),
});

/** SparkPost's suppression list: an address, and a source for each of the two types. */
export async function startSparkpost(apiKey = 'sparkpost-stand-in-key') {
  const held = new Map<string, Map<string, string>>();
  const shown = ([recipient, types]: [string, Map<string, string>]) =>
    [...types].map(([kind, source]) => ({
      recipient,
      type: kind,
      source,
      created: '2026-01-01T00:00:00.000Z',
      updated: '2026-01-02T00:00:00.000Z',
    }));
  const notFound = () => refuse(404, { errors: [{ message: 'Recipient could not be found' }] });
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === apiKey,
    unauthorised: { status: 401, json: { errors: [{ message: 'Unauthorized.' }] } },
    routes: {
      'PUT /api/v1/suppression-list': ({ json }) => {
        const parsed = body.safeParse(json);
        if (!parsed.success) return refuse(400, { errors: [{ message: 'wrong body' }] });
        const bad = parsed.data.recipients.find(
          (one) => !looksLikeEmail(one.recipient) || one.recipient.endsWith('.invalid'),
        );
        if (bad) return refuse(400, { errors: [{ message: 'invalid recipient', description: bad.recipient }] });
        for (const one of parsed.data.recipients) {
          const key = one.recipient.toLowerCase();
          const types = held.get(key) ?? new Map<string, string>();
          if (!types.has(one.type)) types.set(one.type, 'Manually Added');
          held.set(key, types);
        }
        return { status: 200, json: { results: { message: 'Suppression List successfully updated' } } };
      },
      'GET /api/v1/suppression-list': ({ query }) => {
        const size = Math.min(Number(query.get('per_page') ?? 1000), 500);
        const cursor = query.get('cursor') ?? refuse(400, { errors: [{ message: 'cursor' }] });
        const from = cursor === 'initial' ? 0 : Number(cursor.replace('at-', ''));
        const all = [...held]
          .flatMap(shown)
          .filter((one) => (query.get('types') ?? one.type).split(',').includes(one.type));
        const next =
          from + size < all.length ? [{ href: `/api/v1/suppression-list?cursor=at-${from + size}`, rel: 'next' }] : [];
        return { status: 200, json: { results: all.slice(from, from + size), links: next, total_count: all.length } };
      },
      'GET /api/v1/suppression-list/:recipient': ({ params }) => {
        const key = (params.recipient ?? '').toLowerCase();
        return { status: 200, json: { results: shown([key, held.get(key) ?? notFound()]) } };
      },
      'DELETE /api/v1/suppression-list/:recipient': ({ params, json }) => {
        const key = (params.recipient ?? '').toLowerCase();
        const types = held.get(key) ?? notFound();
        const asked = z.strictObject({ type }).parse(json).type;
        if (types.get(asked) === 'Compliance')
          return refuse(403, { errors: [{ message: 'Recipient could not be removed - Compliance' }] });
        types.delete(asked);
        if (types.size === 0) held.delete(key);
        return { status: 204 };
      },
    },
  });
  return { ...server, apiKey, held };
}
