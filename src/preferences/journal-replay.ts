import type { Machine } from '../core/machine.js';
import type { AppendOne } from './append.js';
import type { Journal } from './journal.js';

/** Between two tries (ms) while the store is unavailable. */
const REPLAY_EVERY_MS = 500;

/**
 * The journal of a process whose events go to the store as soon as it is back: whoever was answered from the journal is to be
 * suppressed within seconds, not when somebody next asks whether the process is ready.
 */
export function createReplayedJournal(parts: {
  readonly journal: Pick<Journal, 'write' | 'replay' | 'holds'>;
  readonly append: AppendOne;
  readonly machine: Pick<Machine, 'after'>;
}): Pick<Journal, 'write'> {
  const { journal, append, machine } = parts;
  let isPlanned = false;

  async function replay(): Promise<void> {
    await journal.replay(append).catch(() => undefined);
    isPlanned = false;
    if (journal.holds()) plan();
  }

  function plan(): void {
    if (isPlanned) return;
    isPlanned = true;
    machine.after(REPLAY_EVERY_MS, () => void replay()).unref();
  }

  return {
    async write(item) {
      await journal.write(item);
      plan();
    },
  };
}
