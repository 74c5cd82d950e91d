import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import type { Machine, Timer } from '../core/machine.js';
import { isUnavailable } from '../store/connect.js';
import { type ContactWatch, type Moment, type ResumeToken, WatchEnded } from '../store/contact-watch.js';
import type { Contacts } from '../store/contacts.js';
import { type ContactIndex, createContactIndex } from './contact-index.js';

/**
 * Between two looks for changes (ms), and while others are expected to ask. A look that the database held open instead would
 * have it look again at every write to anything.
 */
const PAUSE_MS = 50;
const BUSY_PAUSE_MS = 10;
/** How long (ms) the database holds a look open that finds none; longer while a question waits for it. */
const LOOK_MS = 1;
const HASTY_LOOK_MS = 2;
/** For so long (ms) after somebody asked, others are expected to ask. */
const BUSY_MS = 1000;
/** Longer (ms) nobody waits for the index: the store answers instead. */
const MAX_WAIT_MS = 500;
/** Contacts that are read again with one command. */
const REREAD = 500;
/** Pauses (ms) before the index is loaded again after a failure. */
const RETRY_MS = 1000;
const MAX_RETRY_MS = 60_000;

export type IndexPhase = 'off' | 'loading' | 'current' | 'stale';

interface Waiting {
  readonly moment: Moment;
  readonly resolve: (isPast: boolean) => void;
}

/** One loading of the index, and what follows it. */
interface Round {
  readonly index: ContactIndex;
  watch: ContactWatch;
  token: ResumeToken | undefined;
  isLoaded: boolean;
  until: Moment;
  /** Contacts (by hex) that have changed since they were read. */
  changed: Map<string, Buffer>;
  rereading: Promise<void> | undefined;
}

/**
 * Keeps a table of what decisions go by in the memory of this process, for questions about many contacts at once. What
 * changes is marked as unknown as soon as the database says so, and read again. Who asks waits until every change that was
 * acknowledged before the question has been heard of: docs/decisions/decision-index.md.
 */
export function createDecisionIndex(parts: {
  readonly contacts: Pick<Contacts, 'watch' | 'scan' | 'reread' | 'presentMoment'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Pick<Logger, 'warn' | 'debug'>;
  /** Told how long (ms) ago a change was written when it was heard of. */
  readonly onChange?: (ageMs: number) => void;
}) {
  const { contacts, clock, machine, log } = parts;
  let phase: IndexPhase = 'off';
  let round: Round | undefined;
  let stopped = true;
  let retry: Timer | undefined;
  let lastAsked = Number.NEGATIVE_INFINITY;
  let waiting: Waiting[] = [];
  let loadedInMs: number | undefined;
  let hurry: (() => void) | undefined;
  let restTimer: Timer | undefined;

  function wake(until: Moment | undefined): void {
    const isOver = ({ moment }: Waiting) => until === undefined || moment <= until;
    const over = waiting.filter(isOver);
    waiting = waiting.filter((one) => !isOver(one));
    for (const { resolve } of over) resolve(until !== undefined);
  }

  async function load(current: Round): Promise<void> {
    const began = machine.elapsed();
    const pages = contacts.scan(current.watch.from);
    // The database reads a page while the one before is taken.
    let next = pages.next();
    for (let page = await next; !page.done; page = await next) {
      if (stopped || round !== current) {
        await pages.return(undefined);
        return;
      }
      next = pages.next();
      next.catch(() => undefined);
      // What is there already was read later, or has changed since.
      for (const contact of page.value) if (!current.index.has(contact.key)) current.index.put(contact);
      await machine.yieldTurn();
    }
    if (stopped || round !== current) return;
    loadedInMs = machine.elapsed() - began;
    current.isLoaded = true;
    phase = 'current';
    log.debug({ contacts: current.index.size, ms: Math.round(loadedInMs) }, 'the decision index is loaded');
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      retry = machine.after(ms, resolve);
    });
  }

  /** Ends after so many ms, or as soon as somebody waits for the next look. */
  async function untilAsked(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      hurry = resolve;
      restTimer = machine.after(ms, resolve);
      restTimer.unref();
    });
    restTimer?.cancel();
    hurry = undefined;
  }

  async function reread(current: Round): Promise<void> {
    while (current.changed.size > 0 && round === current) {
      const keys = new Map([...current.changed].slice(0, REREAD));
      for (const id of keys.keys()) current.changed.delete(id);
      try {
        const found = await contacts.reread([...keys.values()], current.until);
        // What changed again while it was read stays unknown, and its turn comes.
        for (const contact of found) {
          if (!current.changed.has(contact.key.toString('hex'))) current.index.put(contact);
        }
      } catch (error) {
        for (const [id, key] of keys) current.changed.set(id, key);
        throw error;
      }
    }
  }

  async function look(current: Round): Promise<void> {
    if (waiting.length === 0) await untilAsked(machine.elapsed() - lastAsked < BUSY_MS ? BUSY_PAUSE_MS : PAUSE_MS);
    if (stopped || round !== current) return;
    const found = await current.watch.next(waiting.length > 0 ? HASTY_LOOK_MS : LOOK_MS);
    for (const { key, aliasGroup } of found.contacts) {
      current.index.forget(key, aliasGroup);
      current.changed.set(key.toString('hex'), key);
    }
    // A watch that was opened again begins before where the last one ended.
    if (found.until > current.until) current.until = found.until;
    current.token = found.token;
    if (found.oldest !== undefined) parts.onChange?.(Math.max(0, clock.now() - found.oldest));
    if (!current.isLoaded) return;
    phase = 'current';
    wake(current.until);
    if (current.changed.size === 0 || current.rereading) return;
    current.rereading = reread(current)
      // They stay in `changed`, and the next look finds them there.
      .catch((error: unknown) => log.warn({ err: error }, 'contacts that changed could not be read again yet'))
      .finally(() => {
        current.rereading = undefined;
      });
  }

  /** Opens a watch that goes on where the last one ended. Throws where there is no going on. */
  async function reopen(current: Round, error: unknown): Promise<void> {
    if (error instanceof WatchEnded || !current.token) throw error;
    phase = 'stale';
    wake(undefined);
    log.warn({ err: error }, 'the decision index hears of no changes; the store answers');
    await current.watch.close();
    for (;;) {
      if (stopped) return;
      try {
        current.watch = await contacts.watch(current.token);
        return;
      } catch (failure) {
        if (!isUnavailable(failure)) throw failure;
        await pause(RETRY_MS);
      }
    }
  }

  async function follow(current: Round): Promise<void> {
    while (!stopped && round === current) {
      try {
        await look(current);
      } catch (error) {
        if (!stopped) await reopen(current, error);
      }
    }
  }

  /** Loads the index and keeps it true until there is no going on. */
  async function runOnce(): Promise<void> {
    const watch = await contacts.watch();
    const current: Round = {
      index: createContactIndex(),
      watch,
      token: undefined,
      isLoaded: false,
      until: watch.from,
      changed: new Map(),
      rereading: undefined,
    };
    round = current;
    phase = 'loading';
    try {
      await new Promise<void>((resolve, reject) => {
        load(current).catch(reject);
        follow(current).then(resolve, reject);
      });
    } finally {
      if (round === current) round = undefined;
      wake(undefined);
      await current.watch.close();
    }
  }

  async function run(): Promise<void> {
    for (let pauseMs = RETRY_MS; !stopped; pauseMs = Math.min(MAX_RETRY_MS, pauseMs * 2)) {
      const began = machine.elapsed();
      try {
        await runOnce();
      } catch (error) {
        if (stopped) return;
        phase = phase === 'off' ? 'off' : 'stale';
        log.warn({ err: error }, 'there is no decision index now; the store answers');
      }
      if (stopped) return;
      if (machine.elapsed() - began > MAX_RETRY_MS) pauseMs = RETRY_MS;
      await pause(pauseMs);
    }
  }

  /** Asked once for all who come while the one before is on its way: a moment must not lie before the question. */
  let next: Promise<Moment> | undefined;
  let asking: Promise<unknown> = Promise.resolve();
  function presentMoment(): Promise<Moment> {
    next ??= asking
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        const moment = contacts.presentMoment();
        asking = moment;
        return moment;
      });
    return next;
  }

  /** True once every change up to the moment has been heard of. */
  function heardOf(moment: Moment, current: Round): Promise<boolean> {
    if (round !== current) return Promise.resolve(false);
    if (moment <= current.until) return Promise.resolve(true);
    return new Promise((resolve) => {
      waiting.push({ moment, resolve });
      hurry?.();
    });
  }

  return {
    start(): void {
      stopped = false;
      void run();
    },

    /** Not waited for: a look for changes ends when the store closes, and nothing it finds is used. */
    stop(): void {
      stopped = true;
      retry?.cancel();
      hurry?.();
      round = undefined;
      phase = 'off';
      wake(undefined);
    },

    /**
     * The index, with every change in it that was acknowledged before this was called. Undefined where that cannot be said:
     * while it loads, when its changes do not arrive, and where the database has none to give. It is good for questions
     * that were there before the call, and for no later ones.
     */
    async current(): Promise<ContactIndex | undefined> {
      const asked = round;
      if (!asked?.isLoaded || phase !== 'current') return undefined;
      lastAsked = machine.elapsed();
      let timer: Timer | undefined;
      const late = new Promise<boolean>((resolve) => {
        timer = machine.after(MAX_WAIT_MS, () => resolve(false));
      });
      try {
        const heard = presentMoment().then((moment) => heardOf(moment, asked));
        return (await Promise.race([heard, late])) && round === asked ? asked.index : undefined;
      } catch {
        // A store that is away fails the read that follows, and that is reported.
        return undefined;
      } finally {
        timer?.cancel();
      }
    },

    status: () => ({
      phase,
      entries: round?.index.size ?? 0,
      shapes: round?.index.shapes ?? 0,
      bytes: round?.index.bytes ?? 0,
      waiting: round?.changed.size ?? 0,
      loadedInMs,
    }),
  };
}

export type DecisionIndex = ReturnType<typeof createDecisionIndex>;
