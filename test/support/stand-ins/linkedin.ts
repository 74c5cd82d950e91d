import { z } from 'zod';
import { refuse, startServer } from './server.js';

const body = z.strictObject({
  elements: z
    .array(
      z.strictObject({
        action: z.enum(['ADD', 'REMOVE']),
        userIds: z.tuple([
          z.strictObject({ idType: z.literal('SHA256_EMAIL'), idValue: z.string().regex(/^[0-9a-f]{64}$/) }),
        ]),
      }),
    )
    .max(5000),
});

/** LinkedIn's DMP segment 804. Answers are given one by one, in the order asked. */
export async function startLinkedin(token = 'linkedin-stand-in-token') {
  const members = new Set<string>();
  const removed = new Set<string>();
  /** A hash that is answered with this status. */
  const answered = new Map<string, number>();
  const fail = (status: number, message: string) => refuse(status, { status, message });
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Bearer ${token}`,
    unauthorised: { status: 401, json: { status: 401, code: 'INVALID_ACCESS_TOKEN', message: 'Invalid access token' } },
    routes: {
      'POST /rest/dmpSegments/:segment/users': ({ params, headers, json }) => {
        if (!/^20\d{4}$/.test(String(headers['linkedin-version']))) return fail(400, 'A version must be present');
        if (headers['x-restli-protocol-version'] !== '2.0.0' || headers['x-restli-method'] !== 'BATCH_CREATE')
          return fail(400, 'Invalid Rest.li request');
        if (params.segment !== '804') return fail(404, 'Segment not found');
        const parsed = body.safeParse(json);
        if (!parsed.success) return fail(400, 'ERROR :: /elements :: invalid');
        const elements = parsed.data.elements.map(({ action, userIds: [{ idValue }] }) => {
          const status = answered.get(idValue) ?? (action === 'ADD' ? 201 : 200);
          if (status >= 400) return { status, error: { message: 'not taken' } };
          members[action === 'ADD' ? 'add' : 'delete'](idValue);
          removed[action === 'ADD' ? 'delete' : 'add'](idValue);
          return { status };
        });
        return { status: 200, json: { elements } };
      },
    },
  });
  return { ...server, token, members, removed, answered };
}
