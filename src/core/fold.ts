import { type Atom, atomKey, atomsOf, compareAtoms, endOf } from './atoms.js';
import { type ContactEvent, compareEvents } from './event.js';

/**
 * All that later decisions need of a contact's history.
 *
 * `horizon` (ms) is the latest `at` of an atom that took the place of an earlier one: the state answers questions at or
 * after it; a question before it folds the ledger.
 */
export interface State {
  readonly atoms: readonly Atom[];
  readonly horizon: number;
}

export const EMPTY_STATE: State = { atoms: [], horizon: 0 };

/** Adds one atom to those of its key, keeping only the ones that no later one with as late an end makes superfluous. */
function keepUndominated(retained: readonly Atom[], added: Atom): { atoms: Atom[]; replacedBy: number } {
  const atoms: Atom[] = [];
  let replacedBy = 0;
  let superfluous = false;
  for (const old of retained) {
    if (old.id === added.id) superfluous = true;
    const order = compareAtoms(old, added);
    if (old.id !== added.id && order < 0 && endOf(old) <= endOf(added)) {
      replacedBy = Math.max(replacedBy, added.at);
      continue;
    }
    if (old.id !== added.id && order > 0 && endOf(added) <= endOf(old)) {
      superfluous = true;
      replacedBy = Math.max(replacedBy, old.at);
    }
    atoms.push(old);
  }
  if (!superfluous) atoms.push(added);
  return { atoms, replacedBy };
}

function addAtoms(state: State, added: readonly Atom[]): State {
  if (added.length === 0) return state;
  const groups = new Map<string, Atom[]>();
  for (const atom of state.atoms) {
    const key = atomKey(atom);
    const group = groups.get(key);
    if (group) group.push(atom);
    else groups.set(key, [atom]);
  }
  let horizon = state.horizon;
  for (const atom of added) {
    const key = atomKey(atom);
    const { atoms, replacedBy } = keepUndominated(groups.get(key) ?? [], atom);
    groups.set(key, atoms);
    if (replacedBy > horizon) horizon = replacedBy;
  }
  const atoms = [...groups.keys()].sort().flatMap((key) => [...(groups.get(key) ?? [])].sort(compareAtoms));
  return { atoms, horizon };
}

/**
 * State after further events. Pure, independent of the order of arrival and of duplicates; its size is bounded by the
 * number of different scopes and sources, not by the number of events.
 */
export function fold(state: State, events: readonly ContactEvent[]): State {
  return addAtoms(state, events.flatMap(atomsOf));
}

/** State of a contact that shares with another one: the other's denials, or all that is known of it. */
export function joinStates(own: State, other: State, what: 'denials' | 'all'): State {
  const horizon = Math.max(own.horizon, other.horizon);
  return addAtoms({ ...own, horizon }, what === 'all' ? other.atoms : other.atoms.filter(({ t }) => t === 'denial'));
}

/**
 * The time (ms) at which a question about the present is asked: now, or the newest that is known. Nothing is accepted from
 * the future, so what is ahead of this clock was accepted by a machine whose clock is ahead, and it is in force.
 */
export function presentAt(state: State, now: number): number {
  return state.atoms.reduce((latest, { at }) => Math.max(latest, at), Math.max(now, state.horizon));
}

/** Every atom of a history, none replaced by a later one; of an event given twice once. */
export function unfolded(events: readonly ContactEvent[]): State {
  return { atoms: [...new Map(events.map((event) => [event.id, event])).values()].flatMap(atomsOf), horizon: 0 };
}

/**
 * Ids of events that the others make superfluous: whatever else is or will become known, no question from now on has
 * another answer without them.
 */
export function superseded(events: readonly ContactEvent[]): Set<string> {
  const needed = new Set(fold(EMPTY_STATE, events).atoms.map(({ id }) => id));
  return new Set(events.flatMap(({ id }) => (needed.has(id) ? [] : [id])));
}

/** State as a question at `at` (ms) saw the world: events after it are not known yet. */
export function foldAsOf(events: readonly ContactEvent[], at: number): State {
  return fold(EMPTY_STATE, events.filter((event) => event.at <= at).sort(compareEvents));
}
