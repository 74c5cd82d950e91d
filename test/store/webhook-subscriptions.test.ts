import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createWebhookSubscriptions, type WebhookSubscriptions } from '../../src/store/webhook-subscriptions.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: WebhookSubscriptions;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createWebhookSubscriptions(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const subscription = {
  id: 'w',
  url: 'https://example.com/',
  createdAt: 1000,
  secret: Buffer.from('one'),
  position: { number: 3, epoch: 'abcd0123' },
  state: 'active' as const,
  failures: 0,
  dueAt: 0,
};
const next = { number: 5, epoch: 'ffff0000' };

test('a delivery is fixed before it is made, and moves the position on', async () => {
  expect(await setting.writesOf(() => store.insert(subscription))).toEqual(['webhook_subscriptions durable']);
  expect(await store.get('w')).toEqual(subscription);
  expect(await store.attempt('w', next, next)).toBe(false);
  expect(await store.attempt('w', subscription.position, next)).toBe(true);
  expect((await store.get('w'))?.upTo).toBe(5);
  expect(await store.delivered('w', subscription.position, next, 2000)).toBe(true);
  expect(await store.get('w')).toEqual({ ...subscription, position: next, lastDeliveredAt: 2000 });
});

test('failures are counted from the first one on, until it is enabled again', async () => {
  await store.failed('w', { error: '$reset', at: 3000, dueAt: 4000 });
  await store.failed('w', { error: 'refused', at: 5000, dueAt: 6000 });
  expect(await store.get('w')).toMatchObject({ failures: 2, failingSince: 3000, lastError: 'refused', dueAt: 6000 });
  await store.disable('w', 'gone', 7000);
  expect(await store.get('w')).toMatchObject({ state: 'disabled', disabledReason: 'gone' });
  await store.enable('w');
  await store.rotate('w', Buffer.from('two'), Buffer.from('one'), 9000);
  expect(await store.list()).toEqual([
    {
      ...subscription,
      position: next,
      lastDeliveredAt: 2000,
      secret: Buffer.from('two'),
      previousSecret: Buffer.from('one'),
      previousUntil: 9000,
    },
  ]);
  expect([await store.remove('w'), await store.count(), await store.remove('w')]).toEqual([true, 0, false]);
});

test('one of an older version stands at a change without an epoch', async () => {
  const { id, position, ...row } = subscription;
  await setting.put('webhook_subscriptions', { ...row, _id: id, cursor: position.number });
  expect((await store.get('w'))?.position).toEqual({ number: 3, epoch: '' });
  await store.replay('w', { number: 1, epoch: '' });
  expect((await store.get('w'))?.position).toEqual({ number: 1, epoch: '' });
});
