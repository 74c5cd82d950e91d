import type { Machine } from '../core/machine.js';
import type { SyncContext } from './context.js';
import type { BoundDestination } from './destination.js';
import { hasWholeCopies } from './list-copies.js';
import { createPace, type Pace } from './pace.js';
import { UNTIL_RESUMED } from './provider-error.js';
import { syncRound } from './round.js';
import { WORKER_TIMES, type WorkerTimes } from './task.js';

/**
 * Round after round, until nothing is due, or the destination waits.
 *
 * @param tried destinations that this process has worked on. One that stands until somebody resumes it is tried once by a
 * process that starts: its configuration may be another one.
 */
async function syncUntilDone(context: SyncContext, bound: BoundDestination, tried: Set<string>): Promise<void> {
  const { states, clock, stopping } = context;
  while (!stopping.aborted) {
    const { paused, waitUntil = 0 } = await states.get(bound.name);
    if (paused) return;
    if (waitUntil === UNTIL_RESUMED && !tried.has(bound.name)) await states.waitUntil(bound.name, 0);
    else if (waitUntil > clock.now()) return;
    tried.add(bound.name);
    if (!(await hasWholeCopies(context, bound))) return;
    if ((await syncRound(context, bound)) === 0) return;
  }
}

/** Paces of the destinations whose calls the catalog limits. */
function createPaces(machine: Machine): (bound: BoundDestination, signal: AbortSignal) => Promise<void> {
  const paces = new Map<string, Pace>();
  return async ({ name, callsPerSecond }, signal) => {
    if (callsPerSecond === undefined) return;
    const pace = paces.get(name) ?? createPace(machine, callsPerSecond);
    paces.set(name, pace);
    await pace(signal);
  };
}

/** Syncs destinations: one run a destination and process at a time. */
export function createSyncWorker(
  parts: Omit<SyncContext, 'times' | 'stopping' | 'pace'> & { readonly times?: Partial<WorkerTimes> | undefined },
) {
  const stopping = new AbortController();
  const pace = createPaces(parts.machine);
  const context = { ...parts, times: { ...WORKER_TIMES, ...parts.times }, stopping: stopping.signal, pace };
  const running = new Map<string, Promise<void>>();
  const tried = new Set<string>();

  return {
    /** Works on a destination until nothing is due. */
    work(bound: BoundDestination): Promise<void> {
      const current = running.get(bound.name);
      if (current) return current;
      const started = syncUntilDone(context, bound, tried)
        .catch((error: unknown) =>
          parts.log.warn({ err: error, destination: bound.name }, 'sync round failed; it is taken up again'),
        )
        .finally(() => running.delete(bound.name));
      running.set(bound.name, started);
      return started;
    },
    /** Aborts calls in flight; their outcome is unknown and the pending syncs say so. */
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all(running.values());
    },
    /** Waits until another call may be made to a destination under the catalog's ceiling. */
    pace,
  };
}

export type SyncWorker = ReturnType<typeof createSyncWorker>;
