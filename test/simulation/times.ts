import type { WorkerTimes } from '../../src/sync/task.js';

/**
 * The worker's times (ms), a fifth to a tenth of those of the product, in the same order: a lease ends in a simulated minute
 * several times, and a seed costs less.
 */
export const SIMULATED_TIMES: WorkerTimes = {
  lease: 5000,
  deadline: 2000,
  reassertAfter: 4000,
  firstRetry: 400,
  maxRetry: 2500,
  credentialPause: 3000,
};
/** Between looks (ms) of the loops. */
export const SWEEP_MS = 2000;
/** Between rounds (ms) of the sealer and of the change feed. */
export const SEAL_MS = 2000;
