import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStaffStatistics, type StaffStatistics } from '../../src/store/staff-statistics.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: StaffStatistics;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createStaffStatistics(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const DAY = '2026-03-03';

test('leaves are counted once, whoever counts them', async () => {
  const counted = new Map([[DAY, { denials: { form: 2 }, grants: { api: 1 } }]]);
  expect(await store.next()).toBe(0);
  expect([await store.add(0, 3, counted), await store.add(0, 3, counted)]).toEqual([true, false]);
  expect(await store.add(3, 4, new Map([[DAY, { denials: { form: 1 }, grants: {} }]]))).toBe(true);
  expect(await store.next()).toBe(4);
});

test('counters of a day add up; what nobody counted is empty', async () => {
  expect(await setting.writesOf(() => store.told(DAY, 'crm', { 5: 2 }))).toEqual(['statistics durable']);
  await store.told(DAY, 'crm', { 5: 1, 60: 1 });
  await store.stopReason('2026-03-04', 'jmf', 'email', 'too_often');
  expect(await store.since('2026-03-01')).toEqual([
    { day: DAY, denials: { form: 3 }, grants: { api: 1 }, told: { crm: { 5: 3, 60: 1 } }, reasons: {} },
    { day: '2026-03-04', denials: {}, grants: {}, told: {}, reasons: { too_often: { 'jmf email': 1 } } },
  ]);
  expect((await store.since('2026-03-04')).length).toBe(1);
});
