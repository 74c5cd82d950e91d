import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createLedger, type Ledger } from '../../src/store/ledger.js';
import { createLogStores, type LogStores } from '../../src/store/log-stores.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

const KEY = Buffer.alloc(16, 1);
let setting: StoreSetting;
let ledger: Ledger;
let log: LogStores;
beforeAll(async () => {
  setting = await openStoreSetting();
  ledger = createLedger(setting.connection);
  log = createLogStores(setting.connection, ledger, machine);
  await Promise.all([...ledger.models, ...log.models].map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const entry = (number: number, type: 'opted_out' | 'erased' = 'opted_out') => ({
  key: KEY,
  number,
  event: { id: `e_${number}`, type, at: number, recorded: number * 1024, source: { kind: 'api' as const } },
});

test('an entry waits from its insert until it has its leaf', async () => {
  await ledger.insert([entry(1), entry(2, 'erased'), entry(3)]);
  const waiting = await log.queue.unsealed(2);
  expect(waiting.map((one) => one.entry)).toEqual([entry(1), entry(2, 'erased')]);
  expect(await setting.writesOf(() => log.queue.settle(waiting.map(({ row }) => row)))).toEqual(['ledger durable']);
  expect((await log.queue.unsealed(9)).map((one) => one.entry.number)).toEqual([3]);
  expect(await log.queue.isWaiting(KEY)).toBe(true);
  expect(await log.queue.isWaiting(Buffer.alloc(16, 2))).toBe(false);
});

test('an entry with neither leaf nor mark is found again', async () => {
  await log.leaves.append([{ index: 0, entry: Buffer.from('x'), event: 'e_1', contact: KEY }]);
  const strays = [];
  for await (const { event, marked } of log.queue.strays()) strays.push([event, marked]);
  expect(strays).toEqual([
    ['e_2', false],
    ['e_3', true],
  ]);
  expect(await log.queue.seemsBehind()).toBe(true);
  expect(await log.queue.catchUp()).toBe(1);
  expect((await log.queue.unsealed(9)).map((one) => one.entry.number)).toEqual([2, 3]);
  expect([...(await log.queue.bodies([{ contact: KEY, event: 'e_2' }])).values()]).toEqual([entry(2, 'erased')]);
});

test('an erasure’s salts are asked for once, by its latest erasure', async () => {
  await log.queue.requestForget(Buffer.alloc(16, 9));
  expect(await setting.writesOf(() => log.queue.requestForget(KEY))).toEqual(['log_forgets durable']);
  await log.queue.requestForget(KEY);
  expect(await log.queue.forgets(9)).toEqual([{ contact: KEY, event: 'e_2' }]);
  await log.queue.finishForget({ contact: KEY, event: 'e_2' });
  expect(await log.queue.forgets(9)).toEqual([]);
});
