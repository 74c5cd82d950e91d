import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const body = z.array(
  z.strictObject({ address: z.string(), tags: z.array(z.string()).optional(), created_at: z.string().optional() }),
);

/** Mailgun's unsubscribes of the domain `mail.example.com`: an address and its tags. */
export async function startMailgun(apiKey = 'key-stand-in') {
  const held = new Map<string, Set<string>>();
  const list = '/v3/mail.example.com/unsubscribes';
  const shown = (address: string, tags: ReadonlySet<string>) => ({
    address,
    tags: [...tags],
    created_at: 'Fri, 21 Oct 2011 11:02:55 GMT',
  });
  const server = await startServer({
    authorised: ({ headers }) => headers.authorization === `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`,
    unauthorised: { status: 401, text: 'Forbidden' },
    routes: {
      [`POST ${list}`]: ({ json, headers }) => {
        const parsed = body.safeParse(json);
        if (!parsed.success || headers['content-type'] !== 'application/json')
          return refuse(400, { message: 'wrong body' });
        if (parsed.data.length > 1000) return refuse(400, { message: 'Batch size should be less than 1000' });
        const bad = parsed.data.find((one) => !looksLikeEmail(one.address) || one.address.endsWith('.invalid'));
        if (bad) return refuse(400, { message: `'address' ${bad.address} is invalid` });
        for (const { address, tags = ['*'] } of parsed.data) {
          const key = address.toLowerCase();
          held.set(key, new Set([...(held.get(key) ?? []), ...tags]));
        }
        return {
          status: 200,
          json: { message: `${parsed.data.length} addresses have been added to the unsubscribes table` },
        };
      },
      [`GET ${list}`]: ({ query, headers }) => {
        const limit = Number(query.get('limit') ?? 100);
        if (limit > 1000) return refuse(400, { message: 'limit' });
        const all = [...held].sort(([a], [b]) => (a < b ? -1 : 1));
        const from = query.get('address') ?? '';
        const items = all.filter(([address]) => address > from).slice(0, limit);
        const pivot = items.at(-1)?.[0] ?? from;
        const next = `http://${headers.host}${list}?page=next&address=${encodeURIComponent(pivot)}&limit=${limit}`;
        return { status: 200, json: { items: items.map(([address, tags]) => shown(address, tags)), paging: { next } } };
      },
      [`GET ${list}/:address`]: ({ params }) => {
        const key = (params.address ?? '').toLowerCase();
        const tags = held.get(key) ?? refuse(404, { message: 'Address not found in unsubscribers table' });
        return { status: 200, json: shown(key, tags) };
      },
      [`DELETE ${list}/:address`]: ({ params, query }) => {
        const key = (params.address ?? '').toLowerCase();
        const tags = held.get(key) ?? refuse(404, { message: 'Address not found in unsubscribers table' });
        const tag = query.get('tag');
        if (tag === null) tags.clear();
        else tags.delete(tag);
        if (tags.size === 0) held.delete(key);
        return { status: 200, json: { message: 'Unsubscribe event has been removed' } };
      },
    },
  });
  return { ...server, apiKey, held };
}
