import type { Logger } from 'pino';
import { createScheduler } from '../scheduler.js';
import type { Contacts } from '../store/contacts.js';
import type { Projector } from './projector.js';

/** Contacts a projection round takes. */
const BATCH_SIZE = 100;
/**
 * After a round of so many ms it rests this many times as long, at most LONGEST_REST ms, before the next: acknowledging goes
 * first, decisions fold what is pending anyway, and fuller rounds cost less an event. Who is alone is projected at once.
 */
const REST_FACTOR = 3;
const MAX_REST_MS = 400;
/**
 * While so many contacts are appended to in 100 ms, as in the minutes after a campaign, it rests on: a durable answer is
 * what somebody waits for. But nothing waits longer than this (ms) to be told on.
 */
const BUSY_APPENDS = 20;
const MAX_WAIT_MS = 3000;

/**
 * Runs the projector: at once for contacts this process appended to, and every two seconds for any that somebody left
 * (another process, a crash, a lost race).
 */
export function createProjectionLoop(parts: {
  readonly projector: Projector;
  readonly contacts: Contacts;
  readonly log: Logger;
  readonly sweepMs?: number;
  /** Told after each sweep how many contacts this process could not open, for want of a key. */
  readonly onUnopened?: (contacts: number) => void;
}) {
  const { projector, contacts, log } = parts;
  const waiting = new Map<string, { readonly key: Buffer; readonly since: number }>();
  let appended = 0;
  let running: Promise<void> | undefined;
  const sweeps = createScheduler({ log, everyMs: parts.sweepMs ?? 2000, tasks: { 'sweeping for projections': sweep } });
  let stopped = false;
  let isSettling = false;
  let endRest = (): void => undefined;

  function rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const over = setTimeout(resolve, isSettling || stopped ? 0 : ms);
      endRest = () => {
        clearTimeout(over);
        resolve();
      };
    });
  }

  /** The oldest comes first: a contact that is appended to again keeps its place. */
  function waitsFor(): number {
    const [first] = waiting.values();
    return first ? performance.now() - first.since : 0;
  }

  async function yieldToAppends(): Promise<void> {
    for (let before = appended; waitsFor() < MAX_WAIT_MS; before = appended) {
      await rest(100);
      if (isSettling || stopped || appended - before < BUSY_APPENDS) return;
    }
  }

  async function drain(): Promise<void> {
    while (waiting.size > 0) {
      const began = performance.now();
      const round = [...waiting.entries()].slice(0, BATCH_SIZE);
      for (const [id] of round) waiting.delete(id);
      try {
        await projector.project(round.map(([, { key }]) => key));
      } catch (error) {
        // What failed is still dirty in the store; the sweep takes it up again.
        log.warn({ err: error }, 'projection round failed');
        return;
      }
      await rest(Math.min(REST_FACTOR * (performance.now() - began), MAX_REST_MS));
      if (waiting.size > 0) await yieldToAppends();
    }
  }

  function wake(): void {
    if (running || stopped) return;
    running = drain().finally(() => {
      running = undefined;
      if (waiting.size > 0 && !stopped) setImmediate(wake);
    });
  }

  async function sweep(): Promise<void> {
    // Those that we cannot open stay the oldest: they are passed over, so that they hold up nobody else.
    let unopened = 0;
    for (;;) {
      const keys = await contacts.dirtyKeys(BATCH_SIZE, new Date(Date.now() - 500), unopened);
      if (keys.length === 0 || stopped) break;
      unopened += await projector.project(keys);
      if (keys.length < BATCH_SIZE) break;
    }
    parts.onUnopened?.(unopened);
  }

  return {
    /** Something was appended to a contact. */
    projectSoon(key: Buffer): void {
      if (stopped) return;
      const id = key.toString('hex');
      appended++;
      waiting.set(id, waiting.get(id) ?? { key, since: performance.now() });
      wake();
    },
    start: sweeps.start,
    sweep,
    /** Resolves when what this process appended so far is projected. */
    async settle(): Promise<void> {
      isSettling = true;
      endRest();
      while (running || waiting.size > 0) {
        wake();
        await running;
      }
      isSettling = false;
    },
    async stop(): Promise<void> {
      stopped = true;
      endRest();
      // A sweep under way is not waited for: the store may be gone, and what is left shows in it.
      void sweeps.stop();
      await running;
    },
  };
}

export type ProjectionLoop = ReturnType<typeof createProjectionLoop>;
