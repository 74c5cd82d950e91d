import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDestinationStates, type DestinationStates } from '../../src/store/destination-states.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: DestinationStates;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createDestinationStates(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

test('a destination nobody knows is not paused', async () => {
  expect(await store.get('crm')).toEqual({ paused: false });
});

test('a sync ends an error of credentials', async () => {
  await store.fault('crm', 'credentials', 'refused', 1000);
  await store.rememberList('crm', 'news', 'l_1');
  await store.waitUntil('crm', 2000);
  expect(await store.get('crm')).toEqual({
    paused: false,
    waitUntil: 2000,
    lists: { news: 'l_1' },
    lastError: { kind: 'credentials', message: 'refused', at: 1000 },
  });
  await store.recordSynced('crm', 3000);
  await store.pause('crm', true);
  expect(await store.get('crm')).toEqual({ paused: true, waitUntil: 2000, lists: { news: 'l_1' }, lastSyncedAt: 3000 });
});

test('a provider’s job is asked after when it is due, until it is dropped', async () => {
  const contacts = [Buffer.alloc(16, 1)];
  await store.rememberJob('crm', 'j', 'news', contacts, 1000);
  expect(await store.dueJobs('crm', 1500)).toEqual([]);
  const [job] = await store.dueJobs('crm', 2000);
  expect(job).toMatchObject({ job: 'j', binding: 'news', contacts, at: 1000 });
  if (!job) return;
  await store.postponeJob(job.id, 5000);
  expect(await store.dueJobs('crm', 2000)).toEqual([]);
  await store.dropJob(job.id);
  expect(await store.dueJobs('crm', 9000)).toEqual([]);
});
