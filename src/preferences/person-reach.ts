import type { Atom } from '../core/atoms.js';
import { type ContactEvent, opens } from '../core/event.js';
import { unfolded } from '../core/fold.js';
import { closingFacts } from '../core/opening.js';
import { scopeText } from '../core/scope.js';
import type { StoredEvent } from '../store/contacts.js';

/**
 * What of an event reaches the other contacts of a person: what denies, and nothing else. A join proves no identity, so one
 * address's yes, its erasure and how often it wants mail count for no other address. Undefined when nothing reaches them.
 */
export function sharedPart(event: StoredEvent): StoredEvent | undefined {
  if (event.type === 'erased' || event.type === 'cadence_set') return undefined;
  if (event.type !== 'profile') return opens(event.type) ? undefined : event;
  const {
    relationship: _r,
    jurisdiction: _j,
    timeZone: _t,
    minor: _m,
    implied: _i,
    language: _l,
    signal: _s,
    ...rest
  } = event;
  const facts = closingFacts(event);
  return Object.keys(facts).length === 0 ? undefined : { ...rest, ...facts };
}

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
