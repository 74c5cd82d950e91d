import { backoff } from '../core/backoff.js';
import { desiredText } from '../core/desired.js';
import type { SyncedState } from '../core/sync-state.js';
import type { Settlement } from '../store/contacts.js';
import type { Round, SyncContext } from './context.js';
import type { BoundDestination } from './destination.js';
import { needs, type Task, type WorkerTimes } from './task.js';

const HOUR_MS = 3_600_000;
/** ms until a contact whose destination waits may be leased again: whoever ends that wait need not wait for the contact. */
const HELD_MS = 200;
/** ms until a contact that another configuration has bindings for may be leased again. */
const SUPERSEDED_MS = 2000;

function retryDelay(failures: number, { firstRetry, maxRetry }: WorkerTimes, random: () => number): number {
  return backoff(failures, { firstMs: firstRetry, maxMs: maxRetry, jitter: 0.5 }, random);
}

/**
 * What is written before the first call: from then on one may have reached the provider even if this process is killed.
 *
 * @param now ms; noted as the beginning of a lift
 */
export function attemptOf(
  task: Task,
  { name, bindings }: Pick<BoundDestination, 'name' | 'bindings'>,
  { now, configuration }: { readonly now: number; readonly configuration: string },
): Settlement {
  const lifts = bindings.some((binding) => needs(task, binding, 'lift'));
  const called = bindings.filter((one) => needs(task, one, 'suppress') || needs(task, one, 'lift'));
  const known = task.contact.synced[name] ?? { version: 0, configuration, bindings: {} };
  const begun = {
    ...(lifts ? { liftedAt: now } : {}),
    ...(task.stalled === undefined ? {} : { stalled: task.stalled }),
  };
  return {
    key: task.contact.key,
    pendingSync: {
      release: false,
      uncertainBindings: [...new Set([...task.uncertainBindings, ...called.map((one) => one.name)])],
      attempted: desiredText(task.desired),
    },
    ...(Object.keys(begun).length > 0 ? { synced: { ...known, ...begun } } : {}),
  };
}

/** Writes down what is about to be attempted, and notes with the tasks that a lift begins. */
export async function recordAttempts(context: SyncContext, round: Round, tasks: readonly Task[]): Promise<void> {
  const { contacts, clock, configuration } = context;
  const { bound, leaseOwner } = round;
  const now = clock.now();
  const attempts = tasks.map((task) => attemptOf(task, bound, { now, configuration }));
  for (const [n, task] of tasks.entries()) task.liftedAt = attempts[n]?.synced?.liftedAt ?? task.liftedAt;
  await contacts.settle(bound.name, leaseOwner, attempts);
}

/** Writes back what became of the tasks, and of the contacts that were released without a call. */
export async function settle(
  { contacts, states, clock, machine, configuration, times, onSynced }: SyncContext,
  { bound: { name }, leaseOwner }: Round,
  tasks: readonly Task[],
  released: readonly Settlement[],
): Promise<void> {
  const results = tasks.map((task) =>
    settlementOf(task, { now: clock.now(), configuration, times, random: machine.random }),
  );
  await contacts.settle(name, leaseOwner, [...released, ...results]);
  // What stays pending for a process that knows more is counted there.
  const synced = tasks.filter(({ outcome, isSuperseded }) => outcome === 'synced' && !isSuperseded);
  if (synced.length === 0) return;
  await states.recordSynced(name, clock.now());
  const first = synced.filter(({ pendingSync }) => !pendingSync.reassert);
  onSynced(
    name,
    synced.length,
    first.map(({ pendingSync }) => (clock.now() - pendingSync.since) / 1000),
  );
}

interface SettlingParts {
  /** ms */
  readonly now: number;
  readonly configuration: string;
  readonly times: WorkerTimes;
  readonly random: () => number;
}

/** What is written back once the calls are made. */
export function settlementOf(task: Task, parts: SettlingParts): Settlement {
  const { configuration } = task.contact;
  const settlement: Settlement = {
    ...settlementOfOutcome(task, parts),
    evaluatedUnder: configuration ?? null,
    evaluateAgain: configuration !== parts.configuration,
  };
  if (!task.isSuperseded || settlement.clearVersion === undefined) return settlement;
  const { clearVersion: _left, ...rest } = settlement;
  // A refused address is not sent again every two seconds.
  const wait = task.outcome === 'parked' ? parts.times.maxRetry : SUPERSEDED_MS;
  return { ...rest, pendingSync: { ...rest.pendingSync, due: parts.now + wait } };
}

function settlementOfOutcome(task: Task, parts: SettlingParts): Settlement {
  const { now, times, random } = parts;
  const { pendingSync, outcome } = task;
  const { key } = task.contact;
  const synced = syncedAfter(task, parts);
  const left = { release: true, uncertainBindings: [...task.uncertainBindings] };
  const failures = (pendingSync.failures ?? 0) + 1;
  switch (outcome) {
    case 'parked':
      return { key, synced, clearVersion: pendingSync.version, pendingSync: { ...left, due: now } };
    case 'held':
      return { key, synced, pendingSync: { ...left, due: now + HELD_MS } };
    case 'unknown':
      return {
        key,
        synced,
        pendingSync: { ...left, due: now + (task.wait ?? retryDelay(failures, times, random)), failures },
      };
    case 'synced':
      return settlementOfSynced(task, synced, { now, times });
  }
}

function syncedAfter(
  task: Task,
  { now, configuration }: { readonly now: number; readonly configuration: string },
): SyncedState {
  return {
    bindings: Object.fromEntries(task.synced),
    version: task.pendingSync.version,
    configuration,
    ...(task.liftedAt === undefined ? {} : { liftedAt: task.liftedAt }),
    ...(task.stalled === undefined ? {} : { stalled: task.stalled }),
    ...(task.outcome === 'parked'
      ? { parked: { desired: desiredText(task.desired), why: task.why ?? 'refused', at: now } }
      : {}),
  };
}

/**
 * A provider cannot be fenced: a lift, or a call whose outcome we never learned, may land after this one. So the state is
 * asserted once more when it must have landed.
 */
function settlementOfSynced(
  task: Task,
  synced: SyncedState,
  { now, times }: { readonly now: number; readonly times: WorkerTimes },
): Settlement {
  const { pendingSync, unsureAt, liftedAt } = task;
  const { key } = task.contact;
  const mayStillLand = (at: number) => !(pendingSync.reassert && now - at > times.reassertAfter);
  const isDenied = [...task.desired.values()].some((decision) => !decision.allowed);
  const lift = isDenied && liftedAt !== undefined && now - liftedAt < HOUR_MS ? liftedAt : undefined;
  const { stalled: _landed, ...settled } = synced;
  const next = unsureAt === undefined || mayStillLand(unsureAt) ? synced : settled;
  const late = [lift, unsureAt].filter((at): at is number => at !== undefined && mayStillLand(at));
  const left = { release: true, uncertainBindings: [...task.uncertainBindings], failures: 0 };
  if (late.length > 0) {
    const due = Math.max(...late) + times.reassertAfter + 1;
    return { key, synced: next, pendingSync: { ...left, due, reassert: true } };
  }
  return {
    key,
    synced: next,
    clearVersion: pendingSync.version,
    pendingSync: { ...left, due: now, reassert: false },
  };
}
