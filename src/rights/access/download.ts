import { createHmac, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { decodeBase32, encodeBase32 } from '../../core/base32.js';
import type { Machine } from '../../core/machine.js';
import { openWith, sealWith } from '../../core/seal.js';
import { tokenTexts } from '../../core/token-text.js';

type Random = Pick<Machine, 'randomBytes'>;

/** Wrong passphrases until a link is locked. */
export const ATTEMPTS = 5;

/**
 * Cost of a try, RFC 7914: 32 MB and some 100 ms. A passphrase has 80 random bits, so that a stolen database is no help even
 * without it.
 */
const COST = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 } as const;
const derive = promisify<string, Buffer, number, typeof COST, Buffer>(scrypt);

const plain = (text: string): string =>
  text
    .toUpperCase()
    .replace(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1');

/** Sixteen letters in groups of four, to be read out: Crockford's alphabet has no I, L, O or U. 80 bits. */
export function newPassphrase(machine: Random): string {
  return encodeBase32(machine.randomBytes(10)).replace(/(.{4})(?=.)/g, '$1-');
}

/** The key of a passphrase as somebody types it: case, blanks, dashes and look-alikes make no difference. */
export function keyOfPassphrase(passphrase: string, salt: Buffer): Promise<Buffer> {
  return derive(plain(passphrase).slice(0, 64), salt, 32, COST);
}

/** Where a chunk belongs: one moved elsewhere, or a file cut short, does not open. */
const place = (download: string, index: number, chunks: number) => Buffer.from(`${download}/${index}/${chunks}`);
const CHECK = -1;

export const sealCheck = (machine: Random, key: Buffer, download: string) =>
  sealWith(machine, key, Buffer.from('hush'), place(download, CHECK, 0));
export const opensCheck = (key: Buffer, download: string, check: Buffer) =>
  openWith(key, check, place(download, CHECK, 0)) !== undefined;

export const sealChunk = (machine: Random, key: Buffer, download: string, index: number, bytes: Buffer) =>
  sealWith(machine, key, bytes, place(download, index, 0));
export const openChunk = (key: Buffer, download: string, index: number, sealed: Buffer) =>
  openWith(key, sealed, place(download, index, 0));

const TOKEN_BYTES = 20;
export const newToken = (machine: Random): string => encodeBase32(machine.randomBytes(TOKEN_BYTES)).toLowerCase();

/** 20 bytes in base64url, as tokens were before. */
const EARLIER_TOKEN = /^[A-Za-z0-9_-]{27}$/;

/** A token as we wrote it, out of what mail has made of it (see `tokenTexts`). */
export function accessTokenIn(text: string): string {
  if (EARLIER_TOKEN.test(text)) return text;
  for (const letters of tokenTexts(text.slice(0, 200), /^[A-Za-z0-9]+/)) {
    const bytes = decodeBase32(letters, TOKEN_BYTES);
    if (bytes) return encodeBase32(bytes).toLowerCase();
  }
  return tokenTexts(text.slice(0, 200), /^[A-Za-z0-9_-]+/)[0] ?? '';
}

/** The keyed hash under which a link is kept: the store cannot make links of it. */
export function tokenHash(lookup: Uint8Array, text: string): string {
  return createHmac('sha256', lookup)
    .update(`access-link:${accessTokenIn(text)}`)
    .digest('base64url')
    .slice(0, 32);
}
