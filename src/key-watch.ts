import type { Logger } from 'pino';
import { type Fingerprints, missingKeyIds } from './config/secrets.js';

/**
 * Knows which root keys this process lacks: those that another process registered, and those that something was found
 * sealed under. Says so in the log when it changes, and to readiness and metrics whenever they ask.
 */
export function createKeyWatch(parts: {
  readonly ours: Fingerprints;
  /** What is registered in the store. */
  readonly recorded: () => Promise<Fingerprints | undefined>;
  readonly log: Logger;
}) {
  const { ours, log } = parts;
  const missing = new Set<number>();

  function note(keyId: number): void {
    if (missing.has(keyId)) return;
    missing.add(keyId);
    log.error(
      { keyId },
      'this process lacks a root key that records are sealed under: they are left pending. Add it to HUSH_SECRETS_FILE and restart',
    );
  }

  return {
    /** Something was found sealed under a key that we lack. */
    note,

    /** Looks at what is registered now. Rejects where the store cannot be reached. */
    async look(): Promise<void> {
      const recorded = await parts.recorded();
      if (recorded) for (const keyId of missingKeyIds(ours, recorded)) note(keyId);
    },

    /** Key ids that we lack, in order. */
    missing: (): number[] => [...missing].sort((a, b) => a - b),
  };
}

export type KeyWatch = ReturnType<typeof createKeyWatch>;
