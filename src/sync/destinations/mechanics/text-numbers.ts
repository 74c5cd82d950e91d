import { formerNumbers, knownNumber } from '../../../core/phone-spellings.js';
import type { Entry } from '../../destination.js';
import type { Parked } from './each.js';
import { e164 } from './hashing.js';

/** A number on its way to a text sender, and the entry that it is a spelling of. */
export interface TextNumber {
  readonly entry: Entry;
  /** E.164 */
  readonly number: string;
}

/**
 * The numbers of entries, each under every spelling that is in use: a sender compares texts, and a list of ours may have
 * had the other form of a Mexican, Brazilian or Argentine mobile. What was given comes first.
 */
export function numbersOf(entries: readonly Entry[]): TextNumber[] {
  return entries.flatMap((entry) => {
    const given = e164(entry.address);
    const known = knownNumber(given);
    return [...new Set([given, known, ...formerNumbers(known)])].map((number) => ({ entry, number }));
  });
}

/** Entries of which the sender took no spelling at all: one that is no number there is nobody's telephone. */
export function parkedOf(outcomes: readonly (TextNumber & { readonly why?: string | undefined })[]): Parked[] {
  const taken = new Set(outcomes.filter(({ why }) => why === undefined).map(({ entry }) => entry.ref));
  const refused = new Map<string, Parked>();
  for (const { entry, why } of outcomes) {
    if (why === undefined || taken.has(entry.ref) || refused.has(entry.ref)) continue;
    refused.set(entry.ref, { ref: entry.ref, why });
  }
  return [...refused.values()];
}
