import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import { createScheduler } from '../scheduler.js';
import type { Changes } from '../store/changes.js';
import type { Contacts } from '../store/contacts.js';
import type { Leader } from '../store/leader.js';

/** Changes numbered with one write. */
const BATCH = 500;

/**
 * Numbers what changed, so that readers can follow without a gap: a contact carries a mark until its change has a number,
 * numbers are given in one place, written, and only then served. A crash between number and mark gives a contact two
 * numbers, never none.
 */
export function createChangeFeed(parts: {
  readonly changes: Changes;
  readonly contacts: Contacts;
  readonly leader: Leader;
  readonly log: Logger;
  readonly machine: Machine;
  readonly intervalMs?: number;
}) {
  const { changes, contacts, leader, log, machine } = parts;
  const loop = createScheduler({
    machine,
    log,
    everyMs: parts.intervalMs ?? 300,
    leader,
    tasks: { 'numbering changes': number },
  });

  async function number(): Promise<void> {
    // The lease is renewed for every batch: whoever loses it while there is much to number would number it twice.
    while (await leader.hold()) {
      const marked = await contacts.unnumbered(BATCH);
      if (marked.length === 0 || loop.isStopped()) return;
      const last = await changes.last();
      const epoch = machine.randomBytes(4).toString('hex');
      const at = new Date(machine.now());
      const added = await changes.add(
        { number: last + 1, epoch },
        marked.map(({ key, feed, scopes }) => ({ key, version: feed, at, scopes })),
      );
      if (!added) continue;
      await changes.publish({ number: last + marked.length, epoch });
      await contacts.numbered(marked);
    }
  }

  return { tick: loop.runOnce, start: loop.start, stop: loop.stop };
}

export type ChangeFeed = ReturnType<typeof createChangeFeed>;
