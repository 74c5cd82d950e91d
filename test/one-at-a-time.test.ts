import { describe, expect, test } from '@jest/globals';
import { oneAtATime } from '../src/one-at-a-time.js';

/** Lets everything run that waits for no timer. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Work of which the test ends each run. */
function controlled() {
  const ends: ((error?: Error) => void)[] = [];
  let active = 0;
  const work = {
    runs: 0,
    mostAtOnce: 0,
    end: (error?: Error) => ends.shift()?.(error),
    run: () => {
      work.runs++;
      active++;
      work.mostAtOnce = Math.max(work.mostAtOnce, active);
      return new Promise<void>((resolve, reject) => {
        ends.push((error) => {
          active--;
          if (error) reject(error);
          else resolve();
        });
      });
    },
  };
  return work;
}

/** What became of a promise so far. */
function outcomeOf(promise: Promise<void>) {
  const outcome: { is: string } = { is: 'pending' };
  promise.then(
    () => Object.assign(outcome, { is: 'done' }),
    (error: Error) => Object.assign(outcome, { is: error.message }),
  );
  return outcome;
}

describe('work that is done one at a time', () => {
  test('starts at once when nothing runs, and again for a later call', async () => {
    const work = controlled();
    const call = oneAtATime(work.run);
    for (const runs of [1, 2]) {
      const outcome = outcomeOf(call());
      expect(work.runs).toBe(runs);
      await settled();
      expect(outcome.is).toBe('pending');
      work.end();
      await settled();
      expect(outcome.is).toBe('done');
    }
  });

  test('during a run, all calls share one more run after it', async () => {
    const work = controlled();
    const call = oneAtATime(work.run);
    const first = outcomeOf(call());
    const during = [outcomeOf(call()), outcomeOf(call())];
    await settled();
    expect(work.runs).toBe(1);
    work.end();
    await settled();
    expect([first.is, ...during.map(({ is }) => is)]).toEqual(['done', 'pending', 'pending']);
    expect(work.runs).toBe(2);
    // The second run is under way: it may have missed what this call is about.
    const late = outcomeOf(call());
    work.end();
    await settled();
    expect([...during.map(({ is }) => is), late.is]).toEqual(['done', 'done', 'pending']);
    work.end();
    await settled();
    expect([late.is, work.runs, work.mostAtOnce]).toEqual(['done', 3, 1]);
  });

  test('a call between two runs starts no run beside the next', async () => {
    const work = controlled();
    const call = oneAtATime(work.run);
    const first = call();
    const second = call();
    // Called in the very moment in which the first run has ended and the second has not begun, whichever step that is.
    const between: Promise<void>[] = [];
    work.end();
    for (let step = 0; step < 10; step++) {
      await Promise.resolve();
      between.push(call());
    }
    for (let run = 0; run < 3; run++) {
      await settled();
      work.end();
    }
    expect(work.mostAtOnce).toBe(1);
    await Promise.all([first, second, ...between]);
  });

  test('a run that fails fails its own callers, and not those of the next', async () => {
    const work = controlled();
    const call = oneAtATime(work.run);
    const first = outcomeOf(call());
    const second = outcomeOf(call());
    work.end(new Error('not now'));
    await settled();
    expect([first.is, second.is, work.runs]).toEqual(['not now', 'pending', 2]);
    work.end(new Error('nor now'));
    await settled();
    expect(second.is).toBe('nor now');
    const third = outcomeOf(call());
    work.end();
    await settled();
    expect(third.is).toBe('done');
  });
});
