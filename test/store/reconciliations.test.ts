import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../src/machine.js';
import { createReconciliations, type Reconciliations } from '../../src/store/reconciliations.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: Reconciliations;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createReconciliations(setting.connection, machine);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const run = {
  run: 'r',
  dryRun: false,
  by: 'api' as const,
  startedAt: 1000,
  step: 0,
  phase: 'reading' as const,
  binding: 0,
  read: 0,
  compared: 0,
  expected: 3,
  found: {},
  failures: 0,
  dueAt: 5000,
};

test('a run begins when it was asked for, and only who read its last step writes the next', async () => {
  await store.notice('crm', 500);
  await store.request('crm', { dryRun: false, by: 'api', at: 900 });
  expect(await store.get('crm')).toEqual({ since: 500, requested: { dryRun: false, by: 'api', at: 900 } });
  expect([await store.begin('crm', run), await store.begin('crm', run)]).toEqual([true, false]);
  expect(await store.get('crm')).toEqual({ since: 500, current: run });
  const found = { news: { missing: 1 } };
  const next = { ...run, step: 1, found, cursor: '' };
  expect([await store.save('crm', next), await store.save('crm', next)]).toEqual([true, false]);
  await store.hurry('crm');
  expect((await store.get('crm')).current).toEqual({ ...next, dueAt: 0 });
  const done = { ...next, step: 2, phase: 'done' as const, finishedAt: 3000 };
  await store.save('crm', done);
  expect(await store.get('crm')).toEqual({ since: 500, current: done, last: done });
});

test('contacts that a run has seen are known until it is forgotten', async () => {
  const [one, two] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2)];
  const writes = await setting.writesOf(async () => {
    await store.remember('r', 'news', [one]);
    await store.remember('r', 'news', [one]);
  });
  expect(writes).toEqual(['reconciliation_seen durable', 'reconciliation_seen durable']);
  expect(await store.listed('r', 'news', [one, two])).toEqual(new Set([one.toString('hex')]));
  await store.forget('r');
  expect(await store.listed('r', 'news', [one, two])).toEqual(new Set());
});
