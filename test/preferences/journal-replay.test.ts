import { expect, test } from '@jest/globals';
import { createDecisions } from '../../src/preferences/decisions.js';
import { createReplayedJournal } from '../../src/preferences/journal-replay.js';
import type { Append } from '../../src/store/contacts.js';

const item = { event: { id: 'one' } } as unknown as Append;
const append = async () => undefined;

/** A machine whose timers run when the test says so. */
function manualTimers() {
  const due: (() => void)[] = [];
  return {
    due,
    after: (_ms: number, call: () => void) => {
      due.push(call);
      return { cancel: () => undefined, unref: () => undefined };
    },
  };
}

test('what is written to the journal is replayed by itself, again and again until nothing is held', async () => {
  const timers = manualTimers();
  let isUnavailable = true;
  let held = 0;
  let replays = 0;
  const journal = {
    write: async () => {
      held++;
      return undefined;
    },
    holds: () => held > 0,
    replay: async () => {
      replays++;
      if (isUnavailable) throw new Error('the store is unavailable');
      held = 0;
      return 1;
    },
  };
  const replayed = createReplayedJournal({ journal, append, machine: timers });
  await replayed.write(item);
  await replayed.write(item);
  // One try is planned, however many were written.
  expect(timers.due).toHaveLength(1);
  const next = async () => {
    timers.due.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await next();
  expect([replays, held, timers.due.length]).toEqual([1, 2, 1]);
  isUnavailable = false;
  await next();
  expect([replays, held, timers.due.length]).toEqual([2, 0, 0]);
});

test('a process that holds something answers no decision: the store would know less than was acknowledged', async () => {
  const unused = {} as never;
  const decisions = createDecisions({
    contacts: unused,
    ledger: unused,
    catalog: unused,
    policy: unused,
    aliasGroupOf: unused,
    clock: unused,
    machine: unused,
    isBehind: () => true,
  });
  const query = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' } as const;
  await expect(decisions.decideAll([{ key: Buffer.alloc(16) }], query)).rejects.toMatchObject({ kind: 'unavailable' });
  await expect(decisions.present({ key: Buffer.alloc(16) })).rejects.toMatchObject({ kind: 'unavailable' });
});
