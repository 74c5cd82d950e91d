import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import type { Projector } from '../projection/project.js';
import { createScheduler } from '../scheduler.js';
import type { Configurations } from '../store/configurations.js';
import type { Contacts } from '../store/contacts.js';
import { type Leader, whileLeading } from '../store/leader.js';

/** Contacts looked at with one write. */
const BATCH_SIZE = 200;
/** Rounds between two notes of how far it is. */
const ROUNDS = 10;
/** Between looks (ms) for contacts that a process of the former configuration has touched since. */
const REPEAT_MS = 30_000;
/** Between two notes (ms) that a worker with the configuration in force is there. */
const SEEN_EVERY_MS = 15_000;
/** Without such a note (ms) the configuration in force is nobody's any more. */
const ABANDONED_MS = 60_000;

/**
 * After a change of catalog or policy every contact is looked at again, by one process at a time. How far it is shows in
 * the contacts themselves, so a process that dies is followed by another without a loss. Looking makes marks for those
 * destinations only whose desired state differs from what was synced.
 */
export function createEvaluation(parts: {
  readonly contacts: Contacts;
  readonly projector: Projector;
  readonly configurations: Configurations;
  readonly configuration: string;
  readonly leaderFor: (name: string) => Leader;
  readonly log: Logger;
  readonly machine: Machine;
  readonly intervalMs?: number | undefined;
}) {
  const { contacts, projector, configurations, configuration, log, machine } = parts;
  const leader = parts.leaderFor('evaluation');
  const loop = createScheduler({
    machine,
    log,
    everyMs: parts.intervalMs ?? 2000,
    tasks: { 're-evaluation': evaluate },
  });
  let lookedAt = Number.NEGATIVE_INFINITY;
  let seenAt = Number.NEGATIVE_INFINITY;

  async function evaluate(): Promise<void> {
    const current = await configurations.current();
    // While a new version is rolled out, processes with the former configuration do not evaluate contacts back.
    if (current?.hash !== configuration) {
      // One of the former version, started again in the middle of a roll-out, put its configuration in force, and has gone.
      if (current && machine.now() - (current.seen ?? current.since).getTime() > ABANDONED_MS)
        await configurations.enforce(configuration);
      return;
    }
    if (machine.elapsed() - seenAt >= SEEN_EVERY_MS) {
      await configurations.see(configuration);
      seenAt = machine.elapsed();
    }
    if (current.finished && machine.elapsed() - lookedAt < REPEAT_MS) return;
    await whileLeading(machine, leader, look);
  }

  async function look(leads: () => boolean): Promise<void> {
    let left = await contacts.countOutdated(configuration);
    let stuck = false;
    await configurations.progress(configuration, left);
    while (left > 0 && !stuck && !loop.isStopped() && leads()) {
      for (let round = 0; round < ROUNDS && !loop.isStopped(); round++) {
        const keys = await contacts.outdated(configuration, BATCH_SIZE);
        const unopened = keys.length > 0 ? await projector.project(keys) : 0;
        left = Math.max(1, left - keys.length + unopened);
        // Sealed under a key that this process lacks: another one goes on.
        stuck = keys.length > 0 && unopened === keys.length;
        if (stuck) break;
        if (keys.length < BATCH_SIZE) {
          left = await contacts.countOutdated(configuration);
          break;
        }
      }
      await configurations.progress(configuration, left);
    }
    if (left === 0) lookedAt = machine.elapsed();
    else log.info({ left }, 'contacts are re-evaluated under the new configuration');
  }

  return { once: loop.runOnce, start: loop.start, stop: loop.stop };
}

export type Evaluation = ReturnType<typeof createEvaluation>;
