import { createScheduler } from '../scheduler.js';
import type { Leader } from '../store/leader.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import { createLogSealer, type SealerParts } from './sealer.js';
import type { Witness } from './witness.js';

/** How often (ms) the counts of ledger and log are compared. */
const CATCH_UP = 3_600_000;
/** How often (ms) witnesses are asked at most. */
const WITNESSING = 2000;

/**
 * Runs the sealer every 500 ms wherever the lease is. The lease only keeps others from doing the same work: two
 * holders, as after a long pause of one, do no harm.
 *
 * @example
 * const sealing = createSealerLoop({ stores, leader: leaders.leaderFor('sealer'), signer, clock, machine, log, witnesses: [] });
 * sealing.start();
 */
export function createSealerLoop(
  parts: SealerParts & {
    readonly leader: Leader;
    readonly witnesses?: readonly Witness[];
    readonly intervalMs?: number;
    readonly witnessMs?: number;
    readonly onPublished?: (checkpoint: StoredCheckpoint, added: number) => void;
    /** Called with whether the last round failed; a log that is damaged stays so until somebody has looked. */
    readonly onState?: (state: 'sealing' | 'standing_by' | 'failing') => void;
  },
) {
  const { leader, log, machine, stores, witnesses = [], intervalMs = 500, witnessMs = WITNESSING } = parts;
  const sealer = createLogSealer(parts);
  let witnessing: Promise<void> | undefined;
  let witnessedAt = 0;
  let comparedAt = Number.NEGATIVE_INFINITY;
  const loop = createScheduler({ machine, log, everyMs: intervalMs, countedFrom: 'start', tasks: { sealing: tick } });

  async function askWitnesses(): Promise<void> {
    const latest = await stores.checkpoints.latest();
    if (latest) await Promise.all(witnesses.map((witness) => witness.cosign(latest)));
  }

  async function tick(): Promise<void> {
    try {
      if (!(await leader.hold())) {
        parts.onState?.('standing_by');
        return;
      }
      if (machine.elapsed() - comparedAt > CATCH_UP) {
        comparedAt = machine.elapsed();
        await sealer.catchUp();
      }
      const { checkpoint, added } = await sealer.round();
      if (checkpoint) parts.onPublished?.(checkpoint, added);
      parts.onState?.('sealing');
      if (witnesses.length > 0 && !witnessing && machine.elapsed() - witnessedAt >= witnessMs) {
        witnessing = askWitnesses()
          .catch((error: unknown) => log.warn({ err: error }, 'asking witnesses failed'))
          .finally(() => {
            witnessedAt = machine.elapsed();
            witnessing = undefined;
          });
      }
    } catch (error) {
      parts.onState?.('failing');
      log.error({ err: error }, 'sealing failed');
    }
  }

  return {
    /** One round now, unless one is under way: then that one. */
    seal: loop.runOnce,
    start: loop.start,
    async stop(): Promise<void> {
      await loop.stop();
      // Nobody else asks the witnesses while they still answer us.
      await witnessing;
      await leader.release().catch(() => undefined);
    },
  };
}

export type SealerLoop = ReturnType<typeof createSealerLoop>;
