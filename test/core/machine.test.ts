import { expect, test } from '@jest/globals';
import { abortAfter, leaseOwner, sleep } from '../../src/core/machine.js';

/** Timers that end when the test says so. */
function heldTimers() {
  const held: { ms: number; call: () => void; isUnrefed: boolean }[] = [];
  return {
    held,
    after(ms: number, call: () => void) {
      const timer = { ms, call, isUnrefed: false };
      held.push(timer);
      return {
        cancel: () => undefined,
        unref: () => {
          timer.isUnrefed = true;
        },
      };
    },
  };
}

test('sleep ends with its timer', async () => {
  const { held, after } = heldTimers();
  let isOver = false;
  const slept = sleep({ after }, 250).then(() => {
    isOver = true;
  });
  await Promise.resolve();
  expect([held[0]?.ms, isOver]).toEqual([250, false]);
  held[0]?.call();
  await slept;
  expect(isOver).toBe(true);
});

test('a signal aborts after its time as that of AbortSignal.timeout does, and keeps no process alive', () => {
  const { held, after } = heldTimers();
  const signal = abortAfter({ after }, 4000);
  expect([held[0]?.ms, held[0]?.isUnrefed, signal.aborted]).toEqual([4000, true, false]);
  held[0]?.call();
  expect([signal.aborted, signal.reason.name]).toEqual([true, 'TimeoutError']);
});

test('the owner of a lease is as random as its bytes', () => {
  const randomBytes = (size: number) => Buffer.alloc(size, 7);
  expect(leaseOwner({ randomBytes })).toBe('07'.repeat(12));
});
