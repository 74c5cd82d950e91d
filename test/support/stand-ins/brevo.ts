import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const create = z.strictObject({
  email: z.string(),
  emailBlacklisted: z.boolean().optional(),
  updateEnabled: z.boolean().optional(),
});
const update = z.strictObject({ emailBlacklisted: z.boolean() });

/** Brevo's contacts. */
export async function startBrevo(apiKey = 'xkeysib-stand-in') {
  const contacts = new Map<string, boolean>();
  const shown = ([email, emailBlacklisted]: [string, boolean]) => ({
    email,
    emailBlacklisted,
    id: 1,
    modifiedAt: '2026-03-01T10:00:00.000+01:00',
  });
  const byEmail = (query: URLSearchParams) =>
    query.get('identifierType') === 'email_id' || refuse(400, { code: 'invalid_parameter' });
  const server = await startServer({
    authorised: ({ headers }) => headers['api-key'] === apiKey,
    unauthorised: { status: 401, json: { code: 'unauthorized', message: 'Key not found' } },
    routes: {
      'POST /v3/contacts': ({ json }) => {
        const parsed = create.safeParse(json);
        if (!parsed.success) return refuse(400, { code: 'invalid_parameter' });
        const { email, emailBlacklisted, updateEnabled } = parsed.data;
        if (!looksLikeEmail(email) || email.endsWith('.invalid'))
          return refuse(400, { code: 'invalid_parameter', message: `${email} is invalid` });
        const known = contacts.has(email.toLowerCase());
        if (known && !updateEnabled) return refuse(400, { code: 'duplicate_parameter' });
        contacts.set(email.toLowerCase(), emailBlacklisted ?? contacts.get(email.toLowerCase()) ?? false);
        return known ? { status: 204 } : { status: 201, json: { id: contacts.size } };
      },
      'GET /v3/contacts': ({ query }) => {
        const limit = Number(query.get('limit') ?? 50);
        if (limit > 1000) return refuse(400, { code: 'out_of_range' });
        const offset = Number(query.get('offset') ?? 0);
        return {
          status: 200,
          json: { contacts: [...contacts].slice(offset, offset + limit).map(shown), count: contacts.size },
        };
      },
      'GET /v3/contacts/:email': ({ params, query }) => {
        byEmail(query);
        const key = (params.email ?? '').toLowerCase();
        return { status: 200, json: shown([key, contacts.get(key) ?? refuse(404, { code: 'document_not_found' })]) };
      },
      'PUT /v3/contacts/:email': ({ params, query, json }) => {
        byEmail(query);
        const key = (params.email ?? '').toLowerCase();
        if (!contacts.has(key)) return refuse(404, { code: 'document_not_found' });
        contacts.set(key, update.parse(json).emailBlacklisted);
        return { status: 204 };
      },
    },
  });
  return { ...server, apiKey, contacts };
}
