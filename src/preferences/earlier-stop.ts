import type { DenialAtom } from '../core/atoms.js';
import type { Clock } from '../core/clock.js';
import { presentAt, type State, unfolded } from '../core/fold.js';
import type { Machine } from '../core/machine.js';
import type { Scope } from '../core/scope.js';
import { standingStop } from '../core/standing.js';
import { unavailable, withTimeout } from '../store/connect.js';
import type { Contact } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { Decisions } from './decisions.js';
import type { Link } from './links.js';

/** A contact that the caller has just read. */
interface CurrentContact {
  readonly contact?: Contact | undefined;
  readonly state: State;
}

/**
 * The denial that has stopped the whole of a scope for the contact of a link for longest. The state has only the last of
 * several that say the same, so the ledger is asked for the first. Throws HushError `unavailable`.
 */
export function createEarlierStop(parts: {
  readonly decisions: Pick<Decisions, 'present'>;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly machine: Pick<Machine, 'after'>;
}): (link: Link, scope: Scope, current?: CurrentContact) => Promise<DenialAtom | undefined> {
  const { decisions, ledger, clock, machine } = parts;
  return async (link, scope, current) => {
    const { contact, state } = current ?? (await decisions.present(link));
    const now = presentAt(state, clock.now());
    const known = standingStop(state, scope, now);
    if (!known || !contact) return known;
    try {
      const recorded = (await withTimeout(machine, ledger.ofContact(contact.key))).map(({ event }) => event);
      return standingStop(unfolded([...recorded, ...contact.pending]), scope, now) ?? known;
    } catch (error) {
      throw unavailable(error);
    }
  };
}

export type EarlierStop = ReturnType<typeof createEarlierStop>;
