import type { Decision } from '../core/decide.js';
import { type Desired, desiredText } from '../core/desired.js';
import type { PendingSync, SyncedBinding, SyncedState } from '../core/sync-state.js';
import type { Contact } from '../store/contacts.js';
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
  /** It was projected under a configuration that has replaced ours: there may be bindings that we do not know of. */
  readonly isSuperseded: boolean;
  outcome: 'synced' | 'unknown' | 'held' | 'parked';
  why?: string;
  /** ms from now, where the provider says how long. */
  wait?: number;
}

/** What earlier calls of unknown outcome may still do: those of a round that failed or was killed, or an earlier one. */
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
  readonly isSuperseded?: boolean;
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
    isSuperseded: parts.isSuperseded ?? false,
    outcome: 'synced',
  };
}

/** Which tasks need a call for a binding: not synced yet, or perhaps changed by a call that was lost. */
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
