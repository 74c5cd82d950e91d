import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Contacts } from '../../src/store/contacts.js';
import { keyOf, openContacts, optOut } from './contact-setting.js';
import type { StoreSetting } from './setting.js';

let setting: StoreSetting;
let contacts: Contacts;
beforeAll(async () => {
  ({ setting, contacts } = await openContacts());
});
afterAll(() => setting?.close());

test('events are appended in one durable command, each once while it is pending', async () => {
  const writes = await setting.writesOf(async () => {
    expect(await contacts.append([optOut(1), optOut(2), optOut(1)])).toEqual(['appended', 'appended', 'busy']);
  });
  expect(writes).toEqual(['contacts durable']);
  expect(await contacts.get(keyOf(1))).toMatchObject({
    type: 'email',
    country: 'de',
    rev: 0,
    entries: 0,
    keyedOnly: false,
    pending: [optOut(1).event],
  });
});

test('what an append stores is what the schema says', async () => {
  const row = await contacts.models[0].findById(keyOf(1));
  await expect(row?.validate()).resolves.toBeUndefined();
  expect(Object.keys((await setting.all('contacts'))[0] ?? {}).sort()).toEqual(
    ['_id', 'country', 'dirty', 'entries', 'firstSeen', 'keyedOnly', 'pending', 'rev', 'type'].sort(),
  );
});

test('a full contact keeps further events in documents of their own, and counts that there are some', async () => {
  const writes = await setting.writesOf(() => contacts.appendOverflow([optOut(1, 'e_9')]));
  expect(writes).toEqual(['overflow durable', 'contacts durable']);
  const contact = await contacts.get(keyOf(1));
  expect([contact?.overflow, contact?.pending.map(({ id }) => id)]).toEqual([1, ['e_1', 'e_9']]);
  expect(contact?.pending[1]).toEqual(optOut(1, 'e_9').event);
});
