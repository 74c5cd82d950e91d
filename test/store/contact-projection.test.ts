import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Contacts } from '../../src/store/contacts.js';
import { keyOf, openContacts, optOut, pendingSync, projection } from './contact-setting.js';
import type { StoreSetting } from './setting.js';

let setting: StoreSetting;
let contacts: Contacts;
beforeAll(async () => {
  ({ setting, contacts } = await openContacts());
});
afterAll(() => setting?.close());

test('a projection comes in at the revision it was read at, and leaves what arrived meanwhile', async () => {
  await contacts.append([optOut(1), optOut(1, 'late'), optOut(2)]);
  expect(await contacts.dirtyKeys(9)).toEqual([keyOf(1), keyOf(2)]);
  const details = {
    dataKey: Buffer.from('key'),
    address: Buffer.from('a'),
    wakeAt: 5000,
    pendingSyncs: [pendingSync()],
  };
  const writes = await setting.writesOf(async () => {
    expect(await contacts.project([projection(1, details), projection(2), projection(2)])).toBe(2);
  });
  expect(writes).toEqual(['contacts durable']);
  expect(await contacts.get(keyOf(1))).toMatchObject({
    rev: 1,
    entries: 1,
    pending: [{ id: 'late' }],
    pendingSyncs: [{ ...pendingSync(), backfill: false }],
    dataKey: details.dataKey,
    address: details.address,
    wakeAt: 5000,
  });
  expect(await contacts.dirtyKeys(9)).toEqual([keyOf(1)]);
  expect(await contacts.backlog()).toEqual({ count: 1, oldest: expect.any(Number) });
});

test('what a projection stores is what the schema says', async () => {
  for (const row of await contacts.models[0].find()) await expect(row.validate()).resolves.toBeUndefined();
});

test('the feed numbers the change it has seen, and no later one', async () => {
  const [first] = await contacts.unnumbered(9);
  expect(first).toEqual({ key: keyOf(1), feed: 1, scopes: [] });
  await contacts.numbered([{ key: keyOf(1), feed: 9 }]);
  expect((await contacts.unnumbered(9)).length).toBe(2);
  await contacts.numbered([{ key: keyOf(1), feed: 1 }]);
  expect((await contacts.unnumbered(9)).map(({ key }) => key)).toEqual([keyOf(2)]);
});

test('contacts of another configuration, and those that time changes, are found', async () => {
  expect([await contacts.countOutdated('one'), await contacts.countOutdated('two')]).toEqual([0, 2]);
  expect((await contacts.outdated('two', 1)).length).toBe(1);
  expect(await contacts.awake(4999, 9)).toEqual([]);
  expect(await contacts.awake(5000, 9)).toEqual([keyOf(1)]);
});

test('overflow that a crash left uncounted is counted, and dropped once it is in the ledger', async () => {
  await contacts.appendOverflow([optOut(2, 'over')]);
  await contacts.collection.updateOne({ _id: keyOf(2) }, { $set: { overflow: 0 } });
  await contacts.adoptOverflow();
  expect((await contacts.get(keyOf(2)))?.pending.map(({ id }) => id)).toEqual(['over']);
  await contacts.dropOverflow(keyOf(2), ['over']);
  expect(await setting.all('overflow')).toEqual([]);
});
