import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffCalls, type StaffCalls } from '../../src/store/staff-calls.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: StaffCalls;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createStaffCalls(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const call = (id: string, more: object = {}) => ({
  id,
  at: new Date(1000),
  user: 'dana',
  userName: 'Dana',
  contact: Buffer.alloc(16, 1),
  contactType: 'phone',
  wish: 'all',
  brand: '*',
  events: ['e_1'],
  wholePerson: false,
  confirmation: 'none' as const,
  caller: 'self',
  verification: 'none',
  ...more,
});
const undone = { at: new Date(2000), user: 'lee', userName: 'Lee', events: ['e_2'] };

test('a call is kept as it first came', async () => {
  expect(await setting.writesOf(() => store.keep(call('a')))).toEqual(['staff_calls durable']);
  await store.keep(call('a', { wish: 'calls' }));
  expect(await store.get('a')).toEqual(call('a'));
});

test('a call is undone once', async () => {
  expect([await store.markUndone('a', undone), await store.markUndone('a', undone)]).toEqual([true, false]);
  expect(await store.get('a')).toEqual(call('a', { undone }));
});

test('a list shows the calls that fit all conditions, in either order', async () => {
  await store.keep(call('b', { at: new Date(3000), user: 'lee', userName: 'Lee', contact: Buffer.alloc(16, 2) }));
  const ids = async (filter: object, oldestFirst = false) =>
    (await store.list(filter, 0, 10, oldestFirst)).map(({ id }) => id);
  expect(await ids({})).toEqual(['b', 'a']);
  expect(await ids({}, true)).toEqual(['a', 'b']);
  expect(await ids({ undone: true })).toEqual(['a']);
  expect(await ids({ contact: Buffer.alloc(16, 2), user: 'lee' })).toEqual(['b']);
  expect(await ids({ from: new Date(1000), to: new Date(3000) })).toEqual(['a']);
  expect(await store.count({ user: 'dana' })).toBe(1);
  expect(await store.users()).toEqual([
    { id: 'dana', name: 'Dana' },
    { id: 'lee', name: 'Lee' },
  ]);
});
