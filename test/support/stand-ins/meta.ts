import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { type Asked, refuse, startServer } from './server.js';

const body = z.strictObject({
  payload: z.strictObject({
    schema: z.tuple([z.enum(['EMAIL_SHA256', 'PHONE_SHA256'])]),
    data: z.array(z.tuple([z.string().regex(/^[0-9a-f]{64}$/)])).max(10_000),
  }),
  session: z.strictObject({
    session_id: z.number().int().positive(),
    batch_seq: z.number().int().positive(),
    last_batch_flag: z.boolean(),
    estimated_num_total: z.number().int().positive(),
  }),
});

/** Meta's audience 4567, with the app secret asked for. Errors are 400 with a code. */
export async function startMeta(token = 'meta-stand-in-token', appSecret = 'meta-stand-in-secret') {
  const members = new Set<string>();
  const removed = new Set<string>();
  const sessions: { id: number; seq: number; last: boolean }[] = [];
  const fail = (status: number, code: number, message: string) =>
    refuse(status, { error: { message, type: 'OAuthException', code, fbtrace_id: 'A' } });
  const proof = createHmac('sha256', appSecret).update(token).digest('hex');

  const change = (add: boolean) => (asked: Asked) => {
    if (asked.query.get('appsecret_proof') !== proof) return fail(400, 100, 'API calls require appsecret_proof');
    if (asked.params.audience !== '4567') return fail(400, 100, 'Object does not exist');
    const parsed = body.safeParse(asked.json);
    if (!parsed.success) return fail(400, 100, 'Invalid parameter');
    const { payload, session } = parsed.data;
    sessions.push({ id: session.session_id, seq: session.batch_seq, last: session.last_batch_flag });
    for (const [hash] of payload.data) {
      members[add ? 'add' : 'delete'](hash);
      removed[add ? 'delete' : 'add'](hash);
    }
    return {
      status: 200,
      json: {
        audience_id: '4567',
        session_id: String(session.session_id),
        num_received: payload.data.length,
        num_invalid_entries: 0,
        invalid_entry_samples: {},
      },
    };
  };
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Bearer ${token}`,
    unauthorised: { status: 400, json: { error: { message: 'Invalid OAuth access token.', code: 190 } } },
    routes: {
      'POST /v24.0/:audience/users': change(true),
      'DELETE /v24.0/:audience/users': change(false),
    },
  });
  return { ...server, token, appSecret, members, removed, sessions };
}
