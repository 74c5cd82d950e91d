import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createRetention } from '../../src/audit/retention.js';
import { addMonths } from '../../src/core/calendar.js';
import { createTrailStore, type TrailStore } from '../../src/store/audit-trail.js';
import { type Installation, openInstallation, silent } from './installation.js';

let hush: Installation;
let trail: TrailStore;
beforeEach(async () => {
  hush = await openInstallation();
  trail = createTrailStore(hush.connection);
  for (const model of trail.models) await model.createIndexes();
});
afterEach(() => hush.close());

const retentionOf = (auditTrailMonths: number) =>
  createRetention({ trail, policy: { auditTrailMonths }, clock: hush.clock, log: silent });
const add = (at: number) =>
  trail.add({ at: new Date(at), user: 'u', name: 'U', roles: ['agent'], kind: 'look', what: 'person' });
const times = async () => (await trail.list({}, 0, 100)).map(({ at }) => at.getTime());

test('what staff did goes after the months of the policy, to the day, and not before', async () => {
  const now = hush.time.now;
  const edge = addMonths(now, -24);
  await Promise.all([add(edge - 1), add(edge), add(now), add(addMonths(now, -30))]);
  await retentionOf(24)();
  expect((await times()).sort()).toEqual([edge, now]);
  await retentionOf(25)();
  expect((await times()).length).toBe(2);
});

test('more than a batch goes in one look, and the next look is an hour later', async () => {
  const old = addMonths(hush.time.now, -40);
  await hush.connection
    .collection('audit_trail')
    .insertMany(
      Array.from({ length: 2500 }, (_, n) => ({ at: new Date(old + n), user: 'u', kind: 'look', what: 'x' })),
    );
  const retain = retentionOf(24);
  await retain();
  expect(await trail.count({})).toBe(0);
  await add(old);
  await retain();
  expect(await trail.count({})).toBe(1);
  hush.time.now += 3_600_001;
  await retain();
  expect(await trail.count({})).toBe(0);
});
