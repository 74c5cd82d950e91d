import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffApprovals, type StaffApprovals } from '../../src/store/staff-approvals.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: StaffApprovals;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createStaffApprovals(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const asked = (id: string) => ({
  id,
  kind: 'erasure' as const,
  at: new Date(1000),
  user: 'dana',
  userName: 'Dana',
  contact: CONTACT,
  details: { request: `q_${id}` },
  sealed: Buffer.from('why'),
  until: new Date(5000),
});
const decided = { at: new Date(2000), user: 'lee', userName: 'Lee' };

test('something asked for waits until one other person decides', async () => {
  expect(await setting.writesOf(() => store.ask(asked('a')))).toEqual(['staff_approvals durable']);
  expect(await store.get('a')).toEqual({ ...asked('a'), status: 'waiting' });
  expect(await store.countWaiting(new Date(4000))).toBe(1);
  expect(await store.countWaiting(new Date(6000))).toBe(0);
  expect((await store.waitingErasure('q_a', new Date(4000)))?.id).toBe('a');
  expect(await store.move('a', 'waiting', 'confirmed', { decided })).toBe(true);
  expect(await store.move('a', 'waiting', 'refused', { decided })).toBe(false);
  expect(await store.move('a', 'confirmed', 'used', { events: ['e_1'] })).toBe(true);
  await store.notified('a', 'mail');
  expect(await store.get('a')).toEqual({ ...asked('a'), status: 'used', decided, events: ['e_1'], notified: 'mail' });
  expect(await store.waitingErasure('q_a', new Date(4000))).toBeUndefined();
});

test('of an erased contact the words go; the list has codes and times', async () => {
  await store.ask({ ...asked('b'), at: new Date(3000), user: 'sam' });
  await store.forget([CONTACT]);
  expect((await store.list({})).map(({ id, sealed }) => [id, sealed])).toEqual([
    ['b', undefined],
    ['a', undefined],
  ]);
  expect((await store.list({ user: 'sam', kind: 'lift' })).length).toBe(0);
});
