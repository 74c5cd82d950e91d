import type { Logger } from 'pino';

/**
 * Small chores that every worker does now and then, each at its own pace: one that takes long holds up no other. Each bears
 * being done by two workers at once. One that fails is logged and comes again.
 */
export function createEvery(parts: {
  readonly log: Logger;
  readonly everyMs: number;
  readonly chores: Readonly<Record<string, () => Promise<unknown>>>;
}) {
  const { log, everyMs } = parts;
  const chores = Object.entries(parts.chores);
  const timers = new Map<string, NodeJS.Timeout>();
  const running = new Map<string, Promise<void>>();
  let stopped = false;

  function once([name, chore]: (typeof chores)[number]): Promise<void> {
    const under = running.get(name);
    if (under) return under;
    const round = chore()
      .then(() => undefined)
      .catch((error: unknown) => log.warn({ err: error, chore: name }, 'a chore failed; it comes again'))
      .finally(() => running.delete(name));
    running.set(name, round);
    return round;
  }

  return {
    /** Does each once; one that is under way is waited for. */
    once: async (): Promise<void> => {
      await Promise.all(chores.map(once));
    },

    /** True from `stop` on: a chore that works in rounds ends after the one it is at. */
    isStopped: (): boolean => stopped,

    start(): void {
      for (const chore of chores) {
        const again = () => {
          void once(chore).then(() => {
            if (!stopped) timers.set(chore[0], setTimeout(again, everyMs));
          });
        };
        again();
      }
    },

    async stop(): Promise<void> {
      stopped = true;
      for (const timer of timers.values()) clearTimeout(timer);
      await Promise.all(running.values());
    },
  };
}
