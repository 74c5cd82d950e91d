import type { Atom, DenialAtom, GrantAtom, State } from './fold.js';
import { covers, meet, type Scope, scopeText } from './scope.js';

/** One event that taking a denial back needs. */
export interface Undoing {
  /** The event that is taken back. */
  readonly undoes: string;
  readonly type: 'opted_in' | 'consent_granted';
  readonly scope: Scope;
  /** Of a consent: the event it is given back for, and its end (ms). */
  readonly restores?: string;
  readonly until?: number;
}

/** The scopes one denial event closed, or none when the state does not know it. */
export function scopesOfDenial(state: State, event: string): DenialAtom[] {
  return state.atoms.filter((atom): atom is DenialAtom => atom.t === 'denial' && atom.id === event);
}

function latest(atoms: readonly Atom[], kind: Atom['t']): number {
  return Math.max(Number.NEGATIVE_INFINITY, ...atoms.filter(({ t }) => t === kind).map(({ at }) => at));
}

/** Before this (ms) a consent is gone for a reason of its own, and giving it back would undo that too. */
function forgottenUpTo(state: State): number {
  const restricted = latest(state.atoms, 'restricted');
  const stands = restricted >= latest(state.atoms, 'unrestricted');
  return Math.max(latest(state.atoms, 'erased'), stands ? restricted : Number.NEGATIVE_INFINITY);
}

/** True when another denial had ended the consent for some of `scope` and no longer stands to say so itself. */
function endedOtherwise(state: State, consent: GrantAtom, scope: Scope, undone: string): boolean {
  return state.atoms.some((atom) => {
    if (atom.t !== 'denial' || atom.type === 'paused' || atom.id === undone || atom.at < consent.at) return false;
    const shared = meet(atom.scope, scope);
    if (!shared) return false;
    return (
      covers(atom.scope, scope) ||
      state.atoms.some((grant) => grant.t === 'grant' && grant.at > atom.at && meet(grant.scope, shared) !== undefined)
    );
  });
}

/**
 * What takes a denial back at `now` (ms): an opt-in of its scope, and each consent that this denial alone had ended, for
 * no more than it covered, because an opt-in alone does not bring a consent back. A pause ended none. Where another
 * denial ended part of a consent and was lifted since, only the person can give that consent anew.
 */
export function undoing(state: State, denials: readonly DenialAtom[], now: number): Undoing[] {
  const forgotten = forgottenUpTo(state);
  const all = new Map<string, Undoing>();
  for (const denial of denials) {
    const lift: Undoing = { undoes: denial.id, type: 'opted_in', scope: denial.scope };
    all.set(`${denial.id} ${scopeText(denial.scope)}`, lift);
    if (denial.type === 'paused') continue;
    for (const consent of state.atoms) {
      if (consent.t !== 'grant' || consent.type !== 'consent_granted') continue;
      if (consent.at > denial.at || consent.at <= forgotten) continue;
      if (consent.until !== undefined && now >= consent.until) continue;
      const scope = meet(consent.scope, denial.scope);
      if (!scope || endedOtherwise(state, consent, scope, denial.id)) continue;
      all.set(`${denial.id} ${consent.id} ${scopeText(scope)}`, {
        undoes: denial.id,
        type: 'consent_granted',
        scope,
        restores: consent.id,
        ...(consent.until === undefined ? {} : { until: consent.until }),
      });
    }
  }
  return [...all.values()];
}
