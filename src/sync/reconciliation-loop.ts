import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import { backoff } from '../core/backoff.js';
import type { Clock } from '../core/clock.js';
import { createScheduler } from '../scheduler.js';
import type { DestinationStates } from '../store/destination-states.js';
import { type Leader, whileLeading } from '../store/leader.js';
import type { Reconciled, Reconciliation, Reconciliations } from '../store/reconciliations.js';
import { driftOf, totalsOf } from './compare.js';
import type { BoundDestination } from './destination.js';
import { ProviderError } from './provider-error.js';
import type { ReconciliationSteps } from './reconciliation.js';

const HOUR = 3_600_000;
const RETRIES = { firstMs: 2_000, maxMs: 10 * 60_000 };
/** How long (ms) a destination with bad credentials is left alone. */
const CREDENTIAL_PAUSE = 60_000;

/** When the schedule wants the next run (ms); undefined without a schedule. */
export function nextRun(bound: BoundDestination, known: Reconciled): number | undefined {
  if (bound.reconcileHours === undefined) return undefined;
  // What a list held before we came is wanted at once; denials that were just told need not be said again.
  if (!known.last) return bound.destination.readBack ? 0 : (known.since ?? 0) + bound.reconcileHours * HOUR;
  return known.last.startedAt + bound.reconcileHours * HOUR;
}

/**
 * Runs reconciliations: those asked for, those that are due, and those that a process left. One run a destination across
 * processes; where it was left off is in the store after every page.
 */
export function createReconciliationLoop(parts: {
  readonly destinations: readonly BoundDestination[];
  readonly reconciliations: Reconciliations;
  readonly steps: ReconciliationSteps;
  readonly states: DestinationStates;
  readonly leaderFor: (name: string) => Leader;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onFound: (destination: string, found: Readonly<Record<string, number>>) => void;
  readonly intervalMs?: number;
}) {
  const { reconciliations, steps, states, clock, log } = parts;
  const leaders = new Map(parts.destinations.map(({ name }) => [name, parts.leaderFor(`reconciliation:${name}`)]));
  const loop = createScheduler({
    log,
    everyMs: parts.intervalMs ?? 2000,
    tasks: Object.fromEntries(
      parts.destinations.map((bound) => [`reconciliation of ${bound.name}`, () => advance(bound)]),
    ),
  });

  function wantedNow(bound: BoundDestination, known: Reconciled): Pick<Reconciliation, 'dryRun' | 'by'> | undefined {
    if (known.requested) return known.requested;
    const due = nextRun(bound, known);
    return due !== undefined && due <= clock.now() ? { dryRun: false, by: 'schedule' } : undefined;
  }

  async function afterFault({ name }: BoundDestination, run: Reconciliation, error: unknown): Promise<Reconciliation> {
    const now = clock.now();
    const failures = run.failures + 1;
    const wait = backoff(failures, RETRIES);
    if (!(error instanceof ProviderError)) {
      log.warn({ err: error, destination: name }, 'a step of a reconciliation failed; it is taken again');
      return { ...run, failures, dueAt: now + wait, why: 'a step failed; see the log' };
    }
    const why = error.message;
    switch (error.fault) {
      case 'rate_limited': {
        const dueAt = now + (error.retryAfter ?? 1) * 1000;
        await states.waitUntil(name, dueAt);
        return { ...run, dueAt };
      }
      case 'credentials':
        await states.fault(name, 'credentials', why, now);
        await states.waitUntil(name, now + CREDENTIAL_PAUSE);
        log.error({ destination: name }, 'the destination refuses our credentials; its list is not read');
        return { ...run, failures, dueAt: now + CREDENTIAL_PAUSE, why };
      case 'refused': {
        // A place in a list that the provider no longer knows: this list is read from its beginning.
        const { cursor: _cursor, ...rest } = run;
        return { ...rest, failures, dueAt: now + wait, why };
      }
      case 'unavailable':
        return { ...run, failures, dueAt: now + (error.retryAfter ?? wait / 1000) * 1000, why };
    }
  }

  async function taken(bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
    try {
      const next = await steps.step(bound, run);
      if (run.failures > 0) await states.clearError(bound.name);
      return next;
    } catch (error) {
      return afterFault(bound, run, error);
    }
  }

  async function finish(bound: BoundDestination, run: Reconciliation): Promise<void> {
    const totals = totalsOf(run.found);
    if (!run.dryRun) parts.onFound(bound.name, totals);
    log.info(
      { destination: bound.name, dryRun: run.dryRun, drift: driftOf(totals), found: totals },
      'reconciliation finished',
    );
    await reconciliations.forget(run.run);
  }

  /** Goes on until the run is done, must wait, or is somebody else's. */
  async function advance(bound: BoundDestination): Promise<void> {
    if (bound.reconcileHours !== undefined) await reconciliations.notice(bound.name, clock.now());
    const known = await reconciliations.get(bound.name);
    const isOpen = known.current !== undefined && known.current.phase !== 'done';
    const leader = leaders.get(bound.name);
    if (leader && (isOpen || wantedNow(bound, known))) await whileLeading(leader, (leads) => run(bound, leads));
  }

  async function run(bound: BoundDestination, leads: () => boolean): Promise<void> {
    const known = await reconciliations.get(bound.name);
    let at = known.current;
    if (!at || at.phase === 'done') {
      const wanted = wantedNow(bound, known);
      if (!wanted) return;
      at = await steps.begin(bound, randomBytes(8).toString('hex'), wanted);
      if (!(await reconciliations.begin(bound.name, at))) return;
    }
    while (at.phase !== 'done' && !loop.isStopped() && leads()) {
      const state = await states.get(bound.name);
      const now = clock.now();
      if (state.paused || (state.waitUntil ?? 0) > now || at.dueAt > now) return;
      const next: Reconciliation = { ...(await taken(bound, at)), step: at.step + 1 };
      at = next.phase === 'done' ? { ...next, finishedAt: clock.now() } : next;
      if (!(await reconciliations.save(bound.name, at))) return;
      if (at.phase === 'done') await finish(bound, at);
    }
  }

  return {
    /** Advances every destination as far as it goes now. */
    once: loop.runOnce,
    start: loop.start,
    stop: loop.stop,
  };
}

export type ReconciliationLoop = ReturnType<typeof createReconciliationLoop>;
