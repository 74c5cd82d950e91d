import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const ids = z.array(z.number()).optional();
const subscriptions = z.strictObject({
  updateSubscriptionsRequests: z
    .array(
      z.strictObject({
        email: z.string(),
        emailListIds: ids,
        unsubscribedChannelIds: ids,
        unsubscribedMessageTypeIds: ids,
      }),
    )
    .max(1000),
});
const users = z.strictObject({
  users: z.array(z.strictObject({ email: z.string() })).max(1000),
  createNewFields: z.boolean(),
});

export interface IterableUser {
  emailListIds: number[];
  unsubscribedChannelIds: number[];
  unsubscribedMessageTypeIds: number[];
}

/** Iterable with channel 7, message type 8 and list 9. Updates replace the fields they name. */
export async function startIterable(apiKey = 'iterable-stand-in-key') {
  const people = new Map<string, IterableUser>();
  const fresh = (): IterableUser => ({ emailListIds: [], unsubscribedChannelIds: [], unsubscribedMessageTypeIds: [] });
  const bad = (email: string) => !looksLikeEmail(email) || email.endsWith('.invalid');
  const answer = (invalidEmails: string[], validEmailFailures: string[] = []) => ({
    status: 200,
    json: { successCount: 1, failCount: invalidEmails.length, invalidEmails, invalidUserIds: [], validEmailFailures },
  });
  const parse = <T>(schema: z.ZodType<T>, json: unknown): T => {
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : refuse(400, { code: 'BadParams', msg: 'wrong body' });
  };
  const server = await startServer({
    authorised: ({ headers }) => headers['api-key'] === apiKey,
    unauthorised: { status: 401, json: { code: 'BadApiKey', msg: 'Invalid API key' } },
    routes: {
      'GET /api/channels': () => ({ status: 200, json: { channels: [{ id: 7, name: 'Marketing' }] } }),
      'GET /api/messageTypes': () => ({ status: 200, json: { messageTypes: [{ id: 8, name: 'Offers' }] } }),
      'GET /api/lists': () => ({ status: 200, json: { lists: [{ id: 9, name: 'Customers' }] } }),
      'GET /api/users/:email': ({ params }) => {
        const email = (params.email ?? '').toLowerCase();
        const found = people.get(email);
        return { status: 200, json: found ? { user: { email, dataFields: found } } : {} };
      },
      'POST /api/users/bulkUpdate': ({ json }) => {
        const list = parse(users, json).users.map((one) => one.email);
        for (const email of list) {
          if (!bad(email) && !people.has(email.toLowerCase())) people.set(email.toLowerCase(), fresh());
        }
        return answer(list.filter(bad));
      },
      'POST /api/users/bulkUpdateSubscriptions': ({ json }) => {
        const list = parse(subscriptions, json).updateSubscriptionsRequests;
        const failures: string[] = [];
        for (const { email, ...fields } of list) {
          const found = people.get(email.toLowerCase());
          if (found) Object.assign(found, fields);
          else failures.push(email);
        }
        return answer(
          failures.filter(bad),
          failures.filter((email) => !bad(email)),
        );
      },
    },
  });
  return {
    ...server,
    apiKey,
    people,
    put: (email: string, fields: Partial<IterableUser> = {}) => people.set(email, { ...fresh(), ...fields }),
  };
}
