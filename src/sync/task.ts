import { backoff } from '../core/backoff.js';
import type { Decision } from '../core/decide.js';
import type { Contact, Mark, Settlement, Told, ToldBinding } from '../store/contacts.js';
import { type Desired, desiredText } from './desired.js';
import type { Action, Binding, Entry } from './destination.js';

/** Times of the worker in ms. A call's deadline is shorter than what remains of its lease, or no call is made. */
export interface WorkerTimes {
  readonly lease: number;
  readonly deadline: number;
  /** After a lift, a denial is asserted once more when this has passed: a stalled lift may land late. */
  readonly assertAgainAfter: number;
  readonly firstRetry: number;
  readonly longestRetry: number;
  /** How long a destination with bad credentials is left alone. */
  readonly credentialPause: number;
}

export const WORKER_TIMES: WorkerTimes = {
  lease: 60_000,
  deadline: 20_000,
  assertAgainAfter: 30_000,
  firstRetry: 1_000,
  longestRetry: 5 * 60_000,
  credentialPause: 60_000,
};

const HOUR = 3_600_000;
/** One contact on its way to one destination. */
export interface Task {
  readonly contact: Contact;
  readonly mark: Mark;
  readonly address: string;
  readonly desired: Desired;
  readonly told: Map<string, ToldBinding>;
  /** Bindings whose state at the provider is not known. */
  readonly doubt: Set<string>;
  liftedAt: number | undefined;
  /** The last call whose outcome was never learned: it may land for a while yet. */
  readonly stalled: Told['stalled'];
  /** When (ms) that was, if it asked for something else than what is desired now. */
  readonly unsureAt: number | undefined;
  outcome: 'told' | 'unknown' | 'held' | 'parked';
  why?: string;
  /** ms from now, where the provider told. */
  wait?: number;
}

function retryDelay(failures: number, { firstRetry, longestRetry }: WorkerTimes): number {
  return backoff(failures, { firstMs: firstRetry, maxMs: longestRetry, jitter: 0.5 }, Math.random);
}

/** What earlier calls of unknown outcome may still do: those of a round that failed or was killed, or told before. */
function stalledCall(told: Told | undefined, mark: Mark, desired: string, now: number, times: WorkerTimes) {
  const landed = told?.stalled !== undefined && now - told.stalled.at > times.assertAgainAfter && !mark.again;
  const before = landed ? undefined : told?.stalled;
  const attempted = (mark.doubt ?? []).length > 0 ? mark.attempted : undefined;
  const stalled =
    attempted === undefined
      ? before
      : { at: now, desired: before === undefined || before.desired === attempted ? attempted : 'several' };
  return { stalled, unsureAt: stalled && stalled.desired !== desired ? stalled.at : undefined };
}

export function createTask(parts: {
  readonly name: string;
  readonly contact: Contact;
  readonly mark: Mark;
  readonly address: string;
  readonly desired: Desired;
  readonly now: number;
  readonly times: WorkerTimes;
}): Task {
  const { contact, mark, address, desired, now, times } = parts;
  const told = contact.told[parts.name];
  const { stalled, unsureAt } = stalledCall(told, mark, desiredText(desired), now, times);
  return {
    contact,
    mark,
    address,
    desired,
    told: new Map(Object.entries(told?.bindings ?? {})),
    doubt: new Set(mark.doubt),
    liftedAt: told?.liftedAt,
    stalled,
    unsureAt,
    outcome: 'told',
  };
}

/** Which tasks need a call for a binding: not told yet, or perhaps told something else by a call that was lost. */
export function needs(task: Task, binding: Binding, action: Action): boolean {
  const decision = task.desired.get(binding.name);
  if (!decision || decision.allowed !== (action === 'lift')) return false;
  const told = task.told.get(binding.name);
  if (task.doubt.has(binding.name)) return true;
  if ((told?.suppressed ?? false) === decision.allowed) return true;
  return task.mark.again === true && (action === 'suppress' || (told !== undefined && task.unsureAt !== undefined));
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
  const { contact, mark, outcome } = task;
  const told: Told = {
    bindings: Object.fromEntries(task.told),
    version: mark.version,
    configuration,
    ...(task.liftedAt === undefined ? {} : { liftedAt: task.liftedAt }),
    ...(task.stalled === undefined ? {} : { stalled: task.stalled }),
    ...(outcome === 'parked'
      ? { parked: { desired: desiredText(task.desired), why: task.why ?? 'refused', at: now } }
      : {}),
  };
  const failures = (mark.failures ?? 0) + 1;
  const doubt = [...task.doubt];
  switch (outcome) {
    case 'parked':
      return { key: contact.key, told, clearVersion: mark.version, mark: { due: now, release: true, doubt } };
    case 'held':
      return {
        key: contact.key,
        told,
        // The destination as a whole waits; whoever ends that wait need not wait for the mark.
        mark: { due: now + 200, release: true, doubt },
      };
    case 'unknown':
      return {
        key: contact.key,
        told,
        mark: { due: now + (task.wait ?? retryDelay(failures, times)), release: true, doubt, failures },
      };
    case 'told': {
      // A provider cannot be fenced: a lift, or a call whose outcome we never learned, may land after this one. So the
      // state is asserted once more when it must have landed.
      const open = (at: number) => !(mark.again && now - at > times.assertAgainAfter);
      const denied = [...task.desired.values()].some((decision) => !decision.allowed);
      const lift = denied && task.liftedAt !== undefined && now - task.liftedAt < HOUR ? task.liftedAt : undefined;
      const { stalled: _landed, ...settled } = told;
      const rest = task.unsureAt === undefined || open(task.unsureAt) ? told : settled;
      const late = [lift, task.unsureAt].filter((at): at is number => at !== undefined && open(at));
      if (late.length > 0) {
        const due = Math.max(...late) + times.assertAgainAfter + 1;
        return { key: contact.key, told: rest, mark: { due, release: true, doubt, again: true, failures: 0 } };
      }
      return {
        key: contact.key,
        told: rest,
        clearVersion: mark.version,
        mark: { due: now, release: true, doubt, again: false, failures: 0 },
      };
    }
  }
}
