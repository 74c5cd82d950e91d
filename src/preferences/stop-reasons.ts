import { createHmac } from 'node:crypto';
import { utcDay } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import type { Channel } from '../core/scope.js';
import { withTimeout } from '../store/connect.js';
import type { StaffStatistics } from '../store/staff-statistics.js';
import type { Tickets } from '../store/tickets.js';

/** Longer (ms) than the page that asks can be shown. */
const REMEMBERED_FOR = 3_600_000;

/**
 * Counts why people stopped, and keeps nothing of who did: one number for each day, brand, channel and reason. That a stop
 * has been answered for is remembered for an hour under a keyed hash of its receipt, apart from the answer.
 */
export function createStopReasons(parts: {
  readonly statistics: Pick<StaffStatistics, 'stopReason'>;
  readonly tickets: Pick<Tickets, 'useOnce'>;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Pick<Machine, 'after'>;
}) {
  const { statistics, tickets, keyring, clock, machine } = parts;
  return {
    /** Counts the first answer for a stop. Throws what the store throws. */
    async count(stop: { receipt: string; brand: string; channel: Channel | '*' }, reason: string): Promise<void> {
      const once = createHmac('sha256', keyring.lookup).update(`stop-reason:${stop.receipt}`).digest('base64url');
      const now = clock.now();
      if (!(await withTimeout(machine, tickets.useOnce(once, now + REMEMBERED_FOR)))) return;
      await withTimeout(machine, statistics.stopReason(utcDay(now), stop.brand, stop.channel, reason));
    },
  };
}

export type StopReasons = ReturnType<typeof createStopReasons>;
