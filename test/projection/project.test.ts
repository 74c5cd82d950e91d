import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { contactKeyFromText } from '../../src/core/keys.js';
import type { createLedger } from '../../src/store/ledger.js';
import { type Hush, startHush } from '../support/hush.js';
import { until as eventually } from '../support/until.js';

let first: Hush;
let second: Hush;

beforeAll(async () => {
  first = await startHush({ sweepMs: 100 });
  second = await startHush({ from: first, sweepMs: 100 });
});
afterAll(async () => {
  await second?.stop(true);
  await first?.stop();
});

const TYPES = ['opted_out', 'opted_in', 'paused', 'objected', 'profile'] as const;
const until = (type: string) => (type === 'paused' ? { until: '2031-01-01T00:00:00Z' } : {});
const event = (email: string, n: number) => {
  const type = TYPES[n % TYPES.length] ?? 'opted_out';
  return {
    contact: { email },
    type,
    ...(type === 'profile' ? { relationship: 'customer' } : { scope: { brand: 'jmf', purpose: 'promotion' } }),
    ...until(type),
    source: { kind: 'api' },
  };
};

async function projected(): Promise<void> {
  await eventually(async () => {
    await Promise.all([first.settle(), second.settle()]);
    return (await first.hush.stores.contacts.backlog()).count === 0;
  });
}

test('two nodes that write to and project the same contacts leave no gap, no repeat, and the state of the ledger', async () => {
  const names = Array.from({ length: 25 }, (_, n) => `both${n}@example.com`);
  const ids = new Map<string, Set<string>>(names.map((name) => [name, new Set()]));
  const keys = new Map<string, string>();
  const write = async (hush: Hush, round: number) => {
    const { accepted } = await hush.ask<{ accepted: { index: number; id: string; contact: string }[] }>('/v1/events', {
      events: names.map((name, n) => event(name, n + round)),
    });
    for (const { index, id, contact } of accepted) {
      ids.get(names[index] ?? '')?.add(id);
      keys.set(names[index] ?? '', contact);
    }
  };
  for (let round = 0; round < 12; round++) await Promise.all([write(first, round), write(second, round + 1)]);
  await projected();
  for (const name of names) {
    const key = contactKeyFromText(keys.get(name) ?? '') ?? Buffer.alloc(0);
    const ledger = await first.hush.stores.ledger.ofContact(key);
    expect([name, ledger.map(({ number }) => number)]).toEqual([name, Array.from({ length: 24 }, (_, n) => n + 1)]);
    expect(new Set(ledger.map((entry) => `e_${entry.event.id}`))).toEqual(ids.get(name));
    const stored = await first.hush.stores.contacts.get(key);
    expect([name, stored?.entries, stored?.pending]).toEqual([name, 24, []]);
    const folded = fold(
      EMPTY_STATE,
      ledger.map((entry) => entry.event),
    );
    expect([name, stored?.state.atoms]).toEqual([name, folded.atoms]);
  }
});

test('what a projector had moved before it was killed keeps its numbers, and what it left out is filled in', async () => {
  const { hush } = first;
  const email = 'interrupted@example.com';
  const [before] = (await first.ask<{ accepted: { contact: string }[] }>('/v1/events', { events: [event(email, 0)] }))
    .accepted;
  await projected();
  const key = contactKeyFromText(before?.contact ?? '') ?? Buffer.alloc(0);
  await Promise.all([first.hush.projection.stop(), second.hush.projection.stop()]);
  await first.ask('/v1/events', { events: Array.from({ length: 5 }, (_, n) => event(email, n)) });
  const pending = (await hush.stores.contacts.get(key))?.pending ?? [];
  expect(pending).toHaveLength(5);
  // As a process leaves it that dies in the middle of its insert: the third and fifth of five are there.
  const moved = [pending[2], pending[4]].flatMap((one) => (one ? [one] : []));
  const ledger: ReturnType<typeof createLedger> = hush.stores.ledger;
  await ledger.insert(moved.map((one, at) => ({ key, number: at === 0 ? 4 : 6, event: one })));
  await hush.projector.project([key]);
  const entries = await ledger.ofContact(key);
  expect(entries.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(entries[3]?.event.id).toBe(pending[2]?.id);
  expect(entries[5]?.event.id).toBe(pending[4]?.id);
  expect(await hush.stores.contacts.get(key)).toMatchObject({ entries: 6, pending: [] });
});
