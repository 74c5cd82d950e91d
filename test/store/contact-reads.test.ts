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

test('contacts are found by key, prefix and page; those nobody knows are absent', async () => {
  await contacts.append([optOut(1), optOut(2), optOut(3)]);
  expect([...(await contacts.find([keyOf(1), keyOf(9)])).keys()]).toEqual([keyOf(1).toString('hex')]);
  expect((await contacts.byPrefix(Buffer.from([2]))).map(({ key }) => key)).toEqual([keyOf(2)]);
  expect((await contacts.page(keyOf(1), 1)).map(({ key }) => key)).toEqual([keyOf(2)]);
  expect(await contacts.count()).toBe(3);
});

test('for no contacts nothing is sent', async () => {
  expect(await setting.commandsOf(() => contacts.find([]))).toEqual([]);
});

test('only the fields asked for are read, and the revision', async () => {
  const contact = (await contacts.find([keyOf(1)], { entries: 1 })).get(keyOf(1).toString('hex'));
  expect(contact).toMatchObject({ rev: 0, pending: [], type: 'email' });
});

test('a contact that an earlier version wrote with less is read, its pending syncs by today’s names', async () => {
  const { sealed: _sealed, ...event } = optOut(7).event;
  const mark = { ...pendingSync(), by: 'worker', doubt: ['news'], again: true };
  await setting.put('contacts', { _id: keyOf(7), pending: [event], marks: [mark], told: { crm: { version: 1 } } });
  expect(await contacts.get(keyOf(7))).toEqual({
    key: keyOf(7),
    type: 'email',
    rev: 0,
    entries: 0,
    state: projection(7).state,
    pending: [event],
    overflow: 0,
    pendingSyncs: [{ ...pendingSync(), leaseOwner: 'worker', uncertainBindings: ['news'], reassert: true }],
    synced: { crm: { version: 1 } },
    keyedOnly: false,
    erasing: false,
    touched: false,
  });
});
