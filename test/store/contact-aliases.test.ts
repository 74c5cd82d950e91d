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

test('a contact comes with the other spellings of its mailbox by one command', async () => {
  type Asked = Parameters<Contacts['findShared']>[0];
  let shared: unknown;
  const find = (asked: Asked, fields?: Record<string, 0 | 1>) => async () => {
    const found = await contacts.findShared(asked, fields);
    const numbers = (keys: readonly Buffer[]) => keys.map((key) => key[0]).sort();
    shared = asked.map(({ key }) => {
      const { contact, others = [] } = found.get(key.toString('hex')) ?? {};
      return { of: key[0], isKnown: contact !== undefined, others: numbers(others.map((other) => other.key)) };
    });
  };
  // Stored under a key of before its spellings were one, and under none.
  const group = { id: 'g', formerKeys: [keyOf(3), keyOf(7)] };
  const asked: Asked = [
    { key: keyOf(9), group },
    { key: keyOf(2), group },
  ];
  const both = [
    { of: 9, isKnown: false, others: [1, 2, 3] },
    { of: 2, isKnown: true, others: [1, 3] },
  ];
  expect(await setting.commandsOf(find(asked))).toEqual(['find contacts']);
  expect(shared).toEqual(both);
  expect(await setting.commandsOf(find(asked, { state: 1 }))).toEqual(['find contacts']);
  expect(shared).toEqual(both);
  // A contact in no group.
  expect(await setting.commandsOf(find([{ key: keyOf(3) }]))).toEqual(['find contacts']);
  expect(shared).toEqual([{ of: 3, isKnown: true, others: [] }]);
  // Who does not name the group asks for its members once it is known.
  await find([{ key: keyOf(1) }])();
  expect(shared).toEqual([{ of: 1, isKnown: true, others: [2] }]);
});

test('a contact that is touched is projected again, at a later revision', async () => {
  await contacts.project([projection(1, { pendingSyncs: [pendingSync()] })]);
  expect(await contacts.dirtyKeys(9)).not.toContainEqual(keyOf(1));
  expect(await setting.writesOf(() => contacts.touch([keyOf(1)]))).toEqual(['contacts durable']);
  expect(await contacts.dirtyKeys(9)).toContainEqual(keyOf(1));
  expect(await contacts.get(keyOf(1))).toMatchObject({ rev: 2, touched: true });
});
