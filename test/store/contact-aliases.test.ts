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

test('spellings of one address know each other while they are in one group', async () => {
  await contacts.append([1, 2, 3].map((n) => ({ ...optOut(n), aliasGroup: 'g' })));
  const others = async (n: number) => (await contacts.get(keyOf(n)))?.others?.map(({ key }) => key);
  expect(await others(1)).toEqual([keyOf(2), keyOf(3)]);
  const writes = await setting.writesOf(() =>
    contacts.setAliasGroups([
      { key: keyOf(3), aliasGroup: undefined },
      { key: keyOf(2), aliasGroup: 'g' },
    ]),
  );
  expect(writes).toEqual(['contacts durable']);
  expect(await others(1)).toEqual([keyOf(2)]);
  expect(await others(3)).toBeUndefined();
});

test('a spelling that nobody has heard of has those of its group', async () => {
  const asked = { key: keyOf(9), group: { id: 'g', formerKeys: [] } };
  const shared = (await contacts.findShared([asked])).get(keyOf(9).toString('hex'));
  expect([shared?.contact, shared?.others.length]).toEqual([undefined, 2]);
});

test('a contact that is touched is projected again, at a later revision', async () => {
  await contacts.project([projection(1, { pendingSyncs: [pendingSync()] })]);
  expect(await contacts.dirtyKeys(9)).not.toContainEqual(keyOf(1));
  expect(await setting.writesOf(() => contacts.touch([keyOf(1)]))).toEqual(['contacts durable']);
  expect(await contacts.dirtyKeys(9)).toContainEqual(keyOf(1));
  expect(await contacts.get(keyOf(1))).toMatchObject({ rev: 2, touched: true });
});
