import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createInstallation, type InstallationStore } from '../../src/store/installation.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let installation: InstallationStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  installation = createInstallation(setting.connection, machine);
});
afterAll(() => setting?.close());

test('the first secrets stand; new key ids join them; with one wrong secret nothing is registered', async () => {
  const record = await installation.register({ lookup: 'l', roots: { k1: 'a' } });
  expect(record).toEqual({ id: expect.stringMatching(/^[0-9a-f]{16}$/), lookup: 'l', roots: { k1: 'a' } });
  expect(await installation.register({ lookup: 'l', roots: { k1: 'a', k2: 'b' } })).toEqual({
    ...record,
    roots: { k1: 'a', k2: 'b' },
  });
  for (const wrong of [
    { lookup: 'l', roots: { k2: 'other', k3: 'c' } },
    { lookup: 'other', roots: { k3: 'c' } },
  ]) {
    expect((await installation.register(wrong)).roots).toEqual({ k1: 'a', k2: 'b' });
  }
  expect(await setting.writesOf(() => installation.register({ lookup: 'l', roots: { k1: 'a' } }))).toEqual([
    'installation durable',
    'installation durable',
  ]);
});
