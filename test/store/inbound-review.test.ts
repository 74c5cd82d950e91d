import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createInboundReviewStore, type InboundReviewStore } from '../../src/store/inbound-review.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: InboundReviewStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createInboundReviewStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const review = (id: string, at: number) => ({
  id,
  kind: 'bounce',
  contact: CONTACT,
  masked: 'a•••@example.com',
  status: '5.1.1',
  why: 'no proof',
  via: 'smtp',
  receivedAt: new Date(at),
  sealed: Buffer.from('report'),
});

test('a report waits, newest first, until the first decision', async () => {
  expect(await setting.writesOf(() => store.insert(review('a', 1000)))).toEqual(['inbound_review durable']);
  expect(await store.insert(review('a', 1000))).toBe(false);
  await store.insert(review('b', 2000));
  expect((await store.list({ limit: 10 })).map(({ id }) => id)).toEqual(['b', 'a']);
  expect((await store.list({ limit: 10, kind: 'bounce', before: new Date(2000) })).map(({ id }) => id)).toEqual(['a']);
  expect(await store.waiting('bounce', 10)).toBe(2);
  expect(await store.decide('a', 'confirmed', 'dana', new Date(3000))).toBe(true);
  expect(await store.decide('a', 'dismissed', 'lee', new Date(4000))).toBe(false);
  const { sealed, ...line } = review('a', 1000);
  const decision = { waiting: false, outcome: 'confirmed', decidedBy: 'dana', decidedAt: new Date(3000) };
  expect(await store.get('a')).toEqual({ line: { ...line, ...decision }, sealed });
  await store.recorded('a', ['e_1']);
  expect(await store.get('a')).toEqual({ line: { ...line, ...decision, events: ['e_1'] } });
});

test('what is dismissed, and what is about an erased contact, is not kept', async () => {
  await store.decide('b', 'dismissed', 'dana', new Date(3000));
  expect((await store.get('b'))?.sealed).toBeUndefined();
  expect(await store.forget(CONTACT)).toBe(2);
  await store.forgetAll([CONTACT]);
  expect(await setting.all('inbound_review')).toEqual([]);
});
