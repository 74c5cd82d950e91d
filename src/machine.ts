import { randomBytes } from 'node:crypto';
import type { Machine } from './core/machine.js';

/** The machine that this process really runs on. */
export const machine: Machine = {
  now: Date.now,
  elapsed: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    return {
      cancel: () => clearTimeout(timer),
      unref: () => {
        timer.unref();
      },
    };
  },
  yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
  randomBytes,
  random: Math.random,
};
