import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffLookup, type StaffLookup } from '../../src/store/staff-lookup.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: StaffLookup;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createStaffLookup(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const [HASH, ONE, TWO] = [1, 2, 3].map((byte) => Buffer.alloc(16, byte));

test('contacts are found by the hash of name and code, each once, until they are erased', async () => {
  const pairs = [
    { hash: HASH, contact: ONE },
    { hash: HASH, contact: TWO },
  ].flatMap(({ hash, contact }) => (hash && contact ? [{ hash, contact }] : []));
  expect(await setting.writesOf(() => store.remember([...pairs, ...pairs]))).toEqual(['staff_lookup durable']);
  expect(await store.find(pairs[0]?.hash ?? Buffer.alloc(0))).toEqual([ONE, TWO]);
  await store.forget(pairs.slice(0, 1).map(({ contact }) => contact));
  expect(await store.find(pairs[0]?.hash ?? Buffer.alloc(0))).toEqual([TWO]);
});
