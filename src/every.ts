import type { Logger } from 'pino';

/**
 * Small chores that every worker does now and then: each bears being done by two at once. One that fails is logged and
 * comes again.
 */
export function createEvery(parts: {
  readonly log: Logger;
  readonly everyMs: number;
  readonly chores: Readonly<Record<string, () => Promise<unknown>>>;
}) {
  const { log, everyMs, chores } = parts;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;

  async function round(): Promise<void> {
    for (const [name, chore] of Object.entries(chores)) {
      if (stopped) return;
      await chore().catch((error: unknown) => log.warn({ err: error, chore: name }, 'a chore failed; it comes again'));
    }
  }

  function once(): Promise<void> {
    running ??= round().finally(() => {
      running = undefined;
    });
    return running;
  }

  return {
    once,
    start(): void {
      const again = () => {
        void once().then(() => {
          if (!stopped) timer = setTimeout(again, everyMs);
        });
      };
      again();
    },
    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
