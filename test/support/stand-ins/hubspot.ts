import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const inputs = z.strictObject({ inputs: z.array(z.string()).min(1).max(100) });
const writeBody = z.strictObject({
  inputs: z
    .array(
      z.strictObject({
        channel: z.literal('EMAIL'),
        statusState: z.enum(['SUBSCRIBED', 'UNSUBSCRIBED', 'NOT_SPECIFIED']),
        subscriberIdString: z.string(),
        subscriptionId: z.number(),
        legalBasis: z.string().optional(),
        legalBasisExplanation: z.string().optional(),
      }),
    )
    .min(1)
    .max(100),
});
const searchBody = z.strictObject({
  filterGroups: z.array(
    z.strictObject({
      filters: z.array(
        z.strictObject({ propertyName: z.string(), operator: z.string(), value: z.string().optional() }),
      ),
    }),
  ),
  sorts: z.tuple([z.strictObject({ propertyName: z.literal('hs_object_id'), direction: z.literal('ASCENDING') })]),
  properties: z.array(z.string()),
  limit: z.number().max(200),
});
const batchRead = z.strictObject({
  properties: z.array(z.string()),
  inputs: z.array(z.strictObject({ id: z.string() })).max(100),
});

/** HubSpot with the subscription type 7. */
export async function startHubspot(token = 'pat-stand-in-token') {
  const all = new Map<string, number>();
  const topic = new Map<string, string>();
  const bases = new Map<string, string | undefined>();
  let nextId = 100;
  const bad = (address: string) => !looksLikeEmail(address) || address.endsWith('.invalid');
  const fault = (address: string) => ({
    status: 'error',
    category: 'VALIDATION_ERROR',
    message: `${address} is not a valid email`,
    context: { subscriberIdString: [address] },
  });
  const answer = (results: unknown[], errors: unknown[] = []) => ({
    status: errors.length > 0 ? 207 : 200,
    json: { status: 'COMPLETE', results, ...(errors.length > 0 ? { errors, numErrors: errors.length } : {}) },
  });
  const parse = <T>(schema: z.ZodType<T>, json: unknown): T => {
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : refuse(400, { category: 'VALIDATION_ERROR', message: 'Invalid input JSON' });
  };
  const email = (query: URLSearchParams) =>
    query.get('channel') === 'EMAIL' || refuse(400, { category: 'VALIDATION_ERROR', message: 'channel' });
  const timestamp = '2026-03-01T10:00:00.000Z';
  const path = '/communication-preferences/2026-03';
  const topicIds = new Map<string, number>();
  const idOf = (address: string) => {
    const known = topicIds.get(address) ?? nextId++;
    topicIds.set(address, known);
    return known;
  };

  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Bearer ${token}`,
    unauthorised: { status: 401, json: { category: 'INVALID_AUTHENTICATION' } },
    routes: {
      [`GET ${path}/definitions`]: () => answer([{ id: '7', name: 'Offers' }]),
      [`POST ${path}/statuses/batch/unsubscribe-all`]: ({ json, query }) => {
        email(query);
        const list = parse(inputs, json).inputs;
        for (const one of list) if (!bad(one)) all.set(one.toLowerCase(), idOf(one.toLowerCase()));
        return answer([], list.filter(bad).map(fault));
      },
      [`POST ${path}/statuses/batch/unsubscribe-all/read`]: ({ json, query }) => {
        email(query);
        return answer(
          parse(inputs, json).inputs.map((subscriberIdString) => ({
            subscriberIdString,
            wideStatuses: [
              { status: all.has(subscriberIdString.toLowerCase()) ? 'UNSUBSCRIBED' : 'NOT_SPECIFIED', timestamp },
            ],
          })),
        );
      },
      [`POST ${path}/statuses/batch/write`]: ({ json }) => {
        const list = parse(writeBody, json).inputs;
        for (const one of list) {
          if (one.subscriptionId !== 7) return refuse(400, { category: 'VALIDATION_ERROR', message: 'no such type' });
          const key = one.subscriberIdString.toLowerCase();
          if (bad(key)) continue;
          topic.set(key, one.statusState);
          bases.set(key, one.legalBasis);
          idOf(key);
        }
        const wrong = list.map((one) => one.subscriberIdString).filter(bad);
        return answer([], wrong.map(fault));
      },
      [`POST ${path}/statuses/batch/read`]: ({ json, query }) => {
        email(query);
        return answer(
          parse(inputs, json).inputs.map((subscriberIdString) => ({
            subscriberIdString,
            statuses: [
              { subscriptionId: '6', status: 'UNSUBSCRIBED', timestamp },
              {
                subscriptionId: '7',
                status: topic.get(subscriberIdString.toLowerCase()) ?? 'NOT_SPECIFIED',
                timestamp,
              },
            ],
          })),
        );
      },
      'POST /crm/v3/objects/contacts/search': ({ json }) => {
        const { filterGroups, limit } = parse(searchBody, json);
        const filters = filterGroups[0]?.filters ?? [];
        const after = Number(filters.find((one) => one.propertyName === 'hs_object_id')?.value ?? 0);
        const held = filters.some((one) => one.propertyName === 'hs_email_optout_7')
          ? [...topic].filter(([, state]) => state === 'UNSUBSCRIBED').map(([address]) => address)
          : [...all.keys()];
        const found = held
          .map((address) => ({ id: idOf(address), address }))
          .filter((one) => one.id > after)
          .sort((a, b) => a.id - b.id);
        return answer(
          found.slice(0, limit).map(({ id, address }) => ({ id: String(id), properties: { email: address } })),
        );
      },
      'POST /crm/v3/objects/contacts/batch/read': ({ json }) => {
        const wanted = new Set(parse(batchRead, json).inputs.map((one) => one.id));
        const found = [...topicIds].filter(([, id]) => wanted.has(String(id)));
        return answer(found.map(([address, id]) => ({ id: String(id), properties: { email: address } })));
      },
    },
  });
  return { ...server, token, all, topic, bases, idOf };
}
