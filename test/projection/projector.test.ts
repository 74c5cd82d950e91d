import { expect, test } from '@jest/globals';
import { EMPTY_STATE } from '../../src/core/fold.js';
import { ALL_MARKETING } from '../../src/core/scope.js';
import { createProjector } from '../../src/projection/project.js';
import { policy } from '../support/golden.js';

const key = Buffer.alloc(16, 7);

/** A projector whose store answers when the test says so, and knows of no contact that is due. */
function gated() {
  const reads: ((failure?: Error) => void)[] = [];
  const contacts = {
    find: () =>
      new Promise((resolve, reject) => {
        reads.push((failure) => (failure ? reject(failure) : resolve(new Map())));
      }),
  };
  return { reads, projector: createProjector({ contacts } as never) };
}

/** Everything that can happen without another answer of the store has happened. */
const quiet = () => new Promise((resolve) => setImmediate(resolve));

test('a contact that is being projected is waited for, and looked at again', async () => {
  const { reads, projector } = gated();
  const first = projector.project([key]);
  let isDone = false;
  const second = projector.project([key]).then(() => {
    isDone = true;
  });
  await quiet();
  expect([reads.length, isDone]).toEqual([1, false]);
  reads[0]?.();
  await first;
  await quiet();
  // What was appended after the first had read it is not passed over.
  expect([reads.length, isDone]).toEqual([2, false]);
  reads[1]?.();
  await second;
});

test('whoever waits goes on when the one that had it failed', async () => {
  const { reads, projector } = gated();
  const first = projector.project([key]);
  const second = projector.project([key]);
  reads[0]?.(new Error('the store is away'));
  await expect(first).rejects.toThrow('the store is away');
  await quiet();
  reads[1]?.();
  expect(await second).toBe(0);
});

/** A hot contact with one overflowing event, of which another projector was faster or not. */
function hot(written: number, entriesNow: number) {
  const event = {
    id: 'over',
    type: 'opted_out',
    at: 1000,
    recorded: 1_024_000,
    scope: ALL_MARKETING,
    source: { kind: 'api' },
  };
  const contact = {
    key,
    type: 'email',
    rev: 4,
    entries: 2,
    state: EMPTY_STATE,
    pending: [event],
    overflow: 1,
    pendingSyncs: [],
    synced: {},
    configuration: 'now',
  };
  const dropped: string[] = [];
  const projector = createProjector({
    contacts: {
      find: async () => new Map([[key.toString('hex'), contact]]),
      touch: async () => undefined,
      project: async () => written,
      entriesOf: async () => new Map([[key.toString('hex'), entriesNow]]),
      dropOverflow: async (_key: Buffer, ids: readonly string[]) => {
        dropped.push(...ids);
      },
    },
    ledger: { findIds: async () => new Map(), insert: async () => new Set() },
    configuration: 'now',
    policy,
    destinations: [],
    clock: { now: () => 2000 },
    onPending: () => undefined,
  } as never);
  return { projector, dropped };
}

test.each([
  ['the projection was written', 1, 0, ['over']],
  ['another projector was faster, and its snapshot lacks it', 0, 2, []],
  ['another projector was faster, and has it in its snapshot', 0, 3, ['over']],
])('overflow is dropped once the snapshot has it: %s', async (_name, written, entriesNow, expected) => {
  const { projector, dropped } = hot(written, entriesNow);
  await projector.project([key]);
  expect(dropped).toEqual(expected);
});
