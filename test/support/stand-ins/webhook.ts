import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { looksLikeEmail, refuse, startServer } from './server.js';

const body = z.strictObject({
  type: z.enum(['suppression.added', 'suppression.removed']),
  timestamp: z.iso.datetime(),
  data: z.strictObject({
    binding: z.string(),
    list: z.string().optional(),
    scope: z.strictObject({ brand: z.string(), channel: z.string(), purpose: z.string(), topic: z.string() }),
    entries: z.array(
      z.strictObject({
        type: z.string(),
        address: z.string(),
        reason: z.string(),
        since: z.iso.datetime().optional(),
        receipt: z.string().optional(),
      }),
    ),
  }),
});

/** A receiver after the Standard Webhooks specification, written against the specification's text alone. */
export async function startReceiver(secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`) {
  const suppressed = new Set<string>();
  const ids = new Set<string>();
  const server = await startServer({
    authorised({ headers, raw }) {
      const id = String(headers['webhook-id'] ?? '');
      const at = String(headers['webhook-timestamp'] ?? '');
      if (!/^msg_\w+$/.test(id) || Math.abs(Date.now() / 1000 - Number(at)) > 300) return false;
      const mac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'));
      const expected = mac.update(`${id}.${at}.`).update(raw).digest();
      const given = String(headers['webhook-signature'] ?? '')
        .split(' ')
        .map((one) => Buffer.from(one.replace(/^v1,/, ''), 'base64'));
      return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected));
    },
    routes: {
      'POST /receive': ({ json, headers }) => {
        const parsed = body.safeParse(json);
        if (!parsed.success) return refuse(400, { error: 'wrong body' });
        const { type, data } = parsed.data;
        if (data.entries.length > 100) return refuse(413, { error: 'too many' });
        const bad = data.entries.find((one) => !looksLikeEmail(one.address) || one.address.endsWith('.invalid'));
        if (bad) return refuse(422, { error: `cannot take ${bad.address}` });
        ids.add(String(headers['webhook-id']));
        for (const one of data.entries) {
          if (type === 'suppression.added') suppressed.add(one.address.toLowerCase());
          else suppressed.delete(one.address.toLowerCase());
        }
        return { status: 200, json: {} };
      },
    },
  });
  return { ...server, secret, suppressed, ids };
}
