import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../support/hush.js';

const NEXT_KEY = 'hk_the_key_that_takes_its_place_0123456789';
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], env: { HUSH_ROLE: 'web' } });
});
afterAll(() => hush?.stop());

/** Status of a request with a key, at a process that was started with `HUSH_API_KEY` set to `configured`. */
async function statusOf(key: string, configured: string): Promise<number> {
  const restarted = await startHush({
    destinations: [],
    from: hush,
    env: { HUSH_API_KEY: configured, HUSH_ROLE: 'web' },
  });
  try {
    return (await restarted.get('/v1/destinations', { authorization: `Bearer ${key}` })).status;
  } finally {
    await restarted.stop(true);
  }
}

test('another HUSH_API_KEY ends the one before, and no other key', async () => {
  const { key: own } = await hush.hush.stores.apiKeys.create('own', ['destinations']);
  expect(await statusOf(API_KEY, API_KEY)).toBe(200);
  expect(await statusOf(API_KEY, NEXT_KEY)).toBe(401);
  expect(await statusOf(NEXT_KEY, NEXT_KEY)).toBe(200);
  expect(await statusOf(own, NEXT_KEY)).toBe(200);
  expect((await hush.hush.stores.apiKeys.list()).filter(({ revokedAt }) => revokedAt)).toHaveLength(1);
});

test('the key before works again when it is set again; one that was revoked by hand does not', async () => {
  expect(await statusOf(API_KEY, API_KEY)).toBe(200);
  const { apiKeys } = hush.hush.stores;
  const current = (await apiKeys.list()).find(({ name, revokedAt }) => name === 'HUSH_API_KEY' && !revokedAt);
  expect(await apiKeys.revoke(current?.id ?? '')).toBe(true);
  expect(await statusOf(API_KEY, API_KEY)).toBe(401);
});
