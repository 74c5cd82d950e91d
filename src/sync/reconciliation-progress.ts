import type { Reconciled, Reconciliation } from '../store/reconciliations.js';
import { driftOf, totalsOf } from './compare.js';
import type { BoundDestination } from './destination.js';
import { nextRun } from './reconciliation-loop.js';

/** How far a comparison has come and what it found. Times are ms. */
export interface ReconciliationProgress {
  readonly state: 'never' | 'asked_for' | 'running' | 'finished';
  readonly dryRun?: boolean;
  readonly by?: Reconciliation['by'];
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly phase?: Reconciliation['phase'];
  /** The list being read. */
  readonly binding?: string;
  readonly read?: number;
  readonly compared?: number;
  readonly expected?: number;
  /** 0–1, as well as can be known before the end of a list. */
  readonly share?: number;
  /** Contacts by what was found, over all bindings. */
  readonly found?: Readonly<Record<string, number>>;
  readonly bindings?: Reconciliation['found'];
  /** Differences among them. */
  readonly drift?: number;
  /** Why it does not go on at the moment, and when it does. */
  readonly why?: string;
  readonly dueAt?: number;
  readonly nextAt?: number;
  /** The last that was finished and no dry run. */
  readonly last?: {
    readonly finishedAt: number;
    readonly found: Readonly<Record<string, number>>;
    readonly drift: number;
  };
}

function shareOf(run: Reconciliation, bindings: number): number {
  if (run.phase === 'done') return 1;
  // How long their list is shows at its end: as long as what was synced, until it proves longer.
  const toRead =
    run.phase === 'asserting' ? 0 : run.phase === 'reading' ? Math.max(run.expected * bindings, run.read) : run.read;
  const total = toRead + run.expected;
  return total === 0 ? 0 : Math.min(0.99, (run.read + run.compared) / total);
}

export function reconciliationProgress(bound: BoundDestination, known: Reconciled): ReconciliationProgress {
  const { current: run, last, requested } = known;
  const next = nextRun(bound, known);
  const more = {
    ...(next ? { nextAt: next } : {}),
    ...(last?.finishedAt === undefined
      ? {}
      : { last: { finishedAt: last.finishedAt, found: totalsOf(last.found), drift: driftOf(totalsOf(last.found)) } }),
  };
  const isOpen = run !== undefined && run.phase !== 'done';
  if (requested && !isOpen) return { state: 'asked_for', dryRun: requested.dryRun, by: requested.by, ...more };
  if (!run) return { state: 'never', ...more };
  const found = totalsOf(run.found);
  const binding = run.phase === 'reading' ? bound.bindings[run.binding]?.name : undefined;
  return {
    state: isOpen ? 'running' : 'finished',
    dryRun: run.dryRun,
    by: run.by,
    startedAt: run.startedAt,
    ...(run.finishedAt === undefined ? {} : { finishedAt: run.finishedAt }),
    phase: run.phase,
    ...(binding === undefined ? {} : { binding }),
    read: run.read,
    compared: run.compared,
    expected: run.expected,
    share: shareOf(run, bound.bindings.length),
    found,
    bindings: run.found,
    drift: driftOf(found),
    ...(isOpen && run.why !== undefined ? { why: run.why, dueAt: run.dueAt } : {}),
    ...more,
  };
}
