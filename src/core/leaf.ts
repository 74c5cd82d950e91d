import { createHmac, timingSafeEqual } from 'node:crypto';

/** First byte of an entry that commits to an event. */
const EVENT = 1;
/** First byte of an entry that names entries whose salts were destroyed. */
const ERASURE = 2;

const COMMITMENT_BYTES = 32;
export const SALT_BYTES = 32;
/** Event ids have 24 letters: 20 in groups of four. */
const ID_BYTES = 24;
/** C2SP tlog-tiles: an entry has at most 65,535 bytes. */
const MAX_NAMED = Math.floor((0xffff - 1 - ID_BYTES) / 8);

/** HMAC-SHA-256(salt, canonical event). Without the salt, nobody can tell what it commits to, not even by guessing. */
export function commitment(salt: Uint8Array, canonical: string): Buffer {
  return createHmac('sha256', salt).update(canonical).digest();
}

/** An entry of the log, as read from its bytes. */
export type Leaf =
  | { readonly kind: 'event'; readonly id: string; readonly commitment: Buffer }
  | { readonly kind: 'erasure'; readonly id: string; readonly empties: readonly number[] };

/** `0x01 || event id (24 ASCII letters) || commitment (32 bytes)`. */
export function eventEntry(id: string, salt: Uint8Array, canonical: string): Buffer {
  return Buffer.concat([Buffer.from([EVENT]), idBytes(id), commitment(salt, canonical)]);
}

/**
 * `0x02 || event id of the erasure || leaf indexes it emptied (8 bytes each, big-endian, ascending)`. An entry holds 8,188
 * of them; a longer history takes several.
 */
export function erasureEntries(id: string, empties: readonly number[]): Buffer[] {
  const entries: Buffer[] = [];
  for (let at = 0; at < empties.length; at += MAX_NAMED) {
    const part = empties.slice(at, at + MAX_NAMED);
    const indexes = Buffer.alloc(8 * part.length);
    part.forEach((index, place) => {
      indexes.writeBigUInt64BE(BigInt(index), 8 * place);
    });
    entries.push(Buffer.concat([Buffer.from([ERASURE]), idBytes(id), indexes]));
  }
  return entries;
}

function idBytes(id: string): Buffer {
  const bytes = Buffer.from(id, 'ascii');
  if (bytes.length !== ID_BYTES || bytes.toString('ascii') !== id) throw new Error('an event id has 24 letters');
  return bytes;
}

/** Undefined for bytes that are no entry of ours. */
export function parseEntry(entry: Buffer): Leaf | undefined {
  const id = entry.subarray(1, 1 + ID_BYTES).toString('ascii');
  const rest = entry.subarray(1 + ID_BYTES);
  if (entry[0] === EVENT && rest.length === COMMITMENT_BYTES) return { kind: 'event', id, commitment: rest };
  if (entry[0] !== ERASURE || rest.length === 0 || rest.length % 8 !== 0) return undefined;
  const empties = Array.from({ length: rest.length / 8 }, (_, place) => Number(rest.readBigUInt64BE(8 * place)));
  return { kind: 'erasure', id, empties };
}

/** True when the entry commits to this event under this salt. */
export function commitsTo(entry: Buffer, salt: Uint8Array, canonical: string): boolean {
  const leaf = parseEntry(entry);
  return leaf?.kind === 'event' && timingSafeEqual(leaf.commitment, commitment(salt, canonical));
}
