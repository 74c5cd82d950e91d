import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTickets, type Tickets } from '../../src/store/tickets.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

const CONTACT = Buffer.alloc(16, 1);
let setting: StoreSetting;
let tickets: Tickets;
beforeAll(async () => {
  setting = await openStoreSetting();
  tickets = createTickets(setting.connection);
});
afterAll(() => setting?.close());

test('a link is used once', async () => {
  expect(await tickets.isUsed('l')).toBe(false);
  expect(await setting.writesOf(() => tickets.useOnce('l', 1000))).toEqual(['used_links durable']);
  expect(await tickets.useOnce('l', 1000)).toBe(false);
  expect(await tickets.isUsed('l')).toBe(true);
});

test('a sign-up is kept as it first came, until its contact is erased', async () => {
  const confirmation = { id: 'c', contact: CONTACT, sealed: Buffer.from('evidence'), details: {} };
  expect(await setting.writesOf(() => tickets.keepConfirmation(confirmation, 1000))).toEqual(['confirmations durable']);
  await tickets.keepConfirmation({ ...confirmation, details: { later: true } }, 2000);
  expect(await tickets.confirmation('c')).toEqual(confirmation);
  await tickets.forget([CONTACT]);
  expect(await tickets.confirmation('c')).toBeUndefined();
});
