import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import { createScheduler } from '../scheduler.js';
import type { Contacts } from '../store/contacts.js';
import type { Projector } from './project.js';

/** Contacts that a projection round takes. */
const BATCH_SIZE = 100;
/**
 * After a round of so many ms it rests this many times as long, at most MAX_REST_MS, before the next: acknowledging goes
 * first, decisions fold what is pending anyway, and fuller rounds cost less an event. A contact alone is projected at once.
 */
const REST_FACTOR = 3;
const MAX_REST_MS = 400;
/**
 * While so many contacts are appended to in 100 ms, as in the minutes after a campaign, it rests on: a durable answer is
 * what somebody waits for. But no contact waits longer than MAX_WAIT_MS for its projection.
 */
const BUSY_APPENDS = 20;
const BUSY_MS = 100;
const MAX_WAIT_MS = 3000;
/** Between two sweeps (ms). */
const SWEEP_MS = 2000;
/** What was appended within so many ms is left to the process that appended it. */
const SWEEP_AFTER_MS = 500;

interface LoopContext {
  readonly projector: Projector;
  readonly contacts: Pick<Contacts, 'dirtyKeys'>;
  readonly log: Logger;
  readonly machine: Machine;
  readonly sweepMs?: number;
  /** After each sweep: how many contacts this process could not open, for want of a key. */
  readonly onUnopened?: (contacts: number) => void;
}

/**
 * Projects the contacts that somebody left: another process, a crash, a lost race. Those that we cannot open stay the oldest:
 * they are passed over, so that they hold up nobody else.
 */
async function sweepDirty(context: LoopContext, isStopped: () => boolean): Promise<void> {
  const { projector, contacts, machine, onUnopened } = context;
  let unopened = 0;
  for (;;) {
    const keys = await contacts.dirtyKeys(BATCH_SIZE, new Date(machine.now() - SWEEP_AFTER_MS), unopened);
    if (keys.length === 0 || isStopped()) break;
    unopened += await projector.project(keys);
    if (keys.length < BATCH_SIZE) break;
  }
  onUnopened?.(unopened);
}

/** A rest that can be ended early; once it is ended for good, none is taken. */
function createRest(machine: Pick<Machine, 'after'>) {
  let isOver = false;
  let end = (): void => undefined;
  return {
    take(ms: number): Promise<void> {
      return new Promise((resolve) => {
        const timer = machine.after(isOver ? 0 : ms, resolve);
        end = () => {
          timer.cancel();
          resolve();
        };
      });
    },
    /** Ends the rest that is being taken, and skips those to come until `skip(false)`. */
    skip(skips: boolean): void {
      isOver = skips;
      if (skips) end();
    },
    isSkipped: () => isOver,
  };
}

/**
 * Runs the projector: at once for contacts this process appended to, and every two seconds for any that somebody left.
 */
export function createProjectionLoop(context: LoopContext) {
  const { projector, log, machine } = context;
  const waiting = new Map<string, { readonly key: Buffer; readonly since: number }>();
  const rest = createRest(machine);
  let appended = 0;
  let running: Promise<void> | undefined;
  let stopped = false;
  const sweep = (): Promise<void> => sweepDirty(context, () => stopped);
  const sweeps = createScheduler({
    machine,
    log,
    everyMs: context.sweepMs ?? SWEEP_MS,
    tasks: { 'sweeping for projections': sweep },
  });

  /** How long (ms) the oldest waits. It comes first: a contact that is appended to again keeps its place. */
  function longestWait(): number {
    const [first] = waiting.values();
    return first ? machine.elapsed() - first.since : 0;
  }

  async function yieldToAppends(): Promise<void> {
    for (let before = appended; longestWait() < MAX_WAIT_MS; before = appended) {
      await rest.take(BUSY_MS);
      if (rest.isSkipped() || appended - before < BUSY_APPENDS) return;
    }
  }

  async function drain(): Promise<void> {
    while (waiting.size > 0) {
      const began = machine.elapsed();
      const round = [...waiting.entries()].slice(0, BATCH_SIZE);
      for (const [id] of round) waiting.delete(id);
      try {
        await projector.project(round.map(([, { key }]) => key));
      } catch (error) {
        // What failed is still dirty in the store; the sweep takes it up again.
        log.warn({ err: error }, 'projection round failed');
        return;
      }
      await rest.take(Math.min(REST_FACTOR * (machine.elapsed() - began), MAX_REST_MS));
      if (waiting.size > 0) await yieldToAppends();
    }
  }

  function wake(): void {
    if (running || stopped) return;
    running = drain().finally(() => {
      running = undefined;
      if (waiting.size > 0 && !stopped) void machine.yieldTurn().then(wake);
    });
  }

  return {
    /** Something was appended to a contact. */
    projectSoon(key: Buffer): void {
      if (stopped) return;
      const id = key.toString('hex');
      appended++;
      waiting.set(id, waiting.get(id) ?? { key, since: machine.elapsed() });
      wake();
    },
    start: sweeps.start,
    sweep,
    /** Resolves when what this process appended so far is projected. */
    async settle(): Promise<void> {
      rest.skip(true);
      while (running || waiting.size > 0) {
        wake();
        await running;
      }
      rest.skip(stopped);
    },
    async stop(): Promise<void> {
      stopped = true;
      rest.skip(true);
      // A sweep under way is not waited for: the store may be gone, and what is left shows in it.
      void sweeps.stop();
      await running;
    },
  };
}

export type ProjectionLoop = ReturnType<typeof createProjectionLoop>;
