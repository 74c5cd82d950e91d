import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createLogCheckpoints, type LogCheckpoints } from '../../src/store/log-checkpoints.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: LogCheckpoints;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createLogCheckpoints(setting.connection, machine);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const [ROOT, OTHER] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
const checkpoint = (size: number, at: number) => ({ size, root: ROOT, at, note: `note ${size}` });
const stored = (size: number, at: number) => ({ ...checkpoint(size, at), cosignatures: [] });

test('a size has one checkpoint for ever', async () => {
  expect(await setting.writesOf(() => store.publish(checkpoint(1, 1000)))).toEqual(['log_checkpoints durable']);
  expect(await store.publish({ ...checkpoint(1, 5000), root: OTHER })).toEqual(stored(1, 1000));
  await store.resign(1, OTHER, 'forged');
  expect(await store.ofSize(1)).toEqual(stored(1, 1000));
  await store.resign(1, ROOT, 'signed again');
  expect((await store.latest())?.note).toBe('signed again');
});

test('checkpoints are found by time and by size', async () => {
  await store.publish(checkpoint(5, 2000));
  await store.publish(checkpoint(9, 3000));
  expect((await store.before(2000))?.size).toBe(1);
  expect((await store.since(2000))?.size).toBe(5);
  expect((await store.following(1, 1)).map(({ size }) => size)).toEqual([5]);
  expect((await store.covering(4))?.size).toBe(9);
});

test('proofs are made for what a witness signed, once each', async () => {
  await store.cosign(5, 'w', 'first\n');
  await store.cosign(5, 'w', 'second\n');
  expect(await store.covering(4)).toEqual({ ...stored(5, 2000), cosignatures: ['first\n'] });
  expect((await store.covering(5))?.size).toBe(9);
  await store.setWitnessSize('w', 5);
  expect([await store.witnessSize('w'), await store.witnessSize('x')]).toEqual([5, 0]);
  expect(await store.witnesses()).toEqual([{ name: 'w', size: 5, at: expect.any(Number) }]);
});

test('a key’s first use stays', async () => {
  await store.keysUsed(7, 1000);
  expect(await store.keysUsed(7, 2000)).toEqual(new Map([[7, 1000]]));
});
