import { expect, test } from '@jest/globals';
import { createProjector } from '../../src/projection/project.js';

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
