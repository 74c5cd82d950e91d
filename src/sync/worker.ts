import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import { stateOf } from '../core/contact-state.js';
import { allowedDespite, desiredAt, desiredText } from '../core/desired.js';
import type { Policy } from '../core/policy.js';
import { MissingKeyError } from '../core/seal.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, Contacts, Settlement } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { BoundDestination } from './destination.js';
import { type Action, type Binding, ProviderError, type ReadBackEntry, type Sent } from './destination.js';
import { isOurEntry } from './entry-origin.js';
import { createListCopies } from './list-copies.js';
import { createPace, type Pace } from './pace.js';
import {
  createTask,
  entryOf,
  mayHaveSuppressed,
  needs,
  settlementOf,
  type Task,
  WORKER_TIMES,
  type WorkerTimes,
} from './task.js';

/** Contacts prepared between two looks at what else is to be done. */
const YIELD_EVERY = 50;
/** ms that a contact whose root key this process lacks is left to others. */
const KEY_MISSING_MS = 2000;
/** Contacts taken under one lease. */
const MAX_LEASED = 1000;
/** Batches that one of several lanes makes under one lease: fewer writes to the store for each. */
const CHUNKS_A_LANE = 5;

/** One lease's worth of calls. */
interface Turn {
  readonly leaseEnd: number;
  /** The provider wants no more calls for now: what is left is kept. */
  halted: boolean;
}

export interface WorkerEvents {
  readonly onSynced: (destination: string, contacts: number, secondsSince: readonly number[]) => void;
  readonly onFault: (destination: string, fault: string) => void;
  /** A contact's address is sealed under a root key that this process lacks: it stays pending. */
  readonly onMissingKey: (keyId: number) => void;
  /** An entry at the provider that we did not make, found before a lift: an opt-out at `at` (ms). */
  readonly onProviderOptOut: (
    destination: string,
    binding: Binding,
    contact: Contact,
    entry: ReadBackEntry & { readonly at: number },
  ) => Promise<void>;
}

/**
 * Tells one destination the latest truth: takes marked contacts under a lease, reads their state now, sends what it was
 * not told, and clears each mark only for the version it sent. Never replays events.
 */
export function createSyncWorker(parts: {
  readonly contacts: Contacts;
  readonly states: DestinationStates;
  readonly privateParts: PrivateParts;
  readonly policy: Policy;
  readonly configuration: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: WorkerEvents;
  /** Key (hex) of the contact that a provider's entry is about. */
  readonly keyOf: (entry: ReadBackEntry) => string | undefined;
  readonly times?: Partial<WorkerTimes>;
}) {
  const { contacts, states, privateParts, policy, configuration, clock, log, events } = parts;
  const times = { ...WORKER_TIMES, ...parts.times };
  const copies = createListCopies({ contacts, states, privateParts, policy, clock, log });
  const running = new Map<string, Promise<void>>();
  const paces = new Map<string, Pace>();
  const stopping = new AbortController();

  function paceOf({ name, callsPerSecond }: BoundDestination): Pace {
    let pace = paces.get(name);
    if (!pace) {
      pace = callsPerSecond === undefined ? async () => undefined : createPace(callsPerSecond);
      paces.set(name, pace);
    }
    return pace;
  }

  function prepare(bound: BoundDestination, contact: Contact): Task | undefined {
    const { name } = bound;
    const pendingSync = contact.pendingSyncs.find((item) => item.destination === name);
    const address = addressOf(privateParts, contact)?.given;
    if (!pendingSync || address === undefined) return undefined;
    const now = clock.now();
    const desired = desiredAt(bound, contact, { policy, now });
    return createTask({ name, contact, pendingSync, address, desired, now, times });
  }

  /** Sends entries; halves a refused batch until the refused address stands alone and is parked. */
  async function sendAll(
    bound: BoundDestination,
    binding: Binding,
    action: Action,
    tasks: readonly Task[],
    turn: Turn,
  ): Promise<void> {
    const remaining = turn.leaseEnd - clock.now();
    if (turn.halted || remaining < times.deadline + 1000 || stopping.signal.aborted) {
      for (const task of tasks) task.outcome = 'held';
      return;
    }
    let sent: Sent;
    try {
      await paceOf(bound)(AbortSignal.any([AbortSignal.timeout(remaining - times.deadline), stopping.signal]));
      const deadline = AbortSignal.any([AbortSignal.timeout(times.deadline), stopping.signal]);
      sent = await bound.destination.send(
        binding,
        action,
        tasks.map((task) => entryOf(task, binding)),
        deadline,
      );
    } catch (error) {
      await failed(bound, binding, action, tasks, turn, error);
      return;
    }
    const at = clock.now();
    const parked = new Map(sent.parked?.map(({ ref, why }) => [ref, why]));
    for (const task of tasks) {
      const why = parked.get(task.contact.key.toString('hex'));
      if (why !== undefined) {
        task.outcome = 'parked';
        task.why = why;
        continue;
      }
      const event = task.desired.get(binding.name)?.event;
      task.uncertainBindings.delete(binding.name);
      task.synced.set(binding.name, {
        suppressed: action === 'suppress',
        at,
        status: sent.status,
        ...(event ? { event } : {}),
      });
    }
    if (sent.job)
      await states.rememberJob(
        bound.name,
        sent.job,
        binding.name,
        tasks.map(({ contact }) => contact.key),
        at,
      );
  }

  async function failed(
    bound: BoundDestination,
    binding: Binding,
    action: Action,
    tasks: readonly Task[],
    turn: Turn,
    error: unknown,
    /** False when it was only asked: nothing can have changed there. */
    synced = true,
  ): Promise<void> {
    if (!(error instanceof ProviderError)) {
      log.error({ err: error, destination: bound.name }, 'adapter failed unexpectedly');
      for (const task of tasks) {
        task.outcome = 'unknown';
        if (synced) task.uncertainBindings.add(binding.name);
      }
      await states.fault(bound.name, 'bug', 'the adapter failed; see the log', clock.now());
      return;
    }
    events.onFault(bound.name, error.fault);
    switch (error.fault) {
      case 'refused': {
        const [only] = tasks;
        if (tasks.length === 1 && only) {
          only.outcome = 'parked';
          only.why = error.message;
          return;
        }
        const half = Math.ceil(tasks.length / 2);
        await sendAll(bound, binding, action, tasks.slice(0, half), turn);
        await sendAll(bound, binding, action, tasks.slice(half), turn);
        return;
      }
      case 'rate_limited': {
        const wait = (error.retryAfter ?? 1) * 1000;
        await states.waitUntil(bound.name, clock.now() + wait);
        turn.halted = true;
        for (const task of tasks) task.outcome = 'held';
        return;
      }
      case 'credentials':
        await states.fault(bound.name, 'credentials', error.message, clock.now());
        await states.waitUntil(bound.name, clock.now() + times.credentialPause);
        log.error({ destination: bound.name }, 'the destination refuses our credentials; what is to be told waits');
        turn.halted = true;
        for (const task of tasks) task.outcome = 'held';
        return;
      case 'unavailable':
        await states.fault(bound.name, 'unavailable', error.message, clock.now());
        for (const task of tasks) {
          task.outcome = 'unknown';
          if (synced) task.uncertainBindings.add(binding.name);
          if (error.retryAfter !== undefined) task.wait = error.retryAfter * 1000;
        }
    }
  }

  /** Before a lift: what the provider has that we did not put there is an opt-out of its own, and stays. */
  async function keepProviderOptOuts(
    bound: BoundDestination,
    binding: Binding,
    tasks: readonly Task[],
  ): Promise<Task[]> {
    const { lookup } = bound.destination;
    if (!lookup || tasks.length === 0) return [...tasks];
    const found = await lookup.call(
      bound.destination,
      binding,
      tasks.map(({ address }) => address),
      AbortSignal.any([AbortSignal.timeout(times.deadline), stopping.signal]),
    );
    const byKey = new Map(found.map((entry) => [parts.keyOf(entry) ?? entry.address.toLowerCase(), entry]));
    const free: Task[] = [];
    for (const task of tasks) {
      const { contact } = task;
      const entry = byKey.get(contact.key.toString('hex')) ?? byKey.get(task.address.toLowerCase());
      const synced = contact.synced[bound.name];
      if (
        !entry ||
        isOurEntry(
          entry,
          synced?.bindings[binding.name],
          synced?.liftedAt,
          task.uncertainBindings.has(binding.name) || mayHaveSuppressed(task, binding),
        )
      ) {
        free.push(task);
        continue;
      }
      const now = clock.now();
      const at = Math.min(entry.at ?? now, now);
      await events.onProviderOptOut(bound.name, binding, contact, { ...entry, at });
      const state = stateOf(contact);
      // Known now. Where the person said yes after it, that decides, as it does for an opt-out of our own.
      if (allowedDespite(state, binding, at, { policy, country: contact.country, now })) free.push(task);
      else task.outcome = 'held';
    }
    return free;
  }

  /** One lease's worth. Returns how many contacts were taken. */
  async function round(bound: BoundDestination): Promise<number> {
    const { name, bindings, destination } = bound;
    const lanes = destination.lanes ?? 1;
    const leaseOwner = randomUUID();
    const now = clock.now();
    const leaseEnd = now + times.lease;
    const turn: Turn = { leaseEnd, halted: false };
    const leased = await contacts.lease(
      name,
      leaseOwner,
      now,
      leaseEnd,
      Math.max(1, Math.min(destination.limits.suppress * (lanes > 1 ? lanes * CHUNKS_A_LANE : 1), MAX_LEASED)),
    );
    if (leased.length === 0) return 0;
    const tasks: Task[] = [];
    const released: Settlement[] = [];
    for (const [at, contact] of leased.entries()) {
      // Opening a thousand addresses at a stretch would keep whoever asks meanwhile waiting.
      if (at % YIELD_EVERY === YIELD_EVERY - 1) await new Promise((resolve) => setImmediate(resolve));
      let task: Task | undefined;
      try {
        task = prepare(bound, contact);
      } catch (error) {
        if (!(error instanceof MissingKeyError)) throw error;
        events.onMissingKey(error.keyId);
        released.push({ key: contact.key, pendingSync: { release: true, due: now + KEY_MISSING_MS } });
        continue;
      }
      if (task) tasks.push(task);
      // Without an address there is nothing to tell: the contact is keyed only.
      else
        released.push({
          key: contact.key,
          clearVersion: contact.pendingSyncs.find((m) => m.destination === name)?.version ?? 0,
          pendingSync: { release: true, due: now + 1000 },
        });
    }
    // From here on a call may have reached the provider even if this process is killed: written before the first call.
    await contacts.settle(
      name,
      leaseOwner,
      tasks.map((task) => {
        const lifts = bindings.some((binding) => needs(task, binding, 'lift'));
        if (lifts) task.liftedAt = now;
        const called = bindings.filter((one) => needs(task, one, 'suppress') || needs(task, one, 'lift'));
        return {
          key: task.contact.key,
          pendingSync: {
            release: false,
            uncertainBindings: [...new Set([...task.uncertainBindings, ...called.map((one) => one.name)])],
            attempted: desiredText(task.desired),
          },
          ...(lifts || task.stalled !== undefined
            ? {
                synced: {
                  ...(task.contact.synced[name] ?? { version: 0, configuration, bindings: {} }),
                  ...(lifts ? { liftedAt: now } : {}),
                  ...(task.stalled === undefined ? {} : { stalled: task.stalled }),
                },
              }
            : {}),
        };
      }),
    );
    for (const action of ['suppress', 'lift'] as const) {
      for (const binding of bindings) {
        let group = tasks.filter((task) => task.outcome === 'synced' && needs(task, binding, action));
        try {
          if (action === 'lift' && !turn.halted) group = await keepProviderOptOuts(bound, binding, group);
        } catch (error) {
          await failed(bound, binding, action, group, turn, error, false);
          continue;
        }
        const limit = Math.max(1, destination.limits[action]);
        const batches = Array.from({ length: Math.ceil(group.length / limit) }, (_, n) =>
          group.slice(n * limit, (n + 1) * limit),
        );
        const lane = async () => {
          for (let batch = batches.shift(); batch; batch = batches.shift()) {
            const chunk = batch.filter((task) => task.outcome === 'synced');
            if (chunk.length > 0) await sendAll(bound, binding, action, chunk, turn);
          }
        };
        await Promise.all(Array.from({ length: lanes }, lane));
      }
    }
    await contacts.settle(name, leaseOwner, [
      ...released,
      ...tasks.map((task) => settlementOf(task, { now: clock.now(), configuration, times })),
    ]);
    const synced = tasks.filter(({ outcome }) => outcome === 'synced');
    if (synced.length > 0) {
      await states.recordSynced(name, clock.now());
      events.onSynced(
        name,
        synced.length,
        synced
          .filter(({ pendingSync }) => !pendingSync.reassert)
          .map(({ pendingSync }) => (clock.now() - pendingSync.since) / 1000),
      );
    }
    return leased.length;
  }

  /** A list that cannot be made whole is not added to: its destination waits, and says why. */
  async function copyFailed({ name }: BoundDestination, error: unknown): Promise<void> {
    if (error instanceof MissingKeyError) events.onMissingKey(error.keyId);
    else log.error({ err: error, destination: name }, 'a list cannot be written anew; what is to be sent waits');
    const why = error instanceof ProviderError ? error.message : 'the list cannot be written anew; see the log';
    await states.fault(name, error instanceof ProviderError ? error.fault : 'incomplete', why, clock.now());
    await states.waitUntil(name, clock.now() + times.credentialPause / 12);
  }

  async function run(bound: BoundDestination): Promise<void> {
    while (!stopping.signal.aborted) {
      const state = await states.get(bound.name);
      if (state.paused || (state.waitUntil ?? 0) > clock.now()) return;
      try {
        await copies.ensure(bound, stopping.signal);
      } catch (error) {
        await copyFailed(bound, error);
        return;
      }
      if ((await round(bound)) === 0) return;
    }
  }

  return {
    /** Works on a destination until nothing is due. One run a destination and process at a time. */
    work(bound: BoundDestination): Promise<void> {
      const current = running.get(bound.name);
      if (current) return current;
      const started = run(bound)
        .catch((error: unknown) =>
          log.warn({ err: error, destination: bound.name }, 'sync round failed; it is taken up again'),
        )
        .finally(() => running.delete(bound.name));
      running.set(bound.name, started);
      return started;
    },
    /** Aborts calls in flight; their outcome is unknown and the marks say so. */
    async stop(): Promise<void> {
      stopping.abort();
      await Promise.all(running.values());
    },
    /** Waits until another call may be made to a destination under the catalog's ceiling. */
    pace: (bound: BoundDestination, signal: AbortSignal) => paceOf(bound)(signal),
  };
}

export type SyncWorker = ReturnType<typeof createSyncWorker>;
