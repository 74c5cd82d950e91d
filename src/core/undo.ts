import type { DenialAtom, GrantAtom, State } from './fold.js';
import { covers, type Scope } from './scope.js';

/** The scopes one denial event closed, or none when the state does not know it. */
export function scopesOfDenial(state: State, event: string): DenialAtom[] {
  return state.atoms.filter((atom): atom is DenialAtom => atom.t === 'denial' && atom.id === event);
}

/**
 * The consent that a denial ended for exactly its scope, if no other denial had ended it: undoing the denial has to give
 * it back, because an opt-in alone does not (`policy.md` §3: only a new consent restores it).
 */
export function consentEndedBy(state: State, denial: DenialAtom, now: number): GrantAtom | undefined {
  const scope: Scope = denial.scope;
  return state.atoms.find(
    (atom): atom is GrantAtom =>
      atom.t === 'grant' &&
      atom.type === 'consent_granted' &&
      atom.at <= denial.at &&
      (atom.until === undefined || now < atom.until) &&
      (covers(atom.scope, scope) || covers(scope, atom.scope)) &&
      !state.atoms.some(
        (other) =>
          other.t === 'denial' &&
          other.type !== 'paused' &&
          other.id !== denial.id &&
          other.at >= atom.at &&
          covers(other.scope, atom.scope),
      ),
  );
}
