import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createOutboxStore, type OutboxStore } from '../../src/store/outbox.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: OutboxStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createOutboxStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const mail = (id: string, created = 1000) => ({
  id,
  contact: CONTACT,
  template: 'link',
  language: 'en',
  brand: 'jmf',
  sealed: Buffer.from('words'),
  created: new Date(created),
});
const take = (at: number) => store.take('worker', new Date(at), new Date(at + 100));

test('a mail is sent under a lease and leaves nothing but its id', async () => {
  expect(await setting.writesOf(() => store.insert(mail('a')))).toEqual(['outbox durable']);
  expect(await store.insert(mail('a'))).toBe(false);
  expect(await store.waiting()).toEqual({ count: 1, oldest: new Date(1000) });
  const leased = await take(1000);
  const { contact: _contact, ...rest } = mail('a');
  expect(leased).toEqual({ ...rest, by: 'worker', attempts: 1 });
  expect(await take(1050)).toBeUndefined();
  if (!leased) return;
  expect(await store.sent({ ...leased, by: 'another' }, new Date(1060))).toBe(false);
  expect(await store.sent(leased, new Date(1060))).toBe(true);
  expect(await setting.all('outbox')).toEqual([
    { _id: 'a', template: 'link', created: new Date(1000), attempts: 1, sentAt: new Date(1060) },
  ]);
  expect([await store.knows('a'), await store.outcome('a')]).toEqual([true, { state: 'sent' }]);
  expect(await store.outcome('b')).toBeUndefined();
});

test('a mail that was given up is listed, and due again when somebody says so', async () => {
  await store.insert(mail('b', 2000));
  const leased = await take(2000);
  if (!leased) throw new Error('no mail');
  await store.retry(leased, new Date(2500), 'later');
  const again = await take(2500);
  if (!again) throw new Error('no mail');
  await store.park(again, new Date(2600), '$refused');
  expect(await store.parked()).toEqual([
    { id: 'b', template: 'link', reason: '$refused', attempts: 2, at: new Date(2600) },
  ]);
  expect([await store.release(new Date(3000), 'other'), await store.release(new Date(3000), '$refused')]).toEqual([
    0, 1,
  ]);
  expect(await take(3000)).toMatchObject({ id: 'b', attempts: 1, created: new Date(3000) });
});

test('of an erased contact a mail still goes out, and is not kept when it is given up', async () => {
  await store.forget([CONTACT]);
  const leased = await take(4000);
  if (!leased) throw new Error('no mail');
  expect(leased.sealed).toEqual(Buffer.from('words'));
  await store.park(leased, new Date(4100), 'refused');
  expect(await setting.all('outbox')).toEqual([
    expect.anything(),
    expect.not.objectContaining({ sealed: expect.anything() }),
  ]);
  expect(await store.release(new Date(5000))).toBe(0);
});

test('a key has so many slots a day; a mail keeps the one it has', async () => {
  const slot = (id: string) => store.takeSlot('k', '2026-03-03', 2, id, new Date());
  expect([await slot('a'), await slot('b'), await slot('c'), await slot('a')]).toEqual([true, true, false, true]);
});
