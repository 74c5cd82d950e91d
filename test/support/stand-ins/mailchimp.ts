import { createHash } from 'node:crypto';
import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const status = z.enum(['subscribed', 'unsubscribed', 'cleaned', 'pending', 'transactional']);
const batch = z.strictObject({
  members: z.array(z.strictObject({ email_address: z.string(), status })),
  update_existing: z.boolean().optional(),
});
const patch = z.strictObject({ status });

interface Member {
  email: string;
  status: string;
  /** Left by themselves: only they can come back. */
  bySelf?: boolean;
}

/** Mailchimp's audience `a1b2c3`. */
export async function startMailchimp(apiKey = 'mailchimp-stand-in-us21') {
  const members = new Map<string, Member>();
  const hash = (address: string) => createHash('md5').update(address.toLowerCase()).digest('hex');
  const list = (id = '') => id === 'a1b2c3' || refuse(404, { title: 'Resource Not Found', status: 404 });
  const shown = (one: Member) => ({
    id: hash(one.email),
    email_address: one.email,
    status: one.status,
    last_changed: '2026-03-01T10:00:00+00:00',
  });
  const set = (one: Member, to: string) => {
    if (to === 'subscribed' && (one.bySelf || one.status === 'cleaned')) {
      return `${one.email} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed.`;
    }
    one.status = to;
    return undefined;
  };

  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Basic ${Buffer.from(`hush:${apiKey}`).toString('base64')}`,
    unauthorised: { status: 401, json: { title: 'API Key Invalid', status: 401 } },
    routes: {
      'POST /3.0/lists/:list': ({ params, json, query }) => {
        list(params.list);
        const parsed = batch.safeParse(json);
        if (!parsed.success || parsed.data.members.length > 500) return refuse(400, { title: 'Invalid Resource' });
        if (query.get('skip_merge_validation') !== 'true')
          return refuse(400, { title: 'Your merge fields were invalid.' });
        const errors: { email_address: string; error: string; error_code: string }[] = [];
        for (const { email_address, status: to } of parsed.data.members) {
          const fail = (error: string, error_code = 'ERROR_GENERIC') =>
            errors.push({ email_address, error, error_code });
          if (!looksLikeEmail(email_address) || email_address.endsWith('.invalid')) {
            fail(`${email_address} looks fake or invalid, please enter a real email address.`);
            continue;
          }
          const known = members.get(hash(email_address));
          if (!known) members.set(hash(email_address), { email: email_address, status: to });
          else if (!parsed.data.update_existing)
            fail(`${email_address} is already a list member`, 'ERROR_CONTACT_EXISTS');
          else {
            const error = set(known, to);
            if (error) fail(error);
          }
        }
        return { status: 200, json: { new_members: [], updated_members: [], errors, error_count: errors.length } };
      },
      'GET /3.0/lists/:list/members': ({ params, query }) => {
        list(params.list);
        const count = Number(query.get('count') ?? 10);
        if (count > 1000) return refuse(400, { title: 'Invalid Resource' });
        const offset = Number(query.get('offset') ?? 0);
        const all = [...members.values()].filter((one) => one.status === (query.get('status') ?? one.status));
        return {
          status: 200,
          json: { members: all.slice(offset, offset + count).map(shown), total_items: all.length },
        };
      },
      'GET /3.0/lists/:list/members/:hash': ({ params }) => {
        list(params.list);
        return { status: 200, json: shown(members.get(params.hash ?? '') ?? refuse(404, { status: 404 })) };
      },
      'PATCH /3.0/lists/:list/members/:hash': ({ params, json }) => {
        list(params.list);
        const found = members.get(params.hash ?? '') ?? refuse(404, { status: 404 });
        const detail = set(found, patch.parse(json).status);
        if (detail) return refuse(400, { title: 'Member In Compliance State', status: 400, detail });
        return { status: 200, json: shown(found) };
      },
    },
  });
  return {
    ...server,
    apiKey,
    members,
    put: (email: string, to: string, bySelf = false) => members.set(hash(email), { email, status: to, bySelf }),
    statusOf: (email: string) => members.get(hash(email))?.status,
  };
}
