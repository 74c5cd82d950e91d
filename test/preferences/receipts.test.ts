import { describe, expect, test } from '@jest/globals';
import type { PendingSync, SyncedState } from '../../src/core/sync-state.js';
import { bindingStatus } from '../../src/preferences/receipts.js';

const AT = 1_777_000_000_000;
const event = { recorded: AT * 1024 };
const offers = { destination: 'mailer', name: 'offers' };
const synced = (at: number, more: Partial<SyncedState> = {}): Record<string, SyncedState> => ({
  mailer: {
    version: 1,
    configuration: '',
    bindings: { offers: { suppressed: true, at, status: 'accepted' } },
    ...more,
  },
});
const waiting: PendingSync = { destination: 'mailer', version: 2, due: AT, since: AT };

describe('what a binding knows of an event', () => {
  test('is nothing until the projector has seen it, and waits while the sync is pending', () => {
    const nothing = { pendingSyncs: [], synced: {} };
    const unknown = { destination: 'mailer', binding: 'offers', suppressed: false };
    expect(bindingStatus(nothing, event, offers, true)).toEqual({ ...unknown, status: 'waiting' });
    expect(bindingStatus(nothing, event, offers, false)).toEqual({ ...unknown, status: 'in_force' });
    expect(bindingStatus({ pendingSyncs: [waiting], synced: {} }, event, offers, false)).toEqual({
      ...unknown,
      status: 'waiting',
    });
  });

  test('is what was synced since the event, or before it where nothing more is pending', () => {
    const known = { destination: 'mailer', binding: 'offers', suppressed: true, status: 'accepted' };
    const since = { pendingSyncs: [waiting], synced: synced(AT) };
    expect(bindingStatus(since, event, offers, false)).toEqual({ ...known, at: AT });
    const before = { pendingSyncs: [waiting], synced: synced(AT - 1) };
    expect(bindingStatus(before, event, offers, false).status).toBe('waiting');
    const asserted = { pendingSyncs: [{ ...waiting, reassert: true }], synced: synced(AT - 1) };
    expect(bindingStatus(asserted, event, offers, false)).toEqual({ ...known, at: AT - 1 });
  });

  test('is parked where the provider refuses the address', () => {
    const parked = { desired: 'offers=1', why: 'refused', at: AT + 5 };
    expect(bindingStatus({ pendingSyncs: [waiting], synced: synced(AT, { parked }) }, event, offers, false)).toEqual({
      destination: 'mailer',
      binding: 'offers',
      suppressed: true,
      status: 'parked',
      at: AT + 5,
    });
  });
});
