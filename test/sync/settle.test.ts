import { describe, expect, test } from '@jest/globals';
import type { PendingSync, SyncedState } from '../../src/core/sync-state.js';
import type { Contact } from '../../src/store/contacts.js';
import { attemptOf, settlementOf } from '../../src/sync/settle.js';
import { createTask, type Task, WORKER_TIMES } from '../../src/sync/task.js';

const NOW = 1_777_000_000_000;
const KEY = Buffer.alloc(16, 1);
const parts = { now: NOW, configuration: 'now', times: WORKER_TIMES, random: () => 0 };
const bindings = [
  { name: 'offers', scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' }, target: {} },
] as const;
const suppressed = { offers: { suppressed: true, at: NOW - 9, status: 'in_force' } } as const;

function task(
  allowed: boolean,
  { pendingSync, synced }: { pendingSync?: Partial<PendingSync>; synced?: Partial<SyncedState> } = {},
): Task {
  const known = synced && { mailer: { version: 1, configuration: 'before', bindings: {}, ...synced } };
  return createTask({
    name: 'mailer',
    contact: { key: KEY, type: 'email', synced: known ?? {} } as unknown as Contact,
    pendingSync: { destination: 'mailer', version: 7, due: 0, since: 0, ...pendingSync },
    address: 'ana@example.com',
    desired: new Map([['offers', { allowed, reason: allowed ? 'not_objected' : 'opted_out' }]]),
    now: NOW,
    times: WORKER_TIMES,
  });
}
const settled = (one: Task, outcome: Task['outcome'], more: Partial<Task> = {}) =>
  settlementOf(Object.assign(one, { outcome }, more), parts);

describe('before the first call', () => {
  test('every binding that will be called is uncertain, and the state that is attempted is known', () => {
    expect(attemptOf(task(false), { name: 'mailer', bindings }, parts)).toEqual({
      key: KEY,
      pendingSync: { release: false, uncertainBindings: ['offers'], attempted: 'offers=1' },
    });
    const nothing = attemptOf(task(false, { synced: { bindings: suppressed } }), { name: 'mailer', bindings }, parts);
    expect(nothing.pendingSync.uncertainBindings).toEqual([]);
  });

  test('the beginning of a lift is noted beside what was synced before', () => {
    const { synced } = attemptOf(task(true, { synced: { bindings: suppressed } }), { name: 'mailer', bindings }, parts);
    expect(synced).toEqual({ version: 1, configuration: 'before', bindings: suppressed, liftedAt: NOW });
  });
});

describe('after the calls', () => {
  test('what was synced is cleared at its version', () => {
    expect(settled(task(false, { synced: { bindings: suppressed } }), 'synced')).toEqual({
      key: KEY,
      synced: { bindings: suppressed, version: 7, configuration: 'now' },
      clearVersion: 7,
      evaluatedUnder: null,
      evaluateAgain: true,
      pendingSync: { due: NOW, release: true, uncertainBindings: [], reassert: false, failures: 0 },
    });
  });

  test.each([
    ['synced', 2000],
    ['parked', WORKER_TIMES.maxRetry],
  ] as const)('what another configuration has bindings for stays pending though it was %s', (outcome, wait) => {
    const { clearVersion, pendingSync } = settled(task(false), outcome, { isSuperseded: true });
    expect(clearVersion).toBeUndefined();
    expect(pendingSync).toMatchObject({ release: true, due: NOW + wait });
  });

  test('what is parked is cleared, and remembered with the state that was refused', () => {
    const { clearVersion, synced } = settled(task(false), 'parked', { why: 'no such mailbox' });
    expect(clearVersion).toBe(7);
    expect(synced?.parked).toEqual({ desired: 'offers=1', why: 'no such mailbox', at: NOW });
  });

  test('what is held stays pending and is due soon; it counts as no failure', () => {
    const { clearVersion, pendingSync } = settled(task(false), 'held');
    expect(clearVersion).toBeUndefined();
    expect(pendingSync).toEqual({ due: NOW + 200, release: true, uncertainBindings: [] });
  });

  test('what is unknown stays pending: when the provider says, or later with each failure', () => {
    expect(settled(task(false), 'unknown', { wait: 7000 }).pendingSync).toMatchObject({ due: NOW + 7000, failures: 1 });
    const { pendingSync } = settled(task(false, { pendingSync: { failures: 3 } }), 'unknown');
    expect(pendingSync.failures).toBe(4);
    expect(pendingSync.due).toBeGreaterThan(NOW + 1000);
    expect(pendingSync.due).toBeLessThanOrEqual(NOW + WORKER_TIMES.maxRetry * 1.5);
  });

  test('a denial within an hour of a lift is asserted once more, when the lift must have landed', () => {
    const liftedAt = NOW - 1000;
    const first = settled(task(false, { synced: { bindings: suppressed, liftedAt } }), 'synced');
    expect(first.clearVersion).toBeUndefined();
    expect(first.pendingSync).toMatchObject({
      reassert: true,
      failures: 0,
      due: liftedAt + WORKER_TIMES.reassertAfter + 1,
    });
    const landed = NOW - WORKER_TIMES.reassertAfter - 1;
    const pendingSync = { reassert: true };
    expect(
      settled(task(false, { pendingSync, synced: { bindings: suppressed, liftedAt: landed } }), 'synced').clearVersion,
    ).toBe(7);
    expect(
      settled(task(false, { synced: { bindings: suppressed, liftedAt: NOW - 3_600_000 } }), 'synced').clearVersion,
    ).toBe(7);
    expect(settled(task(true, { synced: { liftedAt } }), 'synced').clearVersion).toBe(7);
  });

  test('a call whose outcome was never learned may land too: the state is asserted until it must have', () => {
    const stalled = { at: NOW - 1000, desired: 'offers=0' };
    const first = settled(task(false, { synced: { bindings: suppressed, stalled } }), 'synced');
    expect(first.pendingSync).toMatchObject({ reassert: true, due: NOW - 1000 + WORKER_TIMES.reassertAfter + 1 });
    expect(first.synced?.stalled).toEqual(stalled);
    const landed = { ...stalled, at: NOW - WORKER_TIMES.reassertAfter - 1 };
    const pendingSync = { reassert: true };
    const last = settled(task(false, { pendingSync, synced: { bindings: suppressed, stalled: landed } }), 'synced');
    expect(last.clearVersion).toBe(7);
    expect(last.synced).not.toHaveProperty('stalled');
  });
});
