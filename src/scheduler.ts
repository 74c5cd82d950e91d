import type { Logger } from 'pino';
import type { Machine, Timer } from './core/machine.js';
import type { Leader } from './store/leader.js';

/**
 * Small tasks that a process does now and then, each at its own pace: one that takes long holds up no other. Each may be
 * done by two processes at once. One that fails is logged and comes again.
 */
export function createScheduler(parts: {
  readonly machine: Pick<Machine, 'after' | 'elapsed'>;
  readonly log: Pick<Logger, 'warn'>;
  readonly everyMs: number;
  /** What `everyMs` is counted from: the end of a round, or its start, where rounds that take long must not come less often. */
  readonly countedFrom?: 'end' | 'start';
  /** The lease that the tasks take; given up when they have stopped, so that the next holder need not wait. */
  readonly leader?: Pick<Leader, 'release'>;
  readonly tasks: Readonly<Record<string, () => Promise<unknown>>>;
}) {
  const { machine, log, everyMs, countedFrom = 'end', leader } = parts;
  const tasks = Object.entries(parts.tasks);
  const timers = new Map<string, Timer>();
  const running = new Map<string, Promise<void>>();
  let stopped = false;

  function runOnce([name, task]: (typeof tasks)[number]): Promise<void> {
    const under = running.get(name);
    if (under) return under;
    const round = task()
      .then(() => undefined)
      .catch((error: unknown) => log.warn({ err: error, task: name }, 'a task failed; it comes again'))
      .finally(() => running.delete(name));
    running.set(name, round);
    return round;
  }

  return {
    /** Does each once; one that is under way is waited for. */
    runOnce: async (): Promise<void> => {
      await Promise.all(tasks.map(runOnce));
    },

    /** True from `stop` on: a task that works in rounds ends after the one it is at. */
    isStopped: (): boolean => stopped,

    start(): void {
      for (const task of tasks) {
        const repeat = () => {
          const startedAt = machine.elapsed();
          void runOnce(task).then(() => {
            const passed = countedFrom === 'start' ? machine.elapsed() - startedAt : 0;
            if (!stopped) timers.set(task[0], machine.after(Math.max(0, everyMs - passed), repeat));
          });
        };
        repeat();
      }
    },

    /** Resolves when what is under way has ended. */
    async stop(): Promise<void> {
      stopped = true;
      for (const timer of timers.values()) timer.cancel();
      await Promise.all(running.values());
      await leader?.release().catch(() => undefined);
    },
  };
}
