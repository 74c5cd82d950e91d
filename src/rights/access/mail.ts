import nodemailer from 'nodemailer';
import { createMessage, encrypt, enums, type Key, readKey } from 'openpgp';
import { HushError } from '../../core/errors.js';
import type { FileName } from './files.js';

/** Files of more bytes together are no mail that servers take: 25 MB is what most allow, base64 within OpenPGP takes its share. */
export const MAX_BYTES = 6 * 1024 * 1024;
/** NIST SP 800-57 part 1: 112 bits of strength. */
const LEAST_RSA = 2048;
const STRONG_CURVES = new Set<string>([
  'nistP256',
  'nistP384',
  'nistP521',
  'brainpoolP256r1',
  'brainpoolP384r1',
  'brainpoolP512r1',
  'ed25519Legacy',
  'curve25519Legacy',
  'ed25519',
  'curve25519',
  'secp256k1',
]);
const TYPES: Readonly<Record<FileName, string>> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  pdf: 'application/pdf',
};

const refused = (why: string, remedy: string) =>
  new HushError('invalid', `the OpenPGP key cannot be used: ${why}`, { field: 'publicKey', remedy });

/**
 * Reads a person's public key and refuses what would not protect them: private, revoked, expired or weak keys, and keys that
 * encrypt nothing. Throws HushError('invalid').
 */
export async function readPublicKey(armored: string, now: number): Promise<Key> {
  if (armored.length > 200_000 || /PRIVATE KEY BLOCK/.test(armored))
    throw refused('it is a private key or too long', 'send the public key, and keep the private one to yourself');
  let key: Key;
  try {
    key = await readKey({ armoredKey: armored });
  } catch {
    throw refused('it cannot be read', 'paste the block from BEGIN to END PGP PUBLIC KEY BLOCK');
  }
  const date = new Date(now);
  if (key.isPrivate()) throw refused('it is a private key', 'send the public key');
  if (await key.isRevoked(undefined, undefined, date)) throw refused('it was revoked', 'send the key you use now');
  const ends = await key.getExpirationTime();
  if (ends instanceof Date && ends.getTime() <= now) throw refused('it has expired', 'extend it, or send another one');
  const encryption = await key.getEncryptionKey(undefined, date).catch(() => undefined);
  if (!encryption)
    throw refused('no part of it that is valid now is for encryption', 'send a key with a valid encryption subkey');
  for (const part of [key, encryption]) {
    const { algorithm, bits, curve } = part.getAlgorithmInfo();
    const isRsa = algorithm.startsWith('rsa');
    if (isRsa && (bits ?? 0) < LEAST_RSA)
      throw refused(`RSA of ${bits} bits is too weak`, 'use RSA of 3072 bits or a curve');
    if (!isRsa && curve !== undefined && !STRONG_CURVES.has(curve))
      throw refused(`the curve ${curve} is not known`, 'use RSA or a usual curve');
    if (algorithm === 'dsa' || algorithm === 'elgamal')
      throw refused(`${algorithm} is not accepted any more`, 'use RSA or a curve');
  }
  return key;
}

export interface MailFile {
  readonly name: FileName;
  readonly bytes: Buffer;
}

/** The package as an armored OpenPGP message: a MIME entity with a text and the files (RFC 3156). */
export async function encryptPackage(key: Key, text: string, files: readonly MailFile[], now: number): Promise<string> {
  const writer = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  const { message } = await writer.sendMail({
    text,
    attachments: files.map(({ name, bytes }) => ({
      filename: `access.${name}`,
      content: bytes,
      contentType: TYPES[name],
    })),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const whole = message.toString();
  const at = whole.indexOf('\r\n\r\n');
  // Of the headers only what says how the entity is to be read.
  const headers = [...whole.slice(0, at + 2).matchAll(/^(?:content-|mime-)[^\r]*\r\n(?:[ \t][^\r]*\r\n)*/gim)].join('');
  return encrypt({
    message: await createMessage({ binary: Buffer.from(`${headers}${whole.slice(at + 2)}`) }),
    encryptionKeys: key,
    date: new Date(now),
    config: { preferredCompressionAlgorithm: enums.compression.zlib },
  });
}
