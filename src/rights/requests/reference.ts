import { createHmac } from 'node:crypto';
import { decodeBase32, encodeBase32 } from '../../core/base32.js';
import type { Keyring } from '../../core/keys.js';
import type { Machine } from '../../core/machine.js';

/** 75 bits: not to be guessed, short enough to be read out. */
const LETTERS = 15;

function grouped(letters: string): string {
  return letters.replace(/(.{5})(?=.)/g, '$1-');
}

/** A new id, `q_k7qm2-d4x9t-ba7cd`. */
export function newRequestId(machine: Pick<Machine, 'randomBytes'>): string {
  return `q_${grouped(encodeBase32(machine.randomBytes(10)).slice(0, LETTERS)).toLowerCase()}`;
}

/** The id that a writer's own id always leads to. */
export function requestIdOf(
  keyring: Pick<Keyring, 'lookup'>,
  writer: { readonly name: string; readonly id: string },
): string {
  const digest = createHmac('sha256', keyring.lookup)
    .update(`request:${writer.name.length}:${writer.name}:${writer.id}`)
    .digest();
  return `q_${grouped(encodeBase32(digest.subarray(0, 10)).slice(0, LETTERS)).toLowerCase()}`;
}

/** What people read out: `K7QM2-D4X9T-BA7CD`. */
export const referenceOf = (id: string): string => id.slice(2).toUpperCase();

/** The id that somebody typed or read out, in any case, with or without dashes and prefix; look-alikes are read as meant. */
export function parseReference(text: string): string | undefined {
  const letters = text.trim().replace(/^q_/i, '').replaceAll(/[-\s]/g, '').toUpperCase();
  const meant = letters.replaceAll('O', '0').replace(/[IL]/g, '1');
  if (meant.length !== LETTERS || decodeBase32(`${meant}0`, 10) === undefined) return undefined;
  return `q_${grouped(meant).toLowerCase()}`;
}

/** As `parseReference`, of the beginning of one: for a search. */
export function referenceStart(text: string): string {
  const letters = text
    .trim()
    .replace(/^q_/i, '')
    .replaceAll(/[^0-9a-zA-Z]/g, '')
    .toUpperCase();
  return grouped(letters.replaceAll('O', '0').replace(/[IL]/g, '1').slice(0, LETTERS)).toLowerCase();
}
