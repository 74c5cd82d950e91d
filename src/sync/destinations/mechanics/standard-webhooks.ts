import { createHmac } from 'node:crypto';
import { z } from 'zod';

/** `whsec_` and the base64 of 24 to 64 bytes. */
export const webhookSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'give whsec_ and the base64 of 24 to 64 random bytes')
  .refine((text) => {
    const bytes = Buffer.from(text.slice(6), 'base64').length;
    return bytes >= 24 && bytes <= 64;
  }, 'the secret has 24 to 64 bytes');

/**
 * Headers of one delivery. `at` in seconds.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function signDelivery(secret: string, id: string, at: number, body: string): Readonly<Record<string, string>> {
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': String(at), 'webhook-signature': `v1,${signature}` };
}
