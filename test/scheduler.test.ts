import { mock } from 'node:test';
import { afterEach, describe, expect, test } from '@jest/globals';
import { machine } from '../src/machine.js';
import { createScheduler } from '../src/scheduler.js';

const EVERY_MS = 1000;
const silent = { warn: () => undefined };

/** Lets everything run that waits for no timer. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A task that counts its rounds; the work is done in each. */
function counted(work: () => Promise<unknown> = async () => undefined) {
  const task = {
    rounds: 0,
    run: () => {
      task.rounds++;
      return work();
    },
  };
  return task;
}

describe('a scheduler', () => {
  afterEach(() => mock.timers.reset());

  test('does each task at once and again after a while, until it is stopped', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const task = counted();
    const scheduler = createScheduler({ machine, log: silent, everyMs: EVERY_MS, tasks: { task: task.run } });
    scheduler.start();
    await settled();
    expect(task.rounds).toBe(1);
    mock.timers.tick(EVERY_MS - 1);
    expect(task.rounds).toBe(1);
    mock.timers.tick(1);
    expect(task.rounds).toBe(2);
    await settled();
    await scheduler.stop();
    mock.timers.tick(10 * EVERY_MS);
    expect([task.rounds, scheduler.isStopped()]).toEqual([2, true]);
  });

  test('logs a task that fails and does it again; another that takes long holds nobody up', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const logged: unknown[] = [];
    const failing = counted(() => Promise.reject(new Error('not now')));
    const endless = counted(() => new Promise(() => undefined));
    const scheduler = createScheduler({
      machine,
      log: { warn: (fields: unknown) => logged.push(fields) },
      everyMs: EVERY_MS,
      tasks: { failing: failing.run, endless: endless.run },
    });
    scheduler.start();
    await settled();
    mock.timers.tick(EVERY_MS);
    await settled();
    expect([failing.rounds, endless.rounds]).toEqual([2, 1]);
    expect(logged).toMatchObject([{ task: 'failing' }, { task: 'failing' }]);
  });

  test.each([
    ['start', 2],
    ['end', 1],
  ] as const)('counts from the %s of a round', async (countedFrom, rounds) => {
    mock.timers.enable({ apis: ['setTimeout'] });
    const task = counted(async () => {
      const startedAt = performance.now();
      while (performance.now() - startedAt < 5);
    });
    const scheduler = createScheduler({
      machine,
      log: silent,
      everyMs: EVERY_MS,
      countedFrom,
      tasks: { task: task.run },
    });
    scheduler.start();
    await settled();
    mock.timers.tick(EVERY_MS - 4);
    expect(task.rounds).toBe(rounds);
    await scheduler.stop();
  });

  test('a round that is asked for while one is under way is that one', async () => {
    let end = (): void => undefined;
    const task = counted(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    const scheduler = createScheduler({ machine, log: silent, everyMs: EVERY_MS, tasks: { task: task.run } });
    const both = Promise.all([scheduler.runOnce(), scheduler.runOnce()]);
    end();
    await both;
    expect(task.rounds).toBe(1);
  });

  test('gives up its lease when the last round has ended, and not before', async () => {
    const order: string[] = [];
    let end = (): void => undefined;
    const work = () =>
      new Promise<void>((resolve) => {
        end = resolve;
      }).then(() => void order.push('ended'));
    const leader = { release: async () => void order.push('released') };
    const scheduler = createScheduler({ machine, log: silent, everyMs: EVERY_MS, leader, tasks: { work } });
    scheduler.start();
    const stopped = scheduler.stop();
    await settled();
    expect(order).toEqual([]);
    end();
    await stopped;
    expect(order).toEqual(['ended', 'released']);
  });
});
