import type { Logger } from 'pino';
import { type Fingerprints, missingKeyIds } from './config/secrets.js';
import type { Machine } from './core/machine.js';
import { MissingKeyError } from './core/seal.js';

/** Whoever sends tokens that we cannot open makes us look at the store once in so long (ms), at most. */
const LOOK_EVERY_MS = 1000;

/**
 * Knows which root keys this process lacks: those that another process registered, and those that something was found
 * sealed under. Says so in the log when it changes, and to readiness and metrics whenever they ask.
 */
export function createKeyWatch(parts: {
  readonly ours: Fingerprints;
  /** What is registered in the store. */
  readonly recorded: () => Promise<Fingerprints | undefined>;
  readonly log: Logger;
  readonly machine: Pick<Machine, 'elapsed'>;
}) {
  const { ours, log, machine } = parts;
  const missing = new Set<number>();
  let looked = Number.NEGATIVE_INFINITY;
  let looking = Promise.resolve();

  function note(keyId: number): void {
    if (missing.has(keyId)) return;
    missing.add(keyId);
    log.error(
      { keyId },
      'this process lacks a root key that records are sealed under: they are left pending. Add it to HUSH_SECRETS_FILE and restart',
    );
  }

  async function look(): Promise<void> {
    const recorded = await parts.recorded();
    if (recorded) for (const keyId of missingKeyIds(ours, recorded)) note(keyId);
  }

  /** What is registered now, or was a second ago; what we knew before where the store cannot be reached. */
  function lookAgain(): Promise<void> {
    if (machine.elapsed() - looked >= LOOK_EVERY_MS) {
      looked = machine.elapsed();
      looking = look().catch(() => undefined);
    }
    return looking;
  }

  return {
    /** Something was found sealed under a key that we lack. */
    note,

    /** Looks at what is registered now. Rejects where the store cannot be reached. */
    look,

    /**
     * Asked before something that does not open is called forged: throws MissingKeyError where it may be genuine, because it
     * names a root that this installation has and our ring lacks. A key id that nobody registered is noise.
     *
     * @param named the key ids that it names; without them it names none, and any root that we lack may have made it
     */
    async requireKeys(named?: readonly number[]): Promise<void> {
      if (named?.every((keyId) => String(keyId) in ours.roots)) return;
      await lookAgain();
      const [keyId] = [...missing].filter((one) => named === undefined || named.includes(one));
      if (keyId !== undefined) throw new MissingKeyError(keyId);
    },

    /** Key ids that we lack, in order. */
    missing: (): number[] => [...missing].sort((a, b) => a - b),
  };
}

export type KeyWatch = ReturnType<typeof createKeyWatch>;
