import { createHmac, hkdfSync } from 'node:crypto';
import { decodeBase32, encodeBase32 } from './base32.js';
import type { ContactPoint } from './contact-point.js';
import type { Machine } from './machine.js';

declare const brandOf: unique symbol;
/** `c_` and 26 letters: the keyed hash under which a contact is stored. */
export type ContactKey = string & { readonly [brandOf]: 'ContactKey' };
/** 20 letters in groups of four: the id of an event without its prefix. */
export type EventId = string & { readonly [brandOf]: 'EventId' };

/**
 * Secrets of the installation, and the random bytes that are used with them. The lookup key never rotates; the others do, by
 * key id (0–255).
 */
export interface Keyring extends Pick<Machine, 'randomBytes'> {
  readonly lookup: Uint8Array;
  readonly current: number;
  readonly roots: ReadonlyMap<number, Uint8Array>;
}

/** HKDF-SHA-256 (RFC 5869) of 32 bytes for one use of a root secret. */
export function deriveKey(root: Uint8Array, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', root, new Uint8Array(0), `hush/${use}`, 32));
}

const derived = new WeakMap<Uint8Array, Map<string, Buffer>>();

/** As `deriveKey`, remembered: HKDF costs more than most of what its key is for. */
export function keyFor(root: Uint8Array, use: string): Buffer {
  let keys = derived.get(root);
  if (!keys) {
    keys = new Map();
    derived.set(root, keys);
  }
  let key = keys.get(use);
  if (!key) {
    key = deriveKey(root, use);
    keys.set(use, key);
  }
  return key;
}

/** A keyring from one secret text: key id 1, the lookup key derived beside it. */
export function keyringFromSecret(secret: string, randomBytes: Machine['randomBytes']): Keyring {
  const root = Buffer.from(secret, 'utf8');
  return { lookup: deriveKey(root, 'lookup'), current: 1, roots: new Map([[1, deriveKey(root, 'root')]]), randomBytes };
}

/** Tells that a secret is the same without telling what it is: 16 bytes of HKDF-SHA-256, as hex. */
export function fingerprintOf(secret: Uint8Array): string {
  return deriveKey(secret, 'fingerprint').subarray(0, 16).toString('hex');
}

export function rootOf(keyring: Keyring, kid: number): Uint8Array | undefined {
  return keyring.roots.get(kid);
}

/** First 16 bytes of HMAC-SHA-256 of `type:normalised` under the lookup key. */
export function contactKeyBytes(
  keyring: Pick<Keyring, 'lookup'>,
  point: Pick<ContactPoint, 'type' | 'normalised'>,
): Buffer {
  return createHmac('sha256', keyring.lookup).update(`${point.type}:${point.normalised}`).digest().subarray(0, 16);
}

export function contactKeyText(bytes: Uint8Array): ContactKey {
  return `c_${encodeBase32(bytes).toLowerCase()}` as ContactKey;
}

export function contactKey(keyring: Keyring, point: Pick<ContactPoint, 'type' | 'normalised'>): ContactKey {
  return contactKeyText(contactKeyBytes(keyring, point));
}

/** The 16 bytes of a key text, or undefined when it is none. */
export function contactKeyFromText(text: string): Buffer | undefined {
  if (!text.startsWith('c_')) return undefined;
  const bytes = decodeBase32(text.slice(2), 16);
  return bytes && Buffer.from(bytes);
}

function grouped(letters: string): string {
  return letters.replace(/(.{4})(?=.)/g, '$1-');
}

/**
 * An event's id: 5 bytes of the contact's key and 7 of an HMAC over writer and the writer's own id (or random bytes), so
 * that the same act given twice has the same id, and an id read out by phone leads to its contact.
 */
export function eventId(
  keyring: Keyring,
  contact: Uint8Array,
  writer?: { readonly name: string; readonly id: string },
): EventId {
  const tail = writer
    ? createHmac('sha256', keyring.lookup)
        .update(`event:${writer.name.length}:${writer.name}:${writer.id}`)
        .digest()
        .subarray(0, 7)
    : keyring.randomBytes(7);
  return grouped(encodeBase32(Buffer.concat([contact.subarray(0, 5), tail]))) as EventId;
}

const LETTERS = Buffer.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ');

/**
 * Writes the id whose 12 bytes are these three words, as `encodeBase32` and groups of four do, and returns where it ends: for
 * answers about many contacts.
 */
export function eventIdText(out: Uint8Array, at: number, word0: number, word1: number, word2: number): number {
  let place = at;
  for (let letter = 0; letter < 20; letter++) {
    if (letter > 0 && letter % 4 === 0) out[place++] = 45;
    const bit = letter * 5;
    const inWord = bit & 31;
    const word = bit < 32 ? word0 : bit < 64 ? word1 : word2;
    const next = bit < 32 ? word1 : bit < 64 ? word2 : 0;
    const value = inWord <= 27 ? word >>> (27 - inWord) : (word << (inWord - 27)) | (next >>> (59 - inWord));
    out[place++] = LETTERS[value & 31]!;
  }
  return place;
}

/** Reads `e_…`, `r_…` or the bare letters, with or without dashes, in any case. */
export function parseEventId(text: string): EventId | undefined {
  const letters = text.replace(/^[er]_/i, '').replaceAll(/[-\s]/g, '');
  const bytes = decodeBase32(letters, 12);
  return bytes && (grouped(encodeBase32(bytes)) as EventId);
}

/** The first 5 bytes of the contact's key that an event id begins with. */
export function contactPrefixOf(id: EventId): Buffer {
  const bytes = decodeBase32(id.replaceAll('-', ''), 12) ?? new Uint8Array(12);
  return Buffer.from(bytes.subarray(0, 5));
}
