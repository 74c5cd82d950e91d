import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLetterStore, type LetterStore } from '../../src/store/letters.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: LetterStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createLetterStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const letter = (id: string, way: 'mail' | 'print', at = 1000) => ({
  id,
  request: 'q_1',
  kind: 'acknowledgement',
  at,
  way,
  by: 'system',
  language: 'en',
  brand: 'jmf',
  sealed: Buffer.from('words'),
});

test('a letter by mail waits for the outbox, with its link until then', async () => {
  const mail = { ...letter('m', 'mail'), outgoing: Buffer.from('link') };
  expect(await setting.writesOf(() => store.keep(mail, CONTACT, new Date(9000)))).toEqual([
    'letter_contents durable',
    'letters durable',
  ]);
  await store.keep({ ...mail, kind: 'another' }, CONTACT, new Date(9000));
  expect(await store.get('m')).toEqual(mail);
  expect(await store.leftBehind(new Date(2000))).toEqual([mail]);
  await store.handedOver('m');
  expect(await store.leftBehind(new Date(2000))).toEqual([]);
  expect(await store.get('m')).toEqual(letter('m', 'mail'));
});

test('a letter on paper is printed once', async () => {
  for (const id of ['p1', 'p2']) await store.keep(letter(id, 'print', 2000), undefined, new Date(9000));
  expect(await store.printed('p1', new Date(3000), 'dana')).toBe(true);
  expect(await store.printed('p1', new Date(4000), 'lee')).toBe(false);
  expect((await store.get('p1'))?.printed).toEqual({ at: 3000, by: 'dana' });
  expect(await store.toPrint(false, 0, 10)).toMatchObject({ rows: [{ id: 'p2' }], total: 1 });
  expect(await store.toPrint(true, 0, 10)).toMatchObject({ rows: [{ id: 'p2' }, { id: 'p1' }], total: 2 });
});

test('the words go with the contact and with the request; that there was a letter stays', async () => {
  await store.forget([CONTACT]);
  expect([(await store.get('m'))?.sealed, (await store.get('p1'))?.sealed]).toEqual([undefined, Buffer.from('words')]);
  await store.forgetRequest('q_1');
  expect((await store.get('p1'))?.sealed).toBeUndefined();
  expect((await store.ofRequest('q_1')).map(({ id }) => id)).toEqual(['m', 'p1', 'p2']);
});
