import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const batchBody = z.strictObject({
  batch: z.array(
    z.strictObject({
      type: z.literal('person'),
      action: z.literal('identify'),
      identifiers: z.strictObject({ email: z.string() }),
      attributes: z.record(z.string(), z.boolean()),
    }),
  ),
});
const searchBody = z.strictObject({
  filter: z.strictObject({
    attribute: z.strictObject({ field: z.literal('unsubscribed'), operator: z.literal('eq'), value: z.literal(true) }),
  }),
});

interface Person {
  unsubscribed: boolean;
  topics: Record<string, boolean>;
}

/** Customer.io: the Track API's batch, and what the App API tells of people. */
export async function startCustomerio(apiKey = 'track-stand-in-key', appKey = 'app-stand-in-key') {
  const people = new Map<string, Person>();
  const basic = `Basic ${Buffer.from(`site:${apiKey}`).toString('base64')}`;
  const personAt = (email: string) => {
    const person = people.get(email) ?? { unsubscribed: false, topics: {} };
    people.set(email, person);
    return person;
  };
  const server = await startServer({
    authorised: ({ path, headers }) =>
      headers.authorization === (path.startsWith('/api/') ? basic : `Bearer ${appKey}`),
    unauthorised: { status: 401, json: { meta: { error: 'Unauthorized request' } } },
    routes: {
      'POST /api/v2/batch': ({ json, raw }) => {
        if (raw.length > 500 * 1024) return refuse(413, { errors: [{ reason: 'too large' }] });
        const parsed = batchBody.safeParse(json);
        if (!parsed.success) return refuse(400, { errors: [{ reason: 'invalid', message: 'wrong body' }] });
        const errors = parsed.data.batch.flatMap(({ identifiers: { email }, attributes }, batch_index) => {
          if (!looksLikeEmail(email) || email.endsWith('.invalid'))
            return [{ batch_index, reason: 'invalid', field: 'identifiers', message: `${email} is not an email` }];
          const person = personAt(email.toLowerCase());
          for (const [name, value] of Object.entries(attributes)) {
            const topic = /^cio_subscription_preferences\.topics\.(topic_\d+)$/.exec(name)?.[1];
            if (topic) person.topics[topic] = value;
            else if (name === 'unsubscribed') person.unsubscribed = value;
          }
          return [];
        });
        return errors.length > 0 ? { status: 207, json: { errors } } : { status: 200, json: {} };
      },
      'GET /v1/customers/:id/attributes': ({ params, query }) => {
        if (query.get('id_type') !== 'email') return refuse(400, { errors: [{ detail: 'id_type' }] });
        const person =
          people.get((params.id ?? '').toLowerCase()) ?? refuse(404, { errors: [{ detail: 'not found' }] });
        return {
          status: 200,
          json: {
            customer: {
              id: '1',
              attributes: { cio_subscription_preferences: JSON.stringify({ topics: person.topics }) },
              unsubscribed: person.unsubscribed,
              timestamps: { unsubscribed: 1_700_000_000 },
            },
          },
        };
      },
      'POST /v1/customers': ({ json, query }) => {
        if (!searchBody.safeParse(json).success) return refuse(400, { errors: [{ detail: 'filter' }] });
        const limit = Number(query.get('limit') ?? 50);
        if (limit > 1000) return refuse(400, { errors: [{ detail: 'limit' }] });
        const from = Number(query.get('start') ?? 0);
        const all = [...people].filter(([, person]) => person.unsubscribed).map(([email]) => ({ email, id: email }));
        return {
          status: 200,
          json: {
            identifiers: all.slice(from, from + limit),
            next: from + limit < all.length ? String(from + limit) : '',
          },
        };
      },
    },
  });
  return { ...server, apiKey, appKey, people, personAt };
}
