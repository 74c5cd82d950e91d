import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Changes, createChanges } from '../../src/store/changes.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: Changes;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createChanges(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const change = (byte: number) => ({ key: Buffer.alloc(16, byte), version: byte, at: new Date(1000), scopes: [] });

test('a number is given once, and read once it is published', async () => {
  const first = { number: 1, epoch: 'aaaa0000' };
  expect(await setting.writesOf(() => store.add(first, [change(1), change(2)]))).toEqual(['changes durable']);
  expect(await store.add({ number: 2, epoch: 'bbbb0000' }, [change(3)])).toBe(false);
  expect(await store.last()).toBe(2);
  expect((await store.after(undefined, 10)).changes).toEqual([]);
  expect(await setting.writesOf(() => store.publish({ ...first, number: 2 }))).toEqual(['feed_head durable']);
  const { changes, head } = await store.after(first, 10);
  expect(head).toEqual({ number: 2, epoch: 'aaaa0000' });
  expect(changes).toEqual([
    { number: 2, epoch: 'aaaa0000', contact: Buffer.alloc(16, 2), version: 2, at: new Date(1000), scopes: [] },
  ]);
});

test('the head never goes back, and a position that it never gave is foreign', async () => {
  await store.publish({ number: 1, epoch: 'cccc0000' });
  expect((await store.head()).number).toBe(2);
  const stateOf = async (number: number, epoch: string) => (await store.after({ number, epoch }, 10)).state;
  expect(await stateOf(1, 'aaaa0000')).toBe('known');
  expect(await stateOf(1, 'cccc0000')).toBe('foreign');
  expect(await stateOf(3, 'aaaa0000')).toBe('foreign');
});

test('changes and a head from before there were epochs are read', async () => {
  await setting.connection.collection('feed_head').deleteMany({});
  await setting.put('feed_head', { _id: 'feed', number: 7 });
  await setting.put('changes', { _id: 7, contact: Buffer.alloc(16, 7), at: new Date(0), version: 1, scopes: [] });
  expect(await store.head()).toEqual({ number: 7, epoch: '' });
  expect((await store.after({ number: 6, epoch: '' }, 10)).changes[0]).toMatchObject({ number: 7, epoch: '' });
});
