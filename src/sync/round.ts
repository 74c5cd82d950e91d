import { desiredAt } from '../core/desired.js';
import { leaseOwner } from '../core/machine.js';
import { MissingKeyError } from '../core/seal.js';
import { addressOf } from '../preferences/contact-address.js';
import type { Contact, Settlement } from '../store/contacts.js';
import type { Round, SyncContext } from './context.js';
import type { BoundDestination } from './destination.js';
import { sendBinding } from './send.js';
import { recordAttempts, settle } from './settle.js';
import { createTask, type Task } from './task.js';

/** Contacts prepared between two looks at what else is to be done. */
const YIELD_EVERY = 50;
/** ms that a contact whose root key this process lacks is left to others. */
const KEY_MISSING_MS = 2000;
/** ms until a contact without an address may be leased again. */
const NO_ADDRESS_MS = 1000;
/** Contacts taken under one lease. */
const MAX_LEASED = 1000;
/** Batches that one of several lanes makes under one lease: fewer writes to the store for each. */
const BATCHES_A_LANE = 5;

function leaseSize({ destination: { lanes = 1, limits } }: BoundDestination): number {
  const batches = lanes > 1 ? lanes * BATCHES_A_LANE : 1;
  return Math.max(1, Math.min(limits.suppress * batches, MAX_LEASED));
}

/**
 * Whether another configuration has replaced ours, as while a new version is rolled out. What was projected under it may be for
 * bindings that we do not know of: we send what we know, and leave the rest to a process that knows it.
 */
async function isReplaced(
  { configurations, configuration }: SyncContext,
  leased: readonly Contact[],
): Promise<boolean> {
  if (leased.every((contact) => contact.configuration === configuration)) return false;
  return (await configurations.current())?.hash !== configuration;
}

/** A contact as a task; undefined without an address, where nothing can be sent. */
function taskOf(
  { privateParts, policy, configuration, clock, times }: SyncContext,
  bound: BoundDestination,
  contact: Contact,
  replaced: boolean,
) {
  const { name } = bound;
  const pendingSync = contact.pendingSyncs.find((item) => item.destination === name);
  const address = addressOf(privateParts, contact)?.given;
  if (!pendingSync || address === undefined) return undefined;
  const now = clock.now();
  const desired = desiredAt(bound, contact, { policy, now });
  const isSuperseded = replaced && contact.configuration !== configuration;
  return createTask({ name, contact, pendingSync, address, desired, now, times, isSuperseded });
}

/** What becomes of a contact that cannot be sent: cleared where only its keyed hash is left. */
function releasedWithoutAddress(name: string, { key, pendingSyncs }: Contact, now: number): Settlement {
  const clearVersion = pendingSyncs.find(({ destination }) => destination === name)?.version ?? 0;
  return { key, clearVersion, pendingSync: { release: true, due: now + NO_ADDRESS_MS } };
}

/** The leased contacts that can be sent, by their state now, and what is released at once. */
async function prepare(
  context: SyncContext,
  bound: BoundDestination,
  leased: readonly Contact[],
): Promise<{ tasks: Task[]; released: Settlement[] }> {
  const tasks: Task[] = [];
  const released: Settlement[] = [];
  const replaced = await isReplaced(context, leased);
  const now = context.clock.now();
  for (const [at, contact] of leased.entries()) {
    // Opening a thousand addresses at a stretch would keep whoever asks meanwhile waiting.
    if (at % YIELD_EVERY === YIELD_EVERY - 1) await context.machine.yieldTurn();
    try {
      const task = taskOf(context, bound, contact, replaced);
      if (task) tasks.push(task);
      else released.push(releasedWithoutAddress(bound.name, contact, now));
    } catch (error) {
      if (!(error instanceof MissingKeyError)) throw error;
      context.onMissingKey(error.keyId);
      released.push({ key: contact.key, pendingSync: { release: true, due: now + KEY_MISSING_MS } });
    }
  }
  return { tasks, released };
}

/**
 * One lease's worth: takes contacts with a pending sync, reads their state now, sends what the destination has not, and
 * clears each pending sync only for the version it sent. Never replays events.
 *
 * @returns how many contacts were taken
 */
export async function syncRound(context: SyncContext, bound: BoundDestination): Promise<number> {
  const { contacts, clock, machine, times } = context;
  const now = clock.now();
  const round: Round = { bound, leaseOwner: leaseOwner(machine), leaseEnd: now + times.lease, halted: false };
  const leased = await contacts.lease(bound.name, round.leaseOwner, now, round.leaseEnd, leaseSize(bound));
  if (leased.length === 0) return 0;
  const { tasks, released } = await prepare(context, bound, leased);
  await recordAttempts(context, round, tasks);
  for (const action of ['suppress', 'lift'] as const) {
    for (const binding of bound.bindings) await sendBinding(context, round, { binding, action }, tasks);
  }
  await settle(context, round, tasks, released);
  return leased.length;
}
