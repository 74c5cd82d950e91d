import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { domainToASCII } from 'node:url';
import type { Connection } from 'mongoose';
import { encodeBase32 } from '../../src/core/base32.js';
import { everythingInRedis } from './redis.js';

const RFC4648 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Buffer): string {
  let bits = '';
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0');
  return (bits.match(/.{5}/g) ?? []).map((five) => RFC4648[Number.parseInt(five, 2)]).join('');
}

/**
 * A text inside a longer one has as many base64 forms as there are places it may begin at: what all bits of a letter come
 * from the text itself is what is looked for.
 */
function insides(bytes: Buffer, every: number, encode: (bytes: Buffer) => string, perByte: number): string[] {
  return Array.from({ length: every }, (_, offset) => {
    const whole = encode(Buffer.concat([Buffer.alloc(offset), bytes]));
    const from = Math.ceil((offset * 8) / perByte);
    const to = Math.floor(((offset + bytes.length) * 8) / perByte);
    return whole.slice(from, to);
  });
}

/** Every form in which the address could lie somewhere: spellings, then encodings and unkeyed hashes of each. */
export function formsOf(address: string): Map<string, Buffer> {
  const at = address.lastIndexOf('@');
  const spellings = new Set([address, address.toLowerCase(), address.normalize('NFD'), address.toUpperCase()]);
  if (at > 0) {
    const ascii = domainToASCII(address.slice(at + 1));
    spellings.add(`${address.slice(0, at)}@${ascii}`).add(`${address.slice(0, at).toLowerCase()}@${ascii}`);
  } else {
    spellings.add(address.replace(/\D/g, ''));
    spellings.add(address.replace(/\D/g, '').slice(-10));
  }
  const forms = new Map<string, Buffer>();
  const add = (name: string, value: string | Buffer) => {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value, 'utf8');
    if (bytes.length >= 8) forms.set(name, bytes);
  };
  for (const text of spellings) {
    const bytes = Buffer.from(text, 'utf8');
    add(`${text} plain`, bytes);
    add(`${text} latin1`, Buffer.from(text, 'latin1'));
    add(`${text} utf16le`, Buffer.from(text, 'utf16le'));
    add(`${text} utf16be`, Buffer.from(text, 'utf16le').swap16());
    add(`${text} hex`, bytes.toString('hex'));
    add(`${text} HEX`, bytes.toString('hex').toUpperCase());
    add(`${text} url`, encodeURIComponent(text));
    add(
      `${text} url+`,
      encodeURIComponent(text).replace(/%../g, (code) => code.toLowerCase()),
    );
    add(
      `${text} json`,
      text.replace(/[^\x20-\x7e]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`),
    );
    add(
      `${text} quoted-printable`,
      [...bytes]
        .map((byte) => (byte > 126 || byte === 61 ? `=${byte.toString(16).toUpperCase()}` : String.fromCharCode(byte)))
        .join(''),
    );
    add(`${text} html`, text.replaceAll('@', '&#64;'));
    for (const [n, form] of insides(bytes, 3, (b) => b.toString('base64'), 6).entries())
      add(`${text} base64+${n}`, form);
    for (const [n, form] of insides(bytes, 3, (b) => b.toString('base64url'), 6).entries())
      add(`${text} base64url+${n}`, form);
    for (const [n, form] of insides(bytes, 5, base32, 5).entries()) add(`${text} base32+${n}`, form);
    for (const [n, form] of insides(bytes, 5, (b) => encodeBase32(b), 5).entries()) {
      add(`${text} crockford+${n}`, form);
      add(`${text} crockford lower+${n}`, form.toLowerCase());
    }
    for (const spelled of at > 0 ? [text] : [text, `tel:${text}`]) {
      for (const algorithm of ['sha256', 'md5', 'sha1', 'sha512']) {
        const digest = createHash(algorithm).update(spelled).digest();
        add(`${algorithm}(${spelled}) raw`, digest);
        add(`${algorithm}(${spelled}) hex`, digest.toString('hex'));
        add(`${algorithm}(${spelled}) HEX`, digest.toString('hex').toUpperCase());
        add(`${algorithm}(${spelled}) base64`, digest.toString('base64').replace(/=+$/, ''));
        add(`${algorithm}(${spelled}) base64url`, digest.toString('base64url'));
      }
    }
  }
  return forms;
}

/** Names of the forms that the bytes hold. */
export function found(forms: ReadonlyMap<string, Buffer>, bytes: Buffer): string[] {
  return [...forms].flatMap(([name, form]) => (bytes.includes(form) ? [name] : []));
}

async function files(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** Where any of the forms lies: every document as it is stored, every index, every key of Redis, every file, every log line. */
export async function traces(
  forms: ReadonlyMap<string, Buffer>,
  places: { readonly connection: Connection; readonly dir: string; readonly logged: readonly string[] },
): Promise<{ traces: string[]; looked: Record<string, number> }> {
  const hits: string[] = [];
  const looked = { documents: 0, collections: 0, indexes: 0, keys: 0, files: 0, lines: places.logged.length };
  const look = (where: string, bytes: Buffer) => hits.push(...found(forms, bytes).map((form) => `${where}: ${form}`));
  const { db } = places.connection;
  if (!db) throw new Error('the store is not connected');
  for (const { name } of await db.listCollections().toArray()) {
    looked.collections++;
    const collection = db.collection(name);
    for await (const row of collection.find({}, { raw: true })) {
      looked.documents++;
      look(`collection ${name}`, row as unknown as Buffer);
      // What lies in a binary field may itself be text in one of the forms: raw BSON holds it as it is.
    }
    const indexes = await collection.indexes();
    looked.indexes += indexes.length;
    look(`indexes of ${name}`, Buffer.from(JSON.stringify(indexes)));
    // Keys of an index, as the index itself has them: an index alone can still hold what a document lost.
    for (const index of indexes) {
      const keys = await collection
        .find({}, { hint: index.name ?? '_id_' })
        .returnKey(true)
        .toArray()
        .catch(() => []);
      look(`index ${index.name} of ${name}`, Buffer.from(JSON.stringify(keys)));
    }
  }
  for (const [key, value] of await everythingInRedis()) {
    looked.keys++;
    look(`redis ${key.toString('latin1').slice(0, 40)}`, Buffer.concat([key, value]));
  }
  for (const file of await files(places.dir)) {
    looked.files++;
    look(`file ${path.relative(places.dir, file)}`, Buffer.concat([Buffer.from(file), await readFile(file)]));
  }
  for (const line of places.logged) look('log', Buffer.from(line));
  return { traces: hits, looked };
}
