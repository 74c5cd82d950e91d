import type { Machine } from '../core/machine.js';
import { ProviderError } from './provider-error.js';

/** Resolves when the next call may be made; fails when `signal` says that it is too late for one. */
export type Pace = (signal: AbortSignal) => Promise<void>;

/**
 * Waits so that calls stay under a provider's limit. Without it a batch of one call an address runs into the limit, is
 * sent again from its beginning, and never ends. One pace a process: leave room where several run.
 */
export function createPace(machine: Pick<Machine, 'after' | 'elapsed'>, perSecond: number): Pace {
  const gap = 1000 / perSecond;
  let next = 0;
  return async (signal) => {
    const now = machine.elapsed();
    const mine = Math.max(next, now);
    next = mine + gap;
    if (mine <= now) return;
    await new Promise<void>((resolve, reject) => {
      const late = () => {
        timer.cancel();
        reject(new ProviderError('unavailable', 'no answer before the deadline'));
      };
      const timer = machine.after(mine - now, () => {
        signal.removeEventListener('abort', late);
        resolve();
      });
      if (signal.aborted) late();
      else signal.addEventListener('abort', late, { once: true });
    });
  };
}
