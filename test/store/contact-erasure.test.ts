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

test('data is destroyed once no destination waits, and where one refused, once an officer says so', async () => {
  await contacts.append([optOut(1)]);
  const erasing = { erasing: true, dataKey: Buffer.from('key'), address: Buffer.from('a') };
  await contacts.project([projection(1, { ...erasing, pendingSyncs: [pendingSync()] })]);
  expect(await contacts.destroyData(keyOf(1), Buffer.alloc(17, 1))).toBe(false);
  await contacts.leaveToOfficer([keyOf(1)]);
  const parked = { desired: 'd', why: 'refused', at: 1 };
  await contacts.collection.updateOne({ _id: keyOf(1) }, { $set: { 'told.crm': { parked } } });
  await contacts.collection.updateOne({ _id: keyOf(1) }, { $set: { marks: [] } });
  expect(await contacts.erasingKeys(9)).toEqual([]);
  expect(await contacts.destroyData(keyOf(1), Buffer.alloc(17, 1))).toBe(false);
  await contacts.collection.updateOne({ _id: keyOf(1) }, { $set: { marks: [pendingSync()] } });
  expect(await contacts.abandonPendingSyncs([keyOf(1)])).toEqual(['crm']);
  expect(await contacts.erasingKeys(9)).toEqual([keyOf(1)]);
  const writes = await setting.writesOf(async () => {
    expect(await contacts.destroyData(keyOf(1), Buffer.alloc(17, 1))).toBe(true);
  });
  expect(writes).toEqual(['contacts durable']);
  const contact = await contacts.get(keyOf(1));
  expect(contact).toMatchObject({ keyedOnly: true, erasing: false, rev: 2 });
  expect(contact).not.toHaveProperty('address');
  expect(contact).not.toHaveProperty('dataKey');
});
