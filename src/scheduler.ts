import type { Logger } from 'pino';

/**
 * Small tasks that every worker does now and then, each at its own pace: one that takes long holds up no other. Each bears
 * being done by two workers at once. One that fails is logged and comes again.
 */
export function createScheduler(parts: {
  readonly log: Logger;
  readonly everyMs: number;
  readonly tasks: Readonly<Record<string, () => Promise<unknown>>>;
}) {
  const { log, everyMs } = parts;
  const tasks = Object.entries(parts.tasks);
  const timers = new Map<string, NodeJS.Timeout>();
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
          void runOnce(task).then(() => {
            if (!stopped) timers.set(task[0], setTimeout(repeat, everyMs));
          });
        };
        repeat();
      }
    },

    async stop(): Promise<void> {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
