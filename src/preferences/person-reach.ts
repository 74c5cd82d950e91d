import type { ContactEvent } from '../core/event.js';
import { type Atom, unfolded } from '../core/fold.js';
import { scopeText } from '../core/scope.js';

/**
 * True when the act that an event is of was taken back: it denies nothing any more, so whoever is joined later does not get
 * it.
 *
 * @param atoms of the contacts that it had reached
 */
export function isTakenBack(event: ContactEvent, atoms: readonly Atom[]): boolean {
  const denials = unfolded([event]).atoms.filter((atom) => atom.t === 'denial');
  return (
    denials.length > 0 &&
    denials.every((denial) =>
      atoms.some(
        (atom) =>
          atom.t === 'grant' &&
          atom.lifts === 'same_source' &&
          atom.destination !== undefined &&
          atom.destination === denial.destination &&
          atom.at > denial.at &&
          scopeText(atom.scope) === scopeText(denial.scope) &&
          atom.liftsAt?.includes(denial.at) === true,
      ),
    )
  );
}
