import { beforeEach, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import type { Decision } from '../../src/core/decide.js';
import { EMPTY_STATE } from '../../src/core/fold.js';
import { contactKeyBytes, keyringFromSecret } from '../../src/core/keys.js';
import type { SyncedState } from '../../src/core/sync-state.js';
import { machine } from '../../src/machine.js';
import type { Draft } from '../../src/preferences/draft.js';
import type { Contact } from '../../src/store/contacts.js';
import type { Round, SyncContext } from '../../src/sync/context.js';
import {
  type Action,
  type Binding,
  type BoundDestination,
  type Destination,
  type Entry,
  ProviderError,
  type ReadBackEntry,
  type Sent,
} from '../../src/sync/destination.js';
import { sendBinding } from '../../src/sync/send.js';
import { createTask, type Task, WORKER_TIMES } from '../../src/sync/task.js';
import { policy } from '../support/golden.js';

const keyring = keyringFromSecret('a secret of this test, long enough', machine.randomBytes);
const NOW = Date.UTC(2026, 2, 3);
const binding: Binding = {
  name: 'offers',
  scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
  target: {},
};

let calls: { action: Action; refs: string[] }[];
let faults: unknown[][];
let waits: number[];
let drafts: Draft[];
let clock: number;

/** Answers a call of these addresses; throws what the provider answers. */
type Answer = (addresses: readonly string[]) => Sent;
const taken: Answer = () => ({ status: 'in_force' });

function bound(send: Answer, more: Partial<Destination> = {}): BoundDestination {
  const destination: Destination = {
    accepts: ['email'],
    form: 'readable',
    limits: { suppress: 4, lift: 4 },
    send: async (_binding: Binding, action: Action, entries: readonly Entry[]) => {
      const addresses = entries.map(({ address }) => address);
      calls.push({ action, refs: addresses });
      return send(addresses);
    },
    ...more,
  };
  return { name: 'mailer', adapter: 'fake', role: 'processor', bindings: [binding], destination };
}

function context(): SyncContext {
  const fake = {
    accept: { accept: async (draft: Draft) => void drafts.push(draft) },
    states: {
      fault: async (...fault: unknown[]) => void faults.push(fault),
      waitUntil: async (_name: string, until: number) => void waits.push(until),
      rememberJob: async (...job: unknown[]) => void faults.push(['job', ...job.slice(1, 3)]),
    },
    keyring,
    country: 'US',
    policy,
    clock: { now: () => clock, recorded: () => 0 },
    machine,
    log: { error: () => undefined },
    times: WORKER_TIMES,
    stopping: new AbortController().signal,
    pace: async () => undefined,
    onFault: () => undefined,
  };
  return fake as unknown as SyncContext;
}

function task(n: number, allowed: boolean, synced?: Partial<SyncedState>): Task {
  const address = `${n}@example.com`;
  const key = contactKeyBytes(keyring, normaliseContact({ email: address }));
  const contact = { key, type: 'email', state: EMPTY_STATE, pending: [], synced: {} };
  const known: SyncedState = { version: 1, configuration: '', bindings: {}, ...synced };
  const decision: Decision = allowed
    ? { allowed, reason: 'not_objected' }
    : { allowed, reason: 'opted_out', event: `event ${n}` };
  return createTask({
    name: 'mailer',
    contact: { ...contact, ...(synced ? { synced: { mailer: known } } : {}) } as unknown as Contact,
    pendingSync: { destination: 'mailer', version: 2, due: 0, since: 0 },
    address,
    desired: new Map([['offers', decision]]),
    now: NOW,
    times: WORKER_TIMES,
  });
}
const suppressedByUs = { bindings: { offers: { suppressed: true, at: 1, status: 'in_force' as const } } };
const tasksOf = (count: number, ...more: [allowed: boolean, synced?: Partial<SyncedState>]) =>
  Array.from({ length: count }, (_, n) => task(n, ...more));
const round = (to: BoundDestination): Round => ({
  bound: to,
  leaseOwner: 'me',
  leaseEnd: NOW + WORKER_TIMES.lease,
  halted: false,
});
const outcomes = (tasks: readonly Task[]) => tasks.map(({ outcome }) => outcome);
const suppress = { binding, action: 'suppress' } as const;
const lift = { binding, action: 'lift' } as const;

beforeEach(() => {
  [calls, faults, waits, drafts, clock] = [[], [], [], [], NOW];
});

describe('what a binding needs', () => {
  test('is sent in batches of what the provider takes, and noted with each contact', async () => {
    const tasks = tasksOf(9, false);
    await sendBinding(context(), round(bound(taken)), suppress, tasks);
    expect(calls.map(({ refs }) => refs.length)).toEqual([4, 4, 1]);
    expect(tasks[8]?.synced.get('offers')).toEqual({
      suppressed: true,
      at: NOW,
      status: 'in_force',
      event: 'event 8',
    });
  });

  test('leaves out whoever has it already, and what is parked by name stays so', async () => {
    const tasks = [task(0, false, suppressedByUs), task(1, false), task(2, false)];
    const ref = tasks[2]?.contact.key.toString('hex') ?? '';
    const to = bound(() => ({ status: 'accepted', job: 'j', parked: [{ ref, why: 'no such mailbox' }] }));
    await sendBinding(context(), round(to), suppress, tasks);
    expect(calls).toEqual([{ action: 'suppress', refs: ['1@example.com', '2@example.com'] }]);
    expect(outcomes(tasks)).toEqual(['synced', 'synced', 'parked']);
    expect(tasks[2]?.synced.has('offers')).toBe(false);
    expect(faults).toEqual([['job', 'j', 'offers']]);
  });

  test('is not called for where the lease is nearly over', async () => {
    clock = NOW + WORKER_TIMES.lease - WORKER_TIMES.deadline;
    const tasks = tasksOf(2, false);
    await sendBinding(context(), round(bound(taken)), suppress, tasks);
    expect(calls).toEqual([]);
    expect(outcomes(tasks)).toEqual(['held', 'held']);
  });
});

describe('a fault of the provider', () => {
  test('with one address parks that one alone: the batch is halved until it is found', async () => {
    const tasks = tasksOf(4, false);
    const refusing = bound((addresses) => {
      if (addresses.includes('2@example.com')) throw new ProviderError('refused', 'not an address');
      return { status: 'in_force' };
    });
    await sendBinding(context(), round(refusing), suppress, tasks);
    expect(calls.map(({ refs }) => refs.length)).toEqual([4, 2, 2, 1, 1]);
    expect(outcomes(tasks)).toEqual(['synced', 'synced', 'parked', 'synced']);
    expect(tasks[2]?.why).toBe('not an address');
  });

  test.each([
    ['rate_limited', 3000, 0],
    ['credentials', WORKER_TIMES.credentialPause, 1],
  ] as const)('%s ends the round, and what is left stays pending', async (fault, wait, noted) => {
    const tasks = tasksOf(9, false);
    const to = bound(() => {
      throw new ProviderError(fault, 'no more', fault === 'rate_limited' ? 3 : undefined);
    });
    const current = round(to);
    await sendBinding(context(), current, suppress, tasks);
    expect(calls).toHaveLength(1);
    expect(current.halted).toBe(true);
    expect(new Set(outcomes(tasks))).toEqual(new Set(['held']));
    expect(waits).toEqual([NOW + wait]);
    expect(faults).toHaveLength(noted);
  });

  test('a refusal that asking again cannot change is not asked again until somebody resumes', async () => {
    const to = bound(() => {
      throw new ProviderError('credentials', 'write another adapter', undefined, { untilResumed: true });
    });
    await sendBinding(context(), round(to), suppress, tasksOf(2, false));
    expect(waits).toEqual([Number.MAX_SAFE_INTEGER]);
    expect(faults).toEqual([[expect.anything(), 'credentials', 'write another adapter', NOW]]);
  });

  test.each([
    [new ProviderError('unavailable', 'down', 7), 7000],
    [new Error('a bug'), undefined],
  ])('%s leaves the outcome unknown, and only of that batch', async (error, wait) => {
    const tasks = tasksOf(5, false);
    const to = bound((addresses) => {
      if (addresses.includes('0@example.com')) throw error;
      return { status: 'in_force' };
    });
    await sendBinding(context(), round(to), suppress, tasks);
    expect(outcomes(tasks)).toEqual(['unknown', 'unknown', 'unknown', 'unknown', 'synced']);
    expect([tasks[0]?.wait, [...(tasks[0]?.uncertainBindings ?? [])]]).toEqual([wait, ['offers']]);
    expect(tasks[4]?.uncertainBindings.size).toBe(0);
  });
});

describe('before a lift', () => {
  const found: ReadBackEntry = { address: '1@example.com', kind: 'unsubscribed', at: NOW - 5 };
  const lookup = async (_binding: Binding, addresses: readonly string[]) =>
    addresses.includes(found.address) ? [found] : [];

  test('an entry that we did not make becomes an opt-out, and is not lifted', async () => {
    const lifted = { ...suppressedByUs, liftedAt: NOW - 86_400_000 };
    const tasks = [task(0, true, suppressedByUs), task(1, true, lifted)];
    await sendBinding(context(), round(bound(taken, { lookup })), lift, tasks);
    expect(calls).toEqual([{ action: 'lift', refs: ['0@example.com'] }]);
    expect(drafts).toMatchObject([{ type: 'opted_out', at: NOW - 5, scope: binding.scope }]);
    expect(outcomes(tasks)).toEqual(['synced', 'held']);
  });

  test('our own entry is no opt-out', async () => {
    const tasks = [task(0, true, suppressedByUs), task(1, true, suppressedByUs)];
    await sendBinding(context(), round(bound(taken, { lookup })), lift, tasks);
    expect(calls[0]?.refs).toEqual(['0@example.com', '1@example.com']);
    expect(drafts).toEqual([]);
  });

  test('nothing is lifted unseen where the provider refuses to be asked about an address', async () => {
    const asked: number[] = [];
    const refusing = async (_binding: Binding, addresses: readonly string[]) => {
      asked.push(addresses.length);
      if (addresses.includes('3@example.com')) throw new ProviderError('refused', 'not an address');
      return [];
    };
    const tasks = tasksOf(4, true, suppressedByUs);
    await sendBinding(context(), round(bound(taken, { lookup: refusing })), lift, tasks);
    expect(asked).toEqual([4, 2, 2, 1, 1]);
    expect(calls).toEqual([{ action: 'lift', refs: ['0@example.com', '1@example.com', '2@example.com'] }]);
    expect(outcomes(tasks)).toEqual(['synced', 'synced', 'synced', 'parked']);
  });

  test('a question without an answer changes nothing there, so nothing becomes uncertain', async () => {
    const failing = async () => {
      throw new ProviderError('unavailable', 'down');
    };
    const tasks = tasksOf(2, true, suppressedByUs);
    await sendBinding(context(), round(bound(taken, { lookup: failing })), lift, tasks);
    expect(calls).toEqual([]);
    expect(outcomes(tasks)).toEqual(['unknown', 'unknown']);
    expect(tasks[0]?.uncertainBindings.size).toBe(0);
  });
});
