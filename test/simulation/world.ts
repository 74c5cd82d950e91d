import TinyQueue from 'tinyqueue';
import { seeded } from '../support/seeded.js';

/** A process of the simulation: what is planned for it does not happen once it was killed, and later while it is paused. */
export interface Owner {
  readonly name: string;
  isAlive: boolean;
  /** ms; nothing happens in it before. */
  pausedUntil: number;
  /** It was paused. */
  stoodStill: boolean;
  /** ms; until then nothing reaches the database from it. */
  cutOffUntil: number;
}

interface Step {
  readonly time: number;
  readonly order: number;
  readonly owner: Owner | undefined;
  readonly run: () => void;
}

export interface WorldOptions {
  /** Hears what happens, with its simulated ms. */
  readonly onLine?: (time: number, line: string) => void;
  /** Of the commands that reach the database, those that are told, too. */
  readonly commands?: RegExp;
}

/** Keys and what is sealed are told by their first bytes. */
function shortened(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('type' in value) || value.type !== 'Buffer') return value;
  return Buffer.from(value as unknown as Buffer)
    .toString('hex')
    .slice(0, 8);
}

/** Midnight of a day on which nothing special happens to calendars. */
export const EPOCH = Date.parse('2026-03-10T00:00:00Z');

/**
 * Simulated time: everything that would have to wait in a real installation (a message, a disk, a timer) is a step with a time,
 * and steps happen one after the other, each with all that follows from it without waiting. The seed decides how long what
 * takes, and so in which order the steps come.
 */
export function createWorld(seed: number, options: WorldOptions = {}) {
  const random = seeded(seed);
  const steps = new TinyQueue<Step>([], (a, b) => a.time - b.time || a.order - b.order);
  let now = EPOCH;
  let order = 0;
  let done = 0;
  let digest = 0;

  /** One number for all that happened, in its order: the same for the same seed. */
  function note(line: string): void {
    for (let at = 0; at < line.length; at++) digest = (Math.imul(digest, 31) + line.charCodeAt(at)) | 0;
    digest = (Math.imul(digest, 31) + Math.round(now * 1000)) | 0;
    options.onLine?.(now - EPOCH, line);
  }

  function at(time: number, owner: Owner | undefined, run: () => void): void {
    steps.push({ time: Math.max(time, now), order: order++, owner, run });
  }

  return {
    random,
    /** ms since 1970, of a clock that is right. */
    now: (): number => now,
    at,
    after: (ms: number, owner: Owner | undefined, run: () => void): void => at(now + ms, owner, run),
    note,
    /** Tells of a command and its answer, where that is asked for; nothing happens by it. */
    trace(owner: Owner, command: object, reply: object): void {
      if (!options.commands) return;
      const text = JSON.stringify(command, shortened);
      if (options.commands.test(text))
        options.onLine?.(now - EPOCH, `${owner.name}: ${text} ${JSON.stringify(reply, shortened)}`);
    },
    digest: (): number => digest,
    steps: (): number => done,
    integer: (below: number): number => Math.floor(random() * below),
    happens: (probability: number): boolean => random() < probability,
    between: (low: number, high: number): number => low + random() * (high - low),

    /** Does the next step and all that follows from it. False when there is none before `until` (ms). */
    async step(until: number): Promise<boolean> {
      for (;;) {
        const next = steps.peek();
        if (!next || next.time > until) {
          now = Math.max(now, until);
          return false;
        }
        steps.pop();
        const { owner } = next;
        if (owner && !owner.isAlive) continue;
        if (owner && owner.pausedUntil > next.time) {
          at(owner.pausedUntil, owner, next.run);
          continue;
        }
        now = Math.max(now, next.time);
        done++;
        next.run();
        // Promises that are kept by now have their turn; nothing in the simulation waits for anything else.
        await new Promise((resolve) => setImmediate(resolve));
        return true;
      }
    },
  };
}

export type World = ReturnType<typeof createWorld>;
