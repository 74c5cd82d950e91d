import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createImportStore, type ImportStore } from '../../src/store/imports.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: ImportStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createImportStore(setting.connection, machine);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const record = {
  id: 'i',
  list: 'l',
  format: 'csv' as const,
  dryRun: false,
  by: 'key',
  state: 'running' as const,
  rows: 2,
  accepted: 1,
  repeated: 0,
  rejected: 1,
  errors: [{ row: 2, field: 'email', code: 'invalid', message: '' }],
  startedAt: 1000,
  updatedAt: 2000,
};

test('an import is as it was last written, errors included', async () => {
  expect(await setting.writesOf(() => store.put({ ...record, fault: 'gone' }))).toEqual(['imports durable']);
  expect(await store.get('i')).toEqual({ ...record, fault: 'gone' });
  await store.put({ ...record, errors: [], finishedAt: 3000 });
  expect(await store.get('i')).toEqual({ ...record, errors: [], finishedAt: 3000 });
  await store.put({ ...record, id: 'j', list: 'm', startedAt: 5000 });
  expect((await store.latest(undefined, 10)).map(({ id }) => id)).toEqual(['j', 'i']);
  expect((await store.latest('l', 10)).map(({ id }) => id)).toEqual(['i']);
});

test('a batch that is recorded is known', async () => {
  expect(await store.knowsBatch('b')).toBe(false);
  expect(await setting.writesOf(() => store.keepBatch('b'))).toEqual(['import_batches durable']);
  await store.keepBatch('b');
  expect(await store.knowsBatch('b')).toBe(true);
});
