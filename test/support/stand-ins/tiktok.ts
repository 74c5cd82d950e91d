import { z } from 'zod';
import { refuse, startServer } from './server.js';

const body = z.strictObject({
  advertiser_ids: z.tuple([z.literal('7001')]),
  action: z.enum(['add', 'delete']),
  id_schema: z.tuple([z.enum(['EMAIL_SHA256', 'PHONE_SHA256'])]),
  batch_data: z
    .array(
      z.tuple([
        z.strictObject({ id: z.string().regex(/^[0-9a-f]{64}$/), audience_ids: z.array(z.string()).length(1) }),
      ]),
    )
    .max(10_000),
});

/** TikTok's audience `aud-9` of the advertiser 7001. Every answer is a 200 with a code. */
export async function startTiktok(token = 'tiktok-stand-in-token') {
  const members = new Set<string>();
  const removed = new Set<string>();
  const fail = (code: number, message: string) => refuse(200, { code, message, request_id: 'r', data: {} });
  const server = await startServer({
    authorised: ({ headers }) => headers['access-token'] === token,
    unauthorised: { status: 200, json: { code: 40_105, message: 'Access token is incorrect', data: {} } },
    routes: {
      'POST /open_api/v1.3/segment/mapping/': ({ json }) => {
        const parsed = body.safeParse(json);
        if (!parsed.success) return fail(40_002, 'batch_data: invalid');
        const { action, batch_data } = parsed.data;
        if (batch_data.some(([one]) => one.audience_ids[0] !== 'aud-9'))
          return fail(40_002, 'The audience does not exist');
        for (const [{ id }] of batch_data) {
          members[action === 'add' ? 'add' : 'delete'](id);
          removed[action === 'add' ? 'delete' : 'add'](id);
        }
        return { status: 200, json: { code: 0, message: 'OK', request_id: 'r', data: {} } };
      },
    },
  });
  return { ...server, token, members, removed };
}
