import type { Logger } from 'pino';
import { backoff } from '../core/backoff.js';
import { createScheduler } from '../scheduler.js';
import type { DestinationStates } from '../store/destination-states.js';
import { type Leader, whileLeading } from '../store/leader.js';
import type { Reconciled, Reconciliation } from '../store/reconciliations.js';
import { driftOf, totalsOf } from './compare.js';
import type { BoundDestination } from './destination.js';
import { ProviderError, UNTIL_RESUMED } from './provider-error.js';
import { beginRun, type ReconciliationContext, stepRun } from './reconciliation.js';

const HOUR_MS = 3_600_000;
const RETRIES = { firstMs: 2_000, maxMs: 10 * 60_000 };
/** How long (ms) a destination with bad credentials is left alone. */
const CREDENTIAL_PAUSE_MS = 60_000;
/** Between two looks (ms) for a run that is due. */
const EVERY_MS = 2000;

/** When the schedule wants the next run (ms); undefined without a schedule. */
export function nextRun(bound: BoundDestination, known: Reconciled): number | undefined {
  if (bound.reconcileHours === undefined) return undefined;
  // What a list held before us is read at once; denials that were just synced need not be asserted again.
  if (!known.last) return bound.destination.readBack ? 0 : (known.since ?? 0) + bound.reconcileHours * HOUR_MS;
  return known.last.startedAt + bound.reconcileHours * HOUR_MS;
}

interface LoopContext extends ReconciliationContext {
  readonly destinations: readonly BoundDestination[];
  readonly states: DestinationStates;
  readonly leaderFor: (name: string) => Leader;
  readonly log: Logger;
  readonly onFound: (destination: string, found: Readonly<Record<string, number>>) => void;
}

/** What is to be run now: what somebody asked for, or what the schedule wants. */
function wantedNow(
  bound: BoundDestination,
  known: Reconciled,
  now: number,
): Pick<Reconciliation, 'dryRun' | 'by'> | undefined {
  if (known.requested) return known.requested;
  const due = nextRun(bound, known);
  return due !== undefined && due <= now ? { dryRun: false, by: 'schedule' } : undefined;
}

/** The run after a step that failed: when it is tried again, and why it waits. */
async function afterFault(
  { states, clock, log }: LoopContext,
  { name }: BoundDestination,
  run: Reconciliation,
  error: unknown,
): Promise<Reconciliation> {
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
      await states.waitUntil(name, error.untilResumed ? UNTIL_RESUMED : now + CREDENTIAL_PAUSE_MS);
      log.error({ destination: name }, 'the destination refuses our credentials; its list is not read');
      return { ...run, failures, dueAt: now + CREDENTIAL_PAUSE_MS, why };
    case 'refused': {
      // A place in a list that the provider no longer knows: this list is read from its beginning.
      const { cursor: _cursor, ...rest } = run;
      return { ...rest, failures, dueAt: now + wait, why };
    }
    case 'unavailable':
      return { ...run, failures, dueAt: now + (error.retryAfter ?? wait / 1000) * 1000, why };
  }
}

async function tryStep(context: LoopContext, bound: BoundDestination, run: Reconciliation): Promise<Reconciliation> {
  try {
    const next = await stepRun(context, bound, run);
    if (run.failures > 0) await context.states.clearError(bound.name);
    return next;
  } catch (error) {
    return afterFault(context, bound, run, error);
  }
}

async function finishRun(
  { log, onFound, reconciliations }: LoopContext,
  { name }: BoundDestination,
  run: Reconciliation,
): Promise<void> {
  const totals = totalsOf(run.found);
  if (!run.dryRun) onFound(name, totals);
  log.info({ destination: name, dryRun: run.dryRun, drift: driftOf(totals), found: totals }, 'reconciliation finished');
  await reconciliations.forget(run.run);
}

/** Goes on with the run there is, or begins the one that is wanted, until it is done or must wait. */
async function advanceRun(context: LoopContext, bound: BoundDestination, goesOn: () => boolean): Promise<void> {
  const { reconciliations, states, clock } = context;
  const known = await reconciliations.get(bound.name);
  let run = known.current;
  if (!run || run.phase === 'done') {
    const wanted = wantedNow(bound, known, clock.now());
    if (!wanted) return;
    run = await beginRun(context, bound, context.machine.randomBytes(8).toString('hex'), wanted);
    if (!(await reconciliations.begin(bound.name, run))) return;
  }
  while (run.phase !== 'done' && goesOn()) {
    const state = await states.get(bound.name);
    const now = clock.now();
    if (state.paused || (state.waitUntil ?? 0) > now || run.dueAt > now) return;
    const next: Reconciliation = { ...(await tryStep(context, bound, run)), step: run.step + 1 };
    run = next.phase === 'done' ? { ...next, finishedAt: clock.now() } : next;
    if (!(await reconciliations.save(bound.name, run))) return;
    if (run.phase === 'done') await finishRun(context, bound, run);
  }
}

/**
 * Runs reconciliations: those asked for, those that are due, and those that a process left. One run a destination across
 * processes; where it was left off is in the store after every page.
 */
export function createReconciliationLoop(context: LoopContext & { readonly intervalMs?: number | undefined }) {
  const { destinations, reconciliations, clock, log } = context;
  const tasks = destinations.map((bound) => {
    const leader = context.leaderFor(`reconciliation:${bound.name}`);
    return [`reconciliation of ${bound.name}`, () => advance(bound, leader)] as const;
  });
  const loop = createScheduler({
    machine: context.machine,
    log,
    everyMs: context.intervalMs ?? EVERY_MS,
    tasks: Object.fromEntries(tasks),
  });

  async function advance(bound: BoundDestination, leader: Leader): Promise<void> {
    if (bound.reconcileHours !== undefined) await reconciliations.notice(bound.name, clock.now());
    const known = await reconciliations.get(bound.name);
    const isOpen = known.current !== undefined && known.current.phase !== 'done';
    if (!isOpen && !wantedNow(bound, known, clock.now())) return;
    await whileLeading(context.machine, leader, (leads) =>
      advanceRun(context, bound, () => !loop.isStopped() && leads()),
    );
  }

  return {
    /** Advances every destination as far as it goes now. */
    once: loop.runOnce,
    start: loop.start,
    stop: loop.stop,
  };
}

export type ReconciliationLoop = ReturnType<typeof createReconciliationLoop>;
