import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Contacts } from '../../src/store/contacts.js';
import { keyOf, openContacts, optOut, pendingSync, projection } from './contact-setting.js';
import type { StoreSetting } from './setting.js';

let setting: StoreSetting;
let contacts: Contacts;
beforeAll(async () => {
  ({ setting, contacts } = await openContacts());
});
afterAll(() => setting?.close());

const take = (owner: string, now: number) => contacts.lease('crm', owner, now, now + 1000, 10);

test('a pending sync is leased to one worker, what was just said before a backfill', async () => {
  await contacts.append([optOut(1), optOut(2)]);
  await contacts.project([
    projection(1, { pendingSyncs: [{ ...pendingSync(), backfill: true }] }),
    projection(2, { pendingSyncs: [pendingSync()] }),
  ]);
  expect(await contacts.waiting('crm')).toEqual({ count: 2, backfill: 1, oldest: 1000 });
  expect([await contacts.isDue('crm', 999), await contacts.isDue('crm', 1000)]).toEqual([false, true]);
  expect((await contacts.lease('crm', 'one', 1000, 2000, 1)).map(({ key }) => key)).toEqual([keyOf(2)]);
  expect((await take('two', 1000)).map(({ key }) => key)).toEqual([keyOf(1)]);
  expect(await take('three', 1000)).toEqual([]);
});

test('a worker settles what it has; what moved on meanwhile stays pending', async () => {
  const bindings = { news: { suppressed: true, at: 1, status: 'accepted' as const } };
  const synced = { bindings, version: 1, configuration: 'one' };
  const settlement = (n: number) => ({
    key: keyOf(n),
    synced,
    clearVersion: 1,
    pendingSync: { release: true, due: 3000 },
  });
  const writes = await setting.writesOf(() => contacts.settle('crm', 'one', [settlement(1), settlement(2)]));
  expect(new Set(writes)).toEqual(new Set(['contacts durable']));
  expect((await contacts.get(keyOf(2)))?.pendingSyncs).toEqual([]);
  expect((await contacts.get(keyOf(2)))?.synced).toEqual({ crm: synced });
  expect((await contacts.get(keyOf(1)))?.pendingSyncs).toMatchObject([{ leaseOwner: 'two' }]);
  await contacts.settle('crm', 'two', [
    { key: keyOf(1), pendingSync: { release: true, due: 3000, uncertainBindings: ['news'], failures: 1 } },
  ]);
  expect((await contacts.get(keyOf(1)))?.pendingSyncs).toEqual([
    { ...pendingSync(), due: 3000, backfill: true, uncertainBindings: ['news'], failures: 1 },
  ]);
  expect(await contacts.countSynced('crm')).toBe(1);
});

test('a comparison makes a sync pending; a job that is done is in force', async () => {
  await contacts.markPending('crm', ['news', 'calls'], [keyOf(1), keyOf(2)], 5000);
  const uncertain = async (n: number) => (await contacts.get(keyOf(n)))?.pendingSyncs[0]?.uncertainBindings;
  expect([await uncertain(1), await uncertain(2)]).toEqual([
    ['news', 'calls'],
    ['news', 'calls'],
  ]);
  await contacts.confirmSynced('crm', 'news', [keyOf(1), keyOf(2)]);
  expect((await contacts.get(keyOf(2)))?.synced.crm?.bindings.news?.status).toBe('in_force');
  for (const row of await contacts.models[0].find()) await expect(row.validate()).resolves.toBeUndefined();
});

test('a worker clears what it sent under another configuration only if nothing was evaluated since, and that is done again', async () => {
  await contacts.append([optOut(3)]);
  await contacts.project([projection(3, { pendingSyncs: [pendingSync()] })]);
  const [leased] = await contacts.lease('crm', 'one', 1000, 2000, 10);
  const settled = async (evaluatedUnder: string | null) => {
    await contacts.settle('crm', 'one', [
      { key: keyOf(3), clearVersion: 1, evaluatedUnder, evaluateAgain: true, pendingSync: { release: false } },
    ]);
    const contact = await contacts.get(keyOf(3));
    return [contact?.pendingSyncs.length, contact?.configuration];
  };
  const under = leased?.configuration ?? '';
  expect(await settled('another')).toEqual([1, under]);
  expect(await settled(null)).toEqual([1, under]);
  expect(await settled(under)).toEqual([0, undefined]);
  expect(await contacts.outdated(under, 10)).toContainEqual(keyOf(3));
});
