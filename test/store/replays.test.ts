import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createReplays, type Replays } from '../../src/store/replays.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let replays: Replays;
beforeAll(async () => {
  setting = await openStoreSetting();
  replays = createReplays(setting.connection);
});
afterAll(() => setting?.close());

test('a signature is used once; again it is the same or another content', async () => {
  expect(await setting.writesOf(() => replays.claim('s', 'x', 1000))).toEqual(['replays durable']);
  expect(await replays.claim('s', 'x', 1000)).toBe('same');
  expect(await replays.claim('s', 'y', 1000)).toBe('other');
});

test('one that an older version stored without its content is the same', async () => {
  await setting.put('replays', { _id: 'old', until: new Date() }, { _id: 'older', content: null, until: new Date() });
  expect(await replays.claim('old', 'x', 1000)).toBe('same');
  expect(await replays.claim('older', 'x', 1000)).toBe('same');
});
