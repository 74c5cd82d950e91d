import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type AuditExports, createAuditExports } from '../../src/store/audit-exports.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: AuditExports;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createAuditExports(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const wanted = { id: 'x', from: 0, to: 1000, by: 'dana', byName: 'Dana', at: 2000 };
const none = { erasures: [], chunks: 0, bytes: 0, restarts: 0 };

test('an export goes on under a lease, from where it was', async () => {
  expect(await setting.writesOf(() => store.begin(wanted))).toEqual(['audit_exports durable']);
  expect(await store.get('x')).toEqual({ ...wanted, ...none, state: 'waiting' });
  expect(await store.take('one', new Date(1000), new Date(9000))).toBeUndefined();
  expect((await store.take('one', new Date(2000), new Date(9000)))?.state).toBe('running');
  expect(await store.take('two', new Date(2000), new Date(9000))).toBeUndefined();
  const step = { first: 0, end: 7, size: 8, next: 3, chain: Buffer.from('hash'), erasures: [1], chunks: 1, bytes: 10 };
  expect(await store.step('x', 'two', step)).toBe(false);
  expect(await store.step('x', 'one', { ...step, due: new Date(9000) })).toBe(true);
  expect(await store.get('x')).toEqual({ ...wanted, ...none, ...step, state: 'running' });
  await store.release('x', 'one', new Date(2000));
  expect((await store.take('two', new Date(2000), new Date(9000)))?.next).toBe(3);
  await store.step('x', 'two', { state: 'ready', readyAt: new Date(4000), until: new Date(8000) });
  expect(await store.list(0, 10)).toMatchObject({ rows: [{ state: 'ready', readyAt: 4000, until: 8000 }], total: 1 });
  expect(await store.take('one', new Date(99_000), new Date(99_999))).toBeUndefined();
});

test('a piece written again is the same piece', async () => {
  expect(await store.chunk('x', 0)).toBeUndefined();
  await store.keepChunk('x', 0, Buffer.from('a'), new Date(8000));
  await store.keepChunk('x', 0, Buffer.alloc(0), new Date(8000));
  expect(await store.chunk('x', 0)).toEqual(Buffer.alloc(0));
});
