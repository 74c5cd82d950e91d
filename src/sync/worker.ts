import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import { fold } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, Contacts, Mark, Settlement, Told, ToldBinding } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import { allowedDespite, type BoundDestination, type Desired, desiredState, desiredText } from './desired.js';
import { type Action, type Binding, type Entry, ProviderError, type ReadBackEntry, type Sent } from './destination.js';
import { createPace, type Pace } from './pace.js';
import { madeHere } from './whose-entry.js';

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
/** Contacts taken under one lease. */
const MOST_LEASED = 1000;
/** Batches that one of several lanes makes under one lease: fewer writes to the store for each. */
const CHUNKS_A_LANE = 5;

interface Task {
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

/** One lease's worth of calls. */
interface Turn {
  readonly leaseEnd: number;
  /** The provider wants no more calls for now: what is left is kept. */
  halted: boolean;
}

export interface WorkerEvents {
  readonly onTold: (destination: string, contacts: number, secondsSince: readonly number[]) => void;
  readonly onFault: (destination: string, fault: string) => void;
  /** An entry at the provider that we did not make, found before a lift: an opt-out at `at` (ms). */
  readonly onForeign: (
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

  function addressOf(contact: Contact): string | undefined {
    const key = contact.dataKey && privateParts.unwrapKey(contact.key, contact.dataKey);
    return key && contact.address && privateParts.open(key, contact.key, contact.address)?.address?.given;
  }

  function backoff(failures: number): number {
    const base = Math.min(times.firstRetry * 2 ** Math.min(failures, 20), times.longestRetry);
    return base / 2 + (base / 2) * Math.random();
  }

  /** What earlier calls of unknown outcome may still do: those of a round that failed or was killed, or told before. */
  function stalledCall(told: Told | undefined, mark: Mark, desired: string, now: number) {
    const landed = told?.stalled !== undefined && now - told.stalled.at > times.assertAgainAfter && !mark.again;
    const before = landed ? undefined : told?.stalled;
    const attempted = (mark.doubt ?? []).length > 0 ? mark.attempted : undefined;
    const stalled =
      attempted === undefined
        ? before
        : { at: now, desired: before === undefined || before.desired === attempted ? attempted : 'several' };
    return { stalled, unsureAt: stalled && stalled.desired !== desired ? stalled.at : undefined };
  }

  function prepare(name: string, bindings: readonly Binding[], contact: Contact): Task | undefined {
    const mark = contact.marks.find((item) => item.destination === name);
    const address = addressOf(contact);
    if (!mark || address === undefined) return undefined;
    const state = fold(contact.state, contact.pending);
    const now = clock.now();
    const desired = desiredState(state, bindings, { policy, country: contact.country, now });
    const told = contact.told[name];
    const { stalled, unsureAt } = stalledCall(told, mark, desiredText(desired), now);
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
  function needs(task: Task, binding: Binding, action: Action): boolean {
    const decision = task.desired.get(binding.name);
    if (!decision || decision.allowed !== (action === 'lift')) return false;
    const told = task.told.get(binding.name);
    if (task.doubt.has(binding.name)) return true;
    if ((told?.suppressed ?? false) === decision.allowed) return true;
    return task.mark.again === true && (action === 'suppress' || (told !== undefined && task.unsureAt !== undefined));
  }

  function entryOf(task: Task, binding: Binding): Entry {
    const decision = task.desired.get(binding.name);
    return {
      ref: task.contact.key.toString('hex'),
      type: task.contact.type,
      address: task.address,
      reason: decision?.reason ?? 'not_objected',
      ...(decision?.since === undefined ? {} : { since: decision.since }),
      ...(decision?.event === undefined ? {} : { receipt: `r_${decision.event}` }),
    };
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
      task.doubt.delete(binding.name);
      task.told.set(binding.name, {
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
    told = true,
  ): Promise<void> {
    if (!(error instanceof ProviderError)) {
      log.error({ err: error, destination: bound.name }, 'adapter failed unexpectedly');
      for (const task of tasks) {
        task.outcome = 'unknown';
        if (told) task.doubt.add(binding.name);
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
          if (told) task.doubt.add(binding.name);
          if (error.retryAfter !== undefined) task.wait = error.retryAfter * 1000;
        }
    }
  }

  /** Whether a call that may have landed late asked for a suppression: then the entry it left is ours. */
  function mayHaveSuppressed({ stalled, unsureAt }: Task, binding: Binding): boolean {
    if (!stalled || unsureAt === undefined) return false;
    return stalled.desired === 'several' || stalled.desired.split(',').includes(`${binding.name}=1`);
  }

  /** Before a lift: what the provider has that we did not put there is an opt-out of its own, and stays. */
  async function spareForeign(bound: BoundDestination, binding: Binding, tasks: readonly Task[]): Promise<Task[]> {
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
      const told = contact.told[bound.name];
      if (
        !entry ||
        madeHere(
          entry,
          told?.bindings[binding.name],
          told?.liftedAt,
          task.doubt.has(binding.name) || mayHaveSuppressed(task, binding),
        )
      ) {
        free.push(task);
        continue;
      }
      const now = clock.now();
      const at = Math.min(entry.at ?? now, now);
      await events.onForeign(bound.name, binding, contact, { ...entry, at });
      const state = fold(contact.state, contact.pending);
      // Known now. Where the person said yes after it, that decides, as it does for an opt-out of our own.
      if (allowedDespite(state, binding, at, { policy, country: contact.country, now })) free.push(task);
      else task.outcome = 'held';
    }
    return free;
  }

  function settlementOf(task: Task): Settlement {
    const now = clock.now();
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
    const failures = mark.failures ?? 0;
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
          mark: { due: now + (task.wait ?? backoff(failures)), release: true, doubt, failures: failures + 1 },
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

  /** One lease's worth. Returns how many contacts were taken. */
  async function round(bound: BoundDestination): Promise<number> {
    const { name, bindings, destination } = bound;
    const lanes = destination.lanes ?? 1;
    const by = randomUUID();
    const now = clock.now();
    const leaseEnd = now + times.lease;
    const turn: Turn = { leaseEnd, halted: false };
    const leased = await contacts.lease(
      name,
      by,
      now,
      leaseEnd,
      Math.max(1, Math.min(destination.limits.suppress * (lanes > 1 ? lanes * CHUNKS_A_LANE : 1), MOST_LEASED)),
    );
    if (leased.length === 0) return 0;
    const tasks: Task[] = [];
    const gone: Settlement[] = [];
    for (const contact of leased) {
      const task = prepare(name, bindings, contact);
      if (task) tasks.push(task);
      // Without an address there is nothing to tell: the contact is keyed only.
      else
        gone.push({
          key: contact.key,
          clearVersion: contact.marks.find((m) => m.destination === name)?.version ?? 0,
          mark: { release: true, due: now + 1000 },
        });
    }
    // From here on a call may have reached the provider even if this process is killed: written before the first call.
    await contacts.settle(
      name,
      by,
      tasks.map((task) => {
        const lifts = bindings.some((binding) => needs(task, binding, 'lift'));
        if (lifts) task.liftedAt = now;
        const called = bindings.filter((one) => needs(task, one, 'suppress') || needs(task, one, 'lift'));
        return {
          key: task.contact.key,
          mark: {
            release: false,
            doubt: [...new Set([...task.doubt, ...called.map((one) => one.name)])],
            attempted: desiredText(task.desired),
          },
          ...(lifts || task.stalled !== undefined
            ? {
                told: {
                  ...(task.contact.told[name] ?? { version: 0, configuration, bindings: {} }),
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
        let group = tasks.filter((task) => task.outcome === 'told' && needs(task, binding, action));
        try {
          if (action === 'lift' && !turn.halted) group = await spareForeign(bound, binding, group);
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
            const chunk = batch.filter((task) => task.outcome === 'told');
            if (chunk.length > 0) await sendAll(bound, binding, action, chunk, turn);
          }
        };
        await Promise.all(Array.from({ length: lanes }, lane));
      }
    }
    await contacts.settle(name, by, [...gone, ...tasks.map((task) => settlementOf(task))]);
    const told = tasks.filter(({ outcome }) => outcome === 'told');
    if (told.length > 0) {
      await states.told(name, clock.now());
      events.onTold(
        name,
        told.length,
        told.filter(({ mark }) => !mark.again).map(({ mark }) => (clock.now() - mark.since) / 1000),
      );
    }
    return leased.length;
  }

  async function run(bound: BoundDestination): Promise<void> {
    while (!stopping.signal.aborted) {
      const state = await states.get(bound.name);
      if (state.paused || (state.waitUntil ?? 0) > clock.now()) return;
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
