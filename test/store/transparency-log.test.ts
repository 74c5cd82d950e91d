import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogStore, type LogStore } from '../../src/store/transparency-log.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: LogStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createLogStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const [ONE, TWO] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
const leaf = (index: number, event: string, contact = ONE) => ({
  index,
  entry: Buffer.from(event),
  event,
  contact,
  salt: Buffer.alloc(16, index),
});

test('leaves are added in order, an event once', async () => {
  expect(await setting.writesOf(() => store.append([leaf(0, 'a'), leaf(1, 'b', TWO)]))).toEqual([
    'log_entries durable',
  ]);
  expect(await store.append([leaf(1, 'c')])).toBe(false);
  expect(await store.append([leaf(2, 'a')])).toBe(false);
  expect(await store.range(0, 9)).toEqual([leaf(0, 'a'), leaf(1, 'b', TWO)]);
  expect(await store.ofContact(TWO)).toEqual([leaf(1, 'b', TWO)]);
  expect(
    await store.known([
      { contact: ONE, event: 'a' },
      { contact: TWO, event: 'a' },
    ]),
  ).toEqual(new Set([`${ONE.toString('hex')}/a`]));
});

test('the size moves on from where it is, once', async () => {
  expect((await store.reached()).size).toBe(0);
  const root = Buffer.alloc(32, 3);
  expect([await store.advance(0, 2, root), await store.advance(0, 1, root)]).toEqual([true, false]);
  expect([await store.advance(1, 3, root), await store.reached()]).toEqual([false, { size: 2, root }]);
});

test('an erasure destroys salts and says which leaf names them', async () => {
  await store.append([{ index: 2, entry: Buffer.from('x'), event: 'x', contact: ONE, empties: 0 }]);
  await store.destroySalts([0], 2);
  const { salt: _salt, ...emptied } = leaf(0, 'a');
  expect(await store.range(0, 1)).toEqual([{ ...emptied, emptiedBy: 2 }]);
  expect((await store.ofContact(ONE))[1]).toMatchObject({ index: 2, empties: 0 });
});

test('a full tile is kept as it first was; a missing one is empty', async () => {
  const tile = { level: 0, index: 4, hashes: Buffer.alloc(64, 1), root: Buffer.alloc(32, 2) };
  await store.keepTiles([tile]);
  await store.keepTiles([{ ...tile, hashes: Buffer.alloc(64, 9) }]);
  expect(
    await store.readTiles([
      { level: 0, index: 4, width: 256 },
      { level: 0, index: 5, width: 256 },
    ]),
  ).toEqual([tile.hashes, Buffer.alloc(0)]);
});
