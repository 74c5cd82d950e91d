import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { createLimits } from '../../../src/web/middleware/limits.js';

let redis: Redis;
beforeAll(() => {
  redis = new Redis(process.env.REDIS_URL ?? '');
});
afterAll(async () => {
  await redis.quit();
});

/** Limits of an installation of its own, as one of its processes has them, and what they refused. */
function limitsOf(namespace = `t${randomBytes(6).toString('hex')}`, client = redis) {
  const refused: string[] = [];
  const limits = createLimits({
    redis: client,
    namespace,
    limits: { badTokens: 3, forms: 2, denials: 4, badKeys: 3 },
    clientAddress: (request) => String(request.socket.remoteAddress),
    onRefused: (reason) => refused.push(reason),
  });
  return { limits, refused };
}

const from = (remoteAddress: string) => ({ socket: { remoteAddress } }) as never;

test('a network that tries too many tokens is told to wait, and how long; others go on', async () => {
  const { limits, refused } = limitsOf();
  for (let n = 0; n < 3; n++) await limits.badToken(from('192.0.2.1'));
  const error = await limits.badToken(from('192.0.2.1')).catch((fault) => fault);
  expect(error).toMatchObject({ kind: 'rate_limited' });
  expect(error.detail.retryAfter).toBeGreaterThan(0);
  expect(error.detail.retryAfter).toBeLessThanOrEqual(60);
  await limits.badToken(from('198.51.100.1'));
  expect(refused).toEqual(['badTokens']);
});

test('all processes of an installation count together', async () => {
  const namespace = `t${randomBytes(6).toString('hex')}`;
  const [one, another] = [limitsOf(namespace), limitsOf(namespace)];
  for (let n = 0; n < 3; n++) await one.limits.badToken(from('192.0.2.1'));
  await expect(another.limits.badToken(from('192.0.2.1'))).rejects.toMatchObject({ kind: 'rate_limited' });
});

test('other forms use up nothing of the last opt-out of a network', async () => {
  const { limits } = limitsOf();
  for (let n = 0; n < 2; n++) await limits.form(from('192.0.2.1'));
  await expect(limits.form(from('192.0.2.1'))).rejects.toMatchObject({ kind: 'rate_limited' });
  for (let n = 0; n < 4; n++) await limits.denial(from('192.0.2.1'));
  await expect(limits.denial(from('192.0.2.1'))).rejects.toMatchObject({ kind: 'rate_limited' });
});

test('without Redis each process counts for itself', async () => {
  const gone = new Redis({ port: 1, maxRetriesPerRequest: 0, enableOfflineQueue: false, retryStrategy: () => null });
  gone.on('error', () => undefined);
  const { limits } = limitsOf(undefined, gone);
  for (let n = 0; n < 3; n++) await limits.badToken(from('192.0.2.1'));
  await expect(limits.badToken(from('192.0.2.1'))).rejects.toMatchObject({ kind: 'rate_limited' });
  gone.disconnect();
});
