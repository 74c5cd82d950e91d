import { createHmac } from 'node:crypto';
import type { Keyring } from '../../core/keys.js';
import { nameWords } from '../../core/name-words.js';

/** Words of one request that it is found by: more is no name. */
const MAX_WORDS = 20;

/**
 * Keyed hashes of the words of names (of the person, of who acts for them), 8 bytes each, by which a request is found without
 * a name being stored readable. They go with what is personal.
 */
export function requestNames(keyring: Pick<Keyring, 'lookup'>, names: readonly (string | undefined)[]): Buffer[] {
  const words = new Set(names.flatMap((name) => (name === undefined ? [] : nameWords(name))));
  return [...words]
    .slice(0, MAX_WORDS)
    .map((word) => createHmac('sha256', keyring.lookup).update(`request-name:${word}`).digest().subarray(0, 8));
}
