import { createDecipheriv } from 'node:crypto';
import { type Keyring, keyFor, rootOf } from './keys.js';
import { type LinkContent, linkContent } from './token-content.js';

const VERSION = 1;
const IV = 12;
const TAG = 16;
const HEADER = 3;
/** `AQ…`: a version of 1 in base64url. */
const FORM = /^A[Q-Za-f][A-Za-z0-9_-]+$/;

/** The bytes of a token that is written in the first form, to the letter; it may have been made anywhere. */
function firstFormBytes(token: string): Buffer | undefined {
  if (!FORM.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  // Lenient decoders give one token many texts: accept only the one we would have written.
  if (bytes.length < HEADER + IV + TAG + 4 || bytes.toString('base64url') !== token || bytes[0] !== VERSION)
    return undefined;
  return bytes;
}

/** The key id that such a token names. */
export const keyIdOfFirstForm = (token: string): number | undefined => firstFormBytes(token)?.[1];

/**
 * What a token of the first form says: AES-256-GCM under the brand's key, as base64url. None are made any more, and those
 * in mail of long ago work for ever. Undefined for any other text, to the letter.
 */
export function openFirstForm(keyring: Keyring, token: string): LinkContent | undefined {
  const bytes = firstFormBytes(token);
  if (!bytes) return undefined;
  const [, kid = -1, brandCode = -1] = bytes;
  const root = rootOf(keyring, kid);
  if (!root) return undefined;
  const decipher = createDecipheriv(
    'aes-256-gcm',
    keyFor(root, `token/${brandCode}`),
    bytes.subarray(HEADER, HEADER + IV),
    { authTagLength: TAG },
  );
  decipher.setAAD(bytes.subarray(0, HEADER));
  decipher.setAuthTag(bytes.subarray(-TAG));
  let plain: Buffer;
  try {
    plain = Buffer.concat([decipher.update(bytes.subarray(HEADER + IV, -TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
  const [first = 0, second = 0, topicCode = 0, referenceLength = 0] = plain;
  const expiryAt = 4 + referenceLength;
  const addressAt = expiryAt + (second & 1 ? 6 : 0);
  if (plain.length <= addressAt) return undefined;
  return linkContent({
    kind: first >> 4,
    channel: first & 15,
    purpose: second >> 4,
    contactType: (second >> 1) & 7,
    brandCode,
    topicCode,
    reference: plain.toString('utf8', 4, expiryAt),
    address: plain.toString('utf8', addressAt),
    ...(second & 1 ? { expires: plain.readUIntBE(expiryAt, 6) } : {}),
  });
}
