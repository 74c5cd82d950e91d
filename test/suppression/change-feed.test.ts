import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../src/core/keys.js';
import { type Hush, startHush } from '../support/hush.js';

const time = { now: Date.parse('2026-06-15T15:00:00Z') };
let hush: Hush;
let other: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], machineTime: () => time.now });
  other = await startHush({ destinations: [], from: hush, machineTime: () => time.now });
  // The test says when events are projected and changes numbered.
  for (const { hush: parts } of [hush, other]) await Promise.all([parts.projection.stop(), parts.feed.stop()]);
});
afterAll(async () => {
  await other?.stop(true);
  await hush?.stop();
});

async function say(email: string, type: string, more: object = {}): Promise<Buffer> {
  time.now += 1000;
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
    events: [{ contact: { email }, type, source: { kind: 'api' }, ...more }],
  });
  return contactKeyFromText(accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
}

async function numbered(key: Buffer): Promise<number> {
  const { changes } = await hush.hush.stores.changes.after(undefined, 10_000);
  return changes.filter(({ contact }) => contact.equals(key)).length;
}

/** The contact as it waits for its number. */
const isWaiting = async (key: Buffer): Promise<boolean> =>
  (await hush.hush.stores.contacts.unnumbered(1000)).some((change) => change.key.equals(key));

/** Gives numbers to what waits, as the feed's leader does. */
async function numberAll(): Promise<void> {
  const { changes, contacts } = hush.hush.stores;
  const waiting = await contacts.unnumbered(1000);
  if (waiting.length === 0) return;
  const last = await changes.last();
  const epoch = '00000001';
  const list = waiting.map(({ key, feed, scopes }) => ({ key, version: feed, at: new Date(time.now), scopes }));
  expect(await changes.add({ number: last + 1, epoch }, list)).toBe(true);
  await changes.publish({ number: last + list.length, epoch });
  await contacts.numbered(waiting);
}

test('a change that the sweep, the own loop and another process project one after the other has one number', async () => {
  const key = await say('once@example.com', 'opted_out');
  for (const { hush: parts } of [hush, other, hush, other]) {
    await parts.projector.project([key]);
    await numberAll();
  }
  expect(await numbered(key)).toBe(1);
  await say('once@example.com', 'opted_in');
  for (const { hush: parts } of [other, hush]) {
    await parts.projector.project([key]);
    await numberAll();
  }
  expect(await numbered(key)).toBe(2);
});

test('a writer’s retry is no change', async () => {
  const key = await say('retry@example.com', 'opted_out', { id: 'one' });
  await hush.hush.projector.project([key]);
  await numberAll();
  await say('retry@example.com', 'opted_out', { id: 'one' });
  await hush.hush.projector.project([key]);
  expect((await hush.hush.stores.contacts.get(key))?.pending).toEqual([]);
  expect([await isWaiting(key), await numbered(key)]).toEqual([false, 1]);
});

test('what time changes has a number, once', async () => {
  const until = new Date(time.now + 3_600_000).toISOString();
  const key = await say('paused@example.com', 'paused', { until });
  await hush.hush.projector.project([key]);
  await numberAll();
  time.now += 3_700_000;
  expect(await hush.hush.stores.contacts.awake(time.now, 100)).toContainEqual(key);
  for (const { hush: parts } of [hush, other]) {
    await parts.projector.project([key]);
    await numberAll();
  }
  expect(await numbered(key)).toBe(2);
});
