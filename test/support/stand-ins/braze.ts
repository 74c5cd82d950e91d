import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const emails = z.array(z.string()).min(1).max(50);
const statusBody = z.strictObject({
  email: z.union([z.string(), emails]),
  subscription_state: z.enum(['subscribed', 'unsubscribed', 'opted_in']),
});
const groupBody = z.strictObject({
  subscription_groups: z.array(
    z.strictObject({
      subscription_group_id: z.string(),
      subscription_state: z.enum(['subscribed', 'unsubscribed']),
      emails,
    }),
  ),
});

/** Braze with the subscription group `grp-7`. */
export async function startBraze(apiKey = 'braze-stand-in-key') {
  const states = new Map<string, string>();
  const group = new Map<string, string>();
  const fail = (message: string) => refuse(400, { message });
  const checked = (list: readonly string[]) => {
    const bad = list.find((one) => !looksLikeEmail(one) || one.endsWith('.invalid'));
    return bad === undefined ? list.map((one) => one.toLowerCase()) : fail(`${bad} is not a valid email`);
  };
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Bearer ${apiKey}`,
    unauthorised: { status: 401, json: { message: 'Invalid API Key' } },
    routes: {
      'POST /email/status': ({ json }) => {
        const parsed = statusBody.safeParse(json);
        if (!parsed.success) return fail('wrong body');
        for (const one of checked([parsed.data.email].flat())) states.set(one, parsed.data.subscription_state);
        return { status: 201, json: { message: 'success' } };
      },
      'GET /email/unsubscribes': ({ query }) => {
        const email = query.get('email')?.toLowerCase();
        if (!query.get('end_date') || !(email ?? query.get('start_date'))) return fail('dates');
        const limit = Number(query.get('limit') ?? 100);
        if (limit > 500) return fail('limit');
        const offset = Number(query.get('offset') ?? 0);
        const all = [...states].filter(([one, state]) => state === 'unsubscribed' && (email ?? one) === one);
        const found = all.slice(offset, offset + limit);
        return {
          status: 200,
          json: {
            emails: found.map(([one]) => ({ email: one, unsubscribed_at: '2026-03-01 10:00:00 +0000' })),
            message: 'success',
          },
        };
      },
      'POST /v2/subscription/status/set': ({ json }) => {
        const parsed = groupBody.safeParse(json);
        if (!parsed.success) return fail('wrong body');
        for (const one of parsed.data.subscription_groups) {
          if (one.subscription_group_id !== 'grp-7') return fail('Invalid subscription_group_id');
          for (const email of checked(one.emails)) group.set(email, one.subscription_state);
        }
        return { status: 201, json: { message: 'success' } };
      },
      'GET /subscription/status/get': ({ query }) => {
        if (query.get('subscription_group_id') !== 'grp-7') return fail('Invalid subscription_group_id');
        const email = (query.get('email') ?? fail('email')).toLowerCase();
        const state = group.get(email);
        const text = state === undefined ? 'Unknown' : state === 'subscribed' ? 'Subscribed' : 'Unsubscribed';
        return { status: 200, json: { status: { 'external-1': text }, message: 'success' } };
      },
    },
  });
  return { ...server, apiKey, states, group };
}
