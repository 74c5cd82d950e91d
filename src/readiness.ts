import type { Foundation } from './foundation.js';
import type { KeyWatch } from './key-watch.js';
import type { DecisionIndex } from './preferences/decision-index.js';
import { createScheduler } from './scheduler.js';
import { clockOffset, provesDurable, type Stores } from './store/open.js';

/** Difference (ms) between our clock and the database's at which a node calls itself not ready. */
const MAX_SKEW_MS = 1000;
/** How long (ms) a proof of readiness is believed. */
const READY_MS = 1000;
/** How often (ms) clock, journal and keys are looked after. */
const CHECK_EVERY_MS = 10_000;

/**
 * Knows whether this process can acknowledge an opt-out now, and looks after what that needs: the clock follows the
 * database's, the journal is replayed, and keys that others registered are noticed.
 */
export async function createReadiness(
  base: Pick<Foundation, 'machine' | 'clock' | 'log'> & {
    /** Where there is one: its phase is said, and keeps nobody from being ready, because the store answers too. */
    readonly decisionIndex?: Pick<DecisionIndex, 'status'>;
    readonly stores: Pick<Stores, 'connection'>;
    readonly keyWatch: Pick<KeyWatch, 'look' | 'missing'>;
  },
  parts: {
    /** Throws while the store cannot be written. */
    readonly replayJournal: () => Promise<void>;
    /** Throws while the journal cannot be written; undefined without one. */
    readonly checkJournal?: (() => Promise<void>) | undefined;
    /** False while Redis is away. */
    readonly isRedisUp?: () => boolean;
    /** False when a test sets the time. */
    readonly correctClock: boolean;
  },
) {
  const { stores, machine, clock, keyWatch, log } = base;
  const node = `${process.pid}`;
  let skew = 0;
  let stopping = false;
  let provenAt = Number.NEGATIVE_INFINITY;
  let journalProvenAt = Number.NEGATIVE_INFINITY;

  async function measureClock(): Promise<void> {
    skew = await clockOffset(stores.connection, machine);
    if (parts.correctClock) clock.correct(skew);
  }

  async function isDurable(): Promise<boolean> {
    if (machine.elapsed() - provenAt <= READY_MS) return true;
    try {
      await parts.replayJournal();
      await provesDurable(stores.connection, machine, node);
      provenAt = machine.elapsed();
      return true;
    } catch {
      return false;
    }
  }

  /** What keeps the journal from taking an opt-out; undefined where nothing does. */
  async function journalFault(): Promise<string | undefined> {
    if (!parts.checkJournal) return 'there is none';
    if (machine.elapsed() - journalProvenAt <= READY_MS) return undefined;
    try {
      await parts.checkJournal();
      journalProvenAt = machine.elapsed();
      return undefined;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
      return `cannot be written${code}: see HUSH_JOURNAL_DIR`;
    }
  }

  await measureClock();
  const upkeep = createScheduler({
    machine,
    log,
    everyMs: CHECK_EVERY_MS,
    tasks: {
      'measuring the clock': measureClock,
      'replaying the journal': parts.replayJournal,
      'looking for keys': keyWatch.look,
    },
  });
  return {
    /**
     * Whether this process can acknowledge an opt-out now, in the store or in its journal, and what keeps it from that, by name.
     * `full`: whether nothing at all is missing, with everything that is.
     */
    async check(full = false) {
      const checks: Record<string, string> = {};
      if (stopping) checks.process = 'is shutting down';
      const durable = await isDurable();
      const journal = durable && !full ? undefined : await journalFault();
      const journaled = !durable && journal === undefined;
      if (!durable) {
        checks.store = `does not confirm durable writes${journaled ? '; opt-outs are kept in the journal' : ''}`;
      }
      if (full && parts.checkJournal && journal !== undefined) checks.journal = journal;
      if (full && parts.isRedisUp?.() === false) checks.redis = 'is away; destinations hear from the sweeps';
      if (Math.abs(skew) >= MAX_SKEW_MS) {
        checks.clock = `differs from the database's by ${Math.round(Math.abs(skew))} ms; set both by NTP`;
      }
      const missing = keyWatch.missing();
      if (missing.length > 0) {
        checks.keys = `lacks root ${missing.join(', ')}; add it to HUSH_SECRETS_FILE and restart`;
      }
      const ready = Object.keys(checks).every((name) => !full && name === 'store' && journaled);
      const index = full ? base.decisionIndex?.status() : undefined;
      return { ready, checks, ...(index ? { decisionIndex: index.phase } : {}) };
    },

    isStopping: (): boolean => stopping,

    start: upkeep.start,

    stop(): void {
      stopping = true;
      // Not waited for: what of the journal is not replayed yet is replayed at the next start.
      void upkeep.stop();
    },
  };
}

export type Readiness = Awaited<ReturnType<typeof createReadiness>>;
