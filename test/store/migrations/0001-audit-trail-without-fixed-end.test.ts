import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { machine } from '../../../src/machine.js';
import { createTrailStore } from '../../../src/store/audit-trail.js';
import { auditTrailWithoutFixedEnd } from '../../../src/store/migrations/0001-audit-trail-without-fixed-end.js';
import { openStoreSetting, type StoreSetting } from '../setting.js';

let setting: StoreSetting;
beforeAll(async () => {
  setting = await openStoreSetting();
});
afterAll(() => setting?.close());

test('an empty database has nothing to change', async () => {
  await auditTrailWithoutFixedEnd.run(setting.connection, machine);
});

test('the database no longer removes entries after a fixed time; the other indexes stay', async () => {
  const trail = setting.connection.collection('audit_trail');
  await trail.createIndex({ at: -1 }, { expireAfterSeconds: 60 });
  for (const model of createTrailStore(setting.connection).models) await model.createIndexes();
  const before = (await trail.indexes()).map(({ name }) => name);
  for (let times = 0; times < 2; times++) await auditTrailWithoutFixedEnd.run(setting.connection, machine);
  const after = await trail.indexes();
  expect(after.some(({ expireAfterSeconds }) => expireAfterSeconds !== undefined)).toBe(false);
  expect(after.map(({ name }) => name)).toEqual(before.filter((name) => name !== 'at_-1'));
});
