import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { type Configurations, createConfigurations, leftOf } from '../../src/store/configurations.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let configurations: Configurations;
beforeAll(async () => {
  setting = await openStoreSetting();
  configurations = createConfigurations(setting.connection, machine);
});
afterAll(() => setting?.close());

test('another configuration begins anew, the same one goes on', async () => {
  expect(leftOf(await configurations.current())).toBe(0);
  const writes = await setting.writesOf(() => configurations.enforce('one'));
  expect(writes.filter((write) => write !== 'configurations durable')).toEqual([]);
  await configurations.progress('one', 10);
  await configurations.progress('one', 4);
  await configurations.progress('another', 99);
  await configurations.enforce('one');
  expect(await configurations.current()).toMatchObject({ hash: 'one', left: 4, total: 10 });
  await configurations.progress('one', 0);
  expect(leftOf(await configurations.current())).toBe(0);
  await configurations.enforce('two');
  expect(await configurations.current()).toEqual({ _id: 'current', hash: 'two', since: expect.any(Date) });
});

test('only the configuration in force is seen, and another one has not been', async () => {
  await configurations.enforce('three');
  await configurations.see('two');
  expect((await configurations.current())?.seen).toBeUndefined();
  await configurations.see('three');
  expect((await configurations.current())?.seen).toBeInstanceOf(Date);
  await configurations.enforce('four');
  expect((await configurations.current())?.seen).toBeUndefined();
});
