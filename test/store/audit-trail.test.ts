import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTrailStore, type TrailStore } from '../../src/store/audit-trail.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: TrailStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createTrailStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const row = (user: string, at: number, more: object = {}) => ({
  at: new Date(at),
  user,
  name: user.toUpperCase(),
  roles: ['agent'],
  kind: 'look' as const,
  what: 'person',
  ...more,
});

test('what somebody did is found by every part of it', async () => {
  const look = row('dana', 1000, { contact: CONTACT, reason: 'call', note: Buffer.from('words') });
  expect(await setting.writesOf(() => store.add(look))).toEqual(['audit_trail durable']);
  await store.add(row('lee', 2000, { kind: 'export', about: 'list of (all)' }));
  expect(await store.list({}, 0, 10, true)).toEqual([look, expect.objectContaining({ user: 'lee' })]);
  const users = async (filter: object) => (await store.list(filter, 0, 10)).map(({ user }) => user);
  expect(await users({ contact: CONTACT })).toEqual(['dana']);
  expect(await users({ kind: 'export' })).toEqual(['lee']);
  expect(await users({ search: '(ALL)' })).toEqual(['lee']);
  expect(await users({ from: new Date(1000), to: new Date(2000) })).toEqual(['dana']);
  expect(await store.count({ user: 'lee' })).toBe(1);
  expect(await store.users()).toEqual([
    { id: 'dana', name: 'DANA' },
    { id: 'lee', name: 'LEE' },
  ]);
});

test('an erasure takes the words, time the rest', async () => {
  await store.forgetNotes([CONTACT]);
  expect((await store.list({ user: 'dana' }, 0, 1))[0]).not.toHaveProperty('note');
  expect(await store.prune(new Date(2000))).toBe(1);
  expect((await store.list({}, 0, 10)).map(({ user }) => user)).toEqual(['lee']);
});
