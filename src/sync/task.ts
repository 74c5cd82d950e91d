import { backoff } from '../core/backoff.js';
import type { Decision } from '../core/decide.js';
import { type Desired, desiredText } from '../core/desired.js';
import type { PendingSync, SyncedBinding, SyncedState } from '../core/sync-state.js';
import type { Contact, Settlement } from '../store/contacts.js';
import type { Action, Binding, Entry } from './destination.js';

/** Times of the worker in ms. A call's deadline is shorter than what remains of its lease, or no call is made. */
export interface WorkerTimes {
  readonly lease: number;
  readonly deadline: number;
  /** After a lift, a denial is asserted once more when this has passed: a stalled lift may land late. */
  readonly reassertAfter: number;
  readonly firstRetry: number;
  readonly maxRetry: number;
  /** How long a destination with bad credentials is left alone. */
  readonly credentialPause: number;
}

export const WORKER_TIMES: WorkerTimes = {
  lease: 60_000,
  deadline: 20_000,
  reassertAfter: 30_000,
  firstRetry: 1_000,
  maxRetry: 5 * 60_000,
  credentialPause: 60_000,
};

const HOUR = 3_600_000;
/** One contact on its way to one destination. */
export interface Task {
  readonly contact: Contact;
  readonly pendingSync: PendingSync;
  readonly address: string;
  readonly desired: Desired;
  readonly synced: Map<string, SyncedBinding>;
  /** Bindings whose state at the provider is not known. */
  readonly uncertainBindings: Set<string>;
  liftedAt: number | undefined;
  /** The last call whose outcome was never learned: it may land for a while yet. */
  readonly stalled: SyncedState['stalled'];
  /** When (ms) that was, if it asked for something else than what is desired now. */
  readonly unsureAt: number | undefined;
  outcome: 'synced' | 'unknown' | 'held' | 'parked';
  why?: string;
  /** ms from now, where the provider told. */
  wait?: number;
}

function retryDelay(failures: number, { firstRetry, maxRetry }: WorkerTimes): number {
  return backoff(failures, { firstMs: firstRetry, maxMs: maxRetry, jitter: 0.5 }, Math.random);
}

/** What earlier calls of unknown outcome may still do: those of a round that failed or was killed, or told before. */
function stalledCall(
  synced: SyncedState | undefined,
  pendingSync: PendingSync,
  desired: string,
  now: number,
  times: WorkerTimes,
) {
  const landed =
    synced?.stalled !== undefined && now - synced.stalled.at > times.reassertAfter && !pendingSync.reassert;
  const before = landed ? undefined : synced?.stalled;
  const attempted = (pendingSync.uncertainBindings ?? []).length > 0 ? pendingSync.attempted : undefined;
  const stalled =
    attempted === undefined
      ? before
      : { at: now, desired: before === undefined || before.desired === attempted ? attempted : 'several' };
  return { stalled, unsureAt: stalled && stalled.desired !== desired ? stalled.at : undefined };
}

export function createTask(parts: {
  readonly name: string;
  readonly contact: Contact;
  readonly pendingSync: PendingSync;
  readonly address: string;
  readonly desired: Desired;
  readonly now: number;
  readonly times: WorkerTimes;
}): Task {
  const { contact, pendingSync, address, desired, now, times } = parts;
  const synced = contact.synced[parts.name];
  const { stalled, unsureAt } = stalledCall(synced, pendingSync, desiredText(desired), now, times);
  return {
    contact,
    pendingSync,
    address,
    desired,
    synced: new Map(Object.entries(synced?.bindings ?? {})),
    uncertainBindings: new Set(pendingSync.uncertainBindings),
    liftedAt: synced?.liftedAt,
    stalled,
    unsureAt,
    outcome: 'synced',
  };
}

/** Which tasks need a call for a binding: not told yet, or perhaps told something else by a call that was lost. */
export function needs(task: Task, binding: Binding, action: Action): boolean {
  const decision = task.desired.get(binding.name);
  if (!decision || decision.allowed !== (action === 'lift')) return false;
  const synced = task.synced.get(binding.name);
  if (task.uncertainBindings.has(binding.name)) return true;
  if ((synced?.suppressed ?? false) === decision.allowed) return true;
  return (
    task.pendingSync.reassert === true &&
    (action === 'suppress' || (synced !== undefined && task.unsureAt !== undefined))
  );
}

export function entryOf(task: Task, binding: Binding): Entry {
  return entryFor(task.contact, task.address, task.desired.get(binding.name));
}

/** What a destination gets of a contact. */
export function entryFor(contact: Contact, address: string, decision: Decision | undefined): Entry {
  return {
    ref: contact.key.toString('hex'),
    type: contact.type,
    address,
    reason: decision?.reason ?? 'not_objected',
    ...(decision?.since === undefined ? {} : { since: decision.since }),
    ...(decision?.event === undefined ? {} : { receipt: `r_${decision.event}` }),
  };
}

/** Whether a call that may have landed late asked for a suppression: then the entry it left is ours. */
export function mayHaveSuppressed({ stalled, unsureAt }: Task, binding: Binding): boolean {
  if (!stalled || unsureAt === undefined) return false;
  return stalled.desired === 'several' || stalled.desired.split(',').includes(`${binding.name}=1`);
}

/** What is written back once the calls are made. */
export function settlementOf(
  task: Task,
  parts: { readonly now: number; readonly configuration: string; readonly times: WorkerTimes },
): Settlement {
  const { now, configuration, times } = parts;
  const { contact, pendingSync, outcome } = task;
  const synced: SyncedState = {
    bindings: Object.fromEntries(task.synced),
    version: pendingSync.version,
    configuration,
    ...(task.liftedAt === undefined ? {} : { liftedAt: task.liftedAt }),
    ...(task.stalled === undefined ? {} : { stalled: task.stalled }),
    ...(outcome === 'parked'
      ? { parked: { desired: desiredText(task.desired), why: task.why ?? 'refused', at: now } }
      : {}),
  };
  const failures = (pendingSync.failures ?? 0) + 1;
  const uncertainBindings = [...task.uncertainBindings];
  switch (outcome) {
    case 'parked':
      return {
        key: contact.key,
        synced,
        clearVersion: pendingSync.version,
        pendingSync: { due: now, release: true, uncertainBindings },
      };
    case 'held':
      return {
        key: contact.key,
        synced,
        // The destination as a whole waits; whoever ends that wait need not wait for the mark.
        pendingSync: { due: now + 200, release: true, uncertainBindings },
      };
    case 'unknown':
      return {
        key: contact.key,
        synced,
        pendingSync: {
          due: now + (task.wait ?? retryDelay(failures, times)),
          release: true,
          uncertainBindings,
          failures,
        },
      };
    case 'synced': {
      // A provider cannot be fenced: a lift, or a call whose outcome we never learned, may land after this one. So the
      // state is asserted once more when it must have landed.
      const open = (at: number) => !(pendingSync.reassert && now - at > times.reassertAfter);
      const denied = [...task.desired.values()].some((decision) => !decision.allowed);
      const lift = denied && task.liftedAt !== undefined && now - task.liftedAt < HOUR ? task.liftedAt : undefined;
      const { stalled: _landed, ...settled } = synced;
      const next = task.unsureAt === undefined || open(task.unsureAt) ? synced : settled;
      const late = [lift, task.unsureAt].filter((at): at is number => at !== undefined && open(at));
      if (late.length > 0) {
        const due = Math.max(...late) + times.reassertAfter + 1;
        return {
          key: contact.key,
          synced: next,
          pendingSync: { due, release: true, uncertainBindings, reassert: true, failures: 0 },
        };
      }
      return {
        key: contact.key,
        synced: next,
        clearVersion: pendingSync.version,
        pendingSync: { due: now, release: true, uncertainBindings, reassert: false, failures: 0 },
      };
    }
  }
}
