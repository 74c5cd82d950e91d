import type { Machine } from '../../src/core/machine.js';
import type { Owner, World } from './world.js';

/** What the clock of one process says: it may be ahead or behind, and may jump. */
export interface WrongClock {
  /** ms */
  ahead: number;
}

/** The machine of a simulated process: time and chance are the world's. */
export function simulatedMachine(world: World, owner: Owner, clock: WrongClock): Machine {
  const startedAt = world.now() - 1_000_000;
  return {
    now: () => Math.floor(world.now() + clock.ahead),
    elapsed: () => world.now() - startedAt,
    after(ms, call) {
      let isOff = false;
      // A timer is never early, and often a little late.
      world.after(ms + world.random(), owner, () => {
        if (!isOff) call();
      });
      return {
        cancel: () => {
          isOff = true;
        },
        unref: () => undefined,
      };
    },
    yieldTurn: () => new Promise((resolve) => world.after(0, owner, resolve)),
    randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => world.integer(256))),
    random: world.random,
  };
}
