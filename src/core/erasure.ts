import { type Atom, atomsOf } from './atoms.js';
import type { ContactEvent } from './event.js';

/**
 * Whether something said after an erasure at `erasedAt` (ms) ends it: a yes of the person that lifts any denial, or that they
 * became a customer. docs/decision-rules.md, rule 2
 */
export function endsErasure(atom: Atom, erasedAt: number): boolean {
  if (atom.at <= erasedAt) return false;
  if (atom.t === 'grant') return atom.lifts === 'any';
  return atom.t === 'fact' && 'relationship' in atom.fact && atom.fact.relationship === 'customer';
}

/** Whether an event ends an erasure at `erasedAt` (ms). */
export function eventEndsErasure(event: ContactEvent, erasedAt: number): boolean {
  return atomsOf(event).some((atom) => endsErasure(atom, erasedAt));
}
