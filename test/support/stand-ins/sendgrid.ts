import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const body = z.strictObject({ recipient_emails: z.array(z.string()) });

/** SendGrid's suppressions: one global list, groups, and the bounces and spam reports it makes itself. */
export async function startSendgrid(apiKey = 'SG.stand-in-key') {
  const global = new Map<string, number>();
  const groups = new Map<string, Map<string, number>>([['7', new Map()]]);
  const bounces = new Map<string, number>();
  let clock = 1_700_000_000;
  let accepted = apiKey;

  const group = (id = '') => groups.get(id) ?? refuse(404, { errors: [{ message: 'group not found' }] });
  function recipients(json: unknown): string[] {
    const parsed = body.safeParse(json);
    if (!parsed.success) return refuse(400, { errors: [{ field: 'recipient_emails', message: 'wrong body' }] });
    const list = parsed.data.recipient_emails;
    if (list.length > 1000) return refuse(413, { errors: [{ message: 'too many recipients' }] });
    const bad = list.find((one) => !looksLikeEmail(one) || one.endsWith('.invalid'));
    if (bad !== undefined)
      return refuse(400, { errors: [{ field: 'recipient_emails', message: `${bad} is not an email address` }] });
    return list.map((one) => one.toLowerCase());
  }
  const paged = (list: Map<string, number>, query: URLSearchParams) => {
    const limit = Number(query.get('limit') ?? 500);
    if (limit < 1 || limit > 500) return refuse(400, { errors: [{ field: 'limit' }] });
    const offset = Number(query.get('offset') ?? 0);
    return [...list].slice(offset, offset + limit).map(([email, created]) => ({ email, created }));
  };

  const server = await startServer({
    authorised: (asked) => asked.headers.authorization === `Bearer ${accepted}`,
    unauthorised: { status: 401, json: { errors: [{ message: 'authorization required' }] } },
    routes: {
      'POST /v3/asm/suppressions/global': ({ json }) => {
        const list = recipients(json);
        for (const email of list) if (!global.has(email)) global.set(email, clock++);
        return { status: 201, json: { recipient_emails: list } };
      },
      'GET /v3/asm/suppressions/global/:email': ({ params }) => {
        const email = (params.email ?? '').toLowerCase();
        return { status: 200, json: global.has(email) ? { recipient_email: email } : {} };
      },
      'DELETE /v3/asm/suppressions/global/:email': ({ params }) =>
        global.delete((params.email ?? '').toLowerCase()) ? { status: 204 } : { status: 404, json: { errors: [] } },
      'GET /v3/asm/groups/:group': ({ params }) => {
        group(params.group);
        return { status: 200, json: { id: Number(params.group), name: 'offers', description: 'offers' } };
      },
      'POST /v3/asm/groups/:group/suppressions': ({ params, json }) => {
        const list = recipients(json);
        // As documented: a group that does not exist means the global list.
        const into = groups.get(params.group ?? '') ?? global;
        for (const email of list) if (!into.has(email)) into.set(email, clock++);
        return { status: 201, json: { recipient_emails: list } };
      },
      'POST /v3/asm/groups/:group/suppressions/search': ({ params, json }) => {
        const held = group(params.group);
        return { status: 200, json: recipients(json).filter((email) => held.has(email)) };
      },
      'GET /v3/asm/groups/:group/suppressions': ({ params }) => ({
        status: 200,
        json: [...group(params.group).keys()],
      }),
      'DELETE /v3/asm/groups/:group/suppressions/:email': ({ params }) => {
        const had = group(params.group).delete((params.email ?? '').toLowerCase());
        return had ? { status: 204 } : { status: 404, json: { errors: [] } };
      },
      'GET /v3/suppression/unsubscribes': ({ query }) => ({ status: 200, json: paged(global, query) }),
      'GET /v3/suppression/bounces': ({ query }) => ({
        status: 200,
        json: paged(bounces, query).map((one) => ({ ...one, reason: '550', status: '5.1.1' })),
      }),
      'GET /v3/suppression/spam_reports': () => ({ status: 200, json: [] }),
    },
  });
  /** From now on another key is accepted, as after somebody revoked ours. */
  const changeKey = (key: string) => {
    accepted = key;
  };
  return { ...server, apiKey, global, groups, bounces, changeKey };
}
