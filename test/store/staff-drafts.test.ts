import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffDrafts, type StaffDrafts } from '../../src/store/staff-drafts.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: StaffDrafts;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createStaffDrafts(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

test('a draft is its user’s alone, until its time is over', async () => {
  const draft = { id: 'd', user: 'dana', sealed: Buffer.from('words'), until: new Date(5000) };
  expect(await setting.writesOf(() => store.keep(draft))).toEqual(['staff_drafts durable']);
  expect(await store.get('dana', 'd', new Date(4000))).toEqual(draft.sealed);
  expect(await store.get('lee', 'd', new Date(4000))).toBeUndefined();
  expect(await store.get('dana', 'd', new Date(5000))).toBeUndefined();
  expect([await store.count('dana'), await store.count('lee')]).toEqual([1, 0]);
});
