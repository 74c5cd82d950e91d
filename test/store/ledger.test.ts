import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLedger, type Ledger } from '../../src/store/ledger.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: Ledger;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createLedger(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const KEY = Buffer.alloc(16, 1);
const entry = (number: number, id = `e_${number}`) => ({
  key: KEY,
  number,
  event: {
    id,
    type: 'opted_out' as const,
    at: number,
    recorded: number * 1024,
    source: { kind: 'api' as const },
    sealed: Buffer.from(id),
  },
});

test('entries are durable; whoever comes second with a number or an event is told so', async () => {
  expect(await setting.writesOf(() => store.insert([entry(1), entry(2)]))).toEqual(['ledger durable']);
  expect(await store.insert([entry(2, 'other'), entry(3)])).toEqual(new Set([KEY.toString('hex')]));
  expect(await store.insert([])).toEqual(new Set());
  expect(await store.ofContact(KEY)).toEqual([entry(1), entry(2), entry(3)]);
});

test('a history is read whole, a page at a time, and by event', async () => {
  const pages = [];
  for await (const page of store.pages(KEY, { size: 2, type: 'opted_out' }))
    pages.push(page.map(({ number }) => number));
  expect(pages).toEqual([[1, 2], [3]]);
  expect(await store.byId('e_2')).toEqual(entry(2));
  expect(await store.byId('e_9')).toBeUndefined();
});

test('what another projector has moved is found by number and by id', async () => {
  const hex = KEY.toString('hex');
  const numbersOf = (found: Awaited<ReturnType<typeof store.beyond>>) =>
    [...(found.get(hex)?.values() ?? [])].map(({ number, event }) => [event.id, number]);
  expect(numbersOf(await store.beyond([{ key: KEY, entries: 2 }]))).toEqual([['e_3', 3]]);
  expect(numbersOf(await store.findIds([{ key: KEY, ids: ['e_1', 'e_9'] }]))).toEqual([['e_1', 1]]);
});
