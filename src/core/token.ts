import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { decodeBase32, encodeBase32 } from './base32.js';
import { CONTACT_TYPES, type ContactType } from './contact-point.js';
import { deriveKey, type Keyring, rootOf } from './keys.js';
import { CHANNELS, type Channel, PURPOSES, type ScopePurpose } from './scope.js';

/**
 * What a link may do: `mailed` links get forwarded; `fresh` ones lift denials and show data for 30 minutes, once; `request`
 * ones show how far a rights request is, `verify` ones show that somebody reads the mail of an address.
 */
export type LinkKind = 'mailed' | 'fresh' | 'session' | 'confirm' | 'undo' | 'request' | 'verify';
const LINK_KINDS: readonly LinkKind[] = ['mailed', 'fresh', 'session', 'confirm', 'undo', 'request', 'verify'];

/** What a link says. Brand and topic are the catalog's numeric codes (0 = all), which are never used twice. */
export interface LinkContent {
  readonly kind: LinkKind;
  readonly brandCode: number;
  readonly topicCode: number;
  readonly channel: Channel | '*';
  readonly purpose: ScopePurpose;
  readonly contactType: ContactType;
  /** The address as given: the contact need not exist yet. */
  readonly address: string;
  /** Campaign of a mailed link; id of the matter for the other kinds. At most 64 characters. */
  readonly reference: string;
  /** Milliseconds; only for kinds that end. Mailed links never do (15 USC 7704(a)(3) asks for 30 days). */
  readonly expires?: number;
}

const VERSION = 1;
const IV = 12;
const TAG = 16;
const HEADER = 3;
const MAX_LENGTH = 1200;
const CANONICAL = /^[A-Za-z0-9_-]+$/;

const channelCode = (channel: Channel | '*'): number => (channel === '*' ? 0 : CHANNELS.indexOf(channel) + 1);
const purposeCode = (purpose: ScopePurpose): number =>
  purpose === '*' ? 0 : purpose === 'marketing' ? 15 : PURPOSES.indexOf(purpose) + 1;
const channelOf = (code: number): Channel | '*' | undefined => (code === 0 ? '*' : CHANNELS[code - 1]);
const purposeOf = (code: number): ScopePurpose | undefined =>
  code === 0 ? '*' : code === 15 ? 'marketing' : PURPOSES[code - 1];

const derived = new WeakMap<Uint8Array, Map<string, Buffer>>();

/** HKDF costs more than the cipher: keep what was derived from each root. */
function keyFor(root: Uint8Array, use: string): Buffer {
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

/**
 * A link's token: AES-256-GCM under the brand's key, as base64url. The nonce is an HMAC of the content (as in SIV, RFC
 * 5297): the same link always has the same token, and no counter or random source can make two contents share a nonce.
 */
export function sealLink(keyring: Keyring, content: LinkContent): string {
  const kid = keyring.current;
  const root = rootOf(keyring, kid);
  if (!root) throw new Error(`the keyring lacks its current key ${kid}`);
  const reference = Buffer.from(content.reference, 'utf8');
  const expires = content.expires === undefined ? Buffer.alloc(0) : Buffer.alloc(6);
  if (content.expires !== undefined) expires.writeUIntBE(content.expires, 0, 6);
  const plain = Buffer.concat([
    Buffer.from([
      (LINK_KINDS.indexOf(content.kind) << 4) | channelCode(content.channel),
      (purposeCode(content.purpose) << 4) |
        (CONTACT_TYPES.indexOf(content.contactType) << 1) |
        (expires.length ? 1 : 0),
      content.topicCode,
      reference.length,
    ]),
    reference,
    expires,
    Buffer.from(content.address, 'utf8'),
  ]);
  const header = Buffer.from([VERSION, kid, content.brandCode]);
  const iv = createHmac('sha256', keyFor(root, `token-nonce/${content.brandCode}`))
    .update(plain)
    .digest()
    .subarray(0, IV);
  const cipher = createCipheriv('aes-256-gcm', keyFor(root, `token/${content.brandCode}`), iv, { authTagLength: TAG });
  cipher.setAAD(header);
  return Buffer.concat([header, iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** What a token says, or undefined for anything that this installation did not make, to the letter. */
export function openLink(keyring: Keyring, token: string): LinkContent | undefined {
  if (token.length > MAX_LENGTH || !CANONICAL.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  // Lenient decoders give one token many texts: accept only the one we would have written.
  if (bytes.length < HEADER + IV + TAG + 4 || bytes.toString('base64url') !== token || bytes[0] !== VERSION)
    return undefined;
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
  const kind = LINK_KINDS[first >> 4];
  const channel = channelOf(first & 15);
  const purpose = purposeOf(second >> 4);
  const contactType = CONTACT_TYPES[(second >> 1) & 7];
  const expiryAt = 4 + referenceLength;
  const addressAt = expiryAt + (second & 1 ? 6 : 0);
  if (!kind || !channel || !purpose || !contactType || plain.length <= addressAt) return undefined;
  return {
    kind,
    brandCode,
    topicCode,
    channel,
    purpose,
    contactType,
    reference: plain.toString('utf8', 4, expiryAt),
    address: plain.toString('utf8', addressAt),
    ...(second & 1 ? { expires: plain.readUIntBE(expiryAt, 6) } : {}),
  };
}

/** What the local part of a `mailto:` unsubscribe says. */
export interface ShortContent {
  readonly contact: Uint8Array;
  readonly brandCode: number;
  readonly channel: Channel | '*';
  readonly purpose: ScopePurpose;
  readonly topicCode: number;
}

const SHORT_MAC = 8;
const SHORT_BODY = 19;

function shortMac(root: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', keyFor(root, 'short')).update(body).digest().subarray(0, SHORT_MAC);
}

/** 44 letters of base32: contact key (16 bytes), scope (3) and MAC (8). Survives lower-casing, fits a local part. */
export function sealShort(keyring: Keyring, content: ShortContent): string {
  const root = rootOf(keyring, keyring.current);
  if (!root) throw new Error(`the keyring lacks its current key ${keyring.current}`);
  const body = Buffer.concat([
    content.contact,
    Buffer.from([
      content.brandCode,
      (channelCode(content.channel) << 4) | purposeCode(content.purpose),
      content.topicCode,
    ]),
  ]);
  return encodeBase32(Buffer.concat([body, shortMac(root, body)])).toLowerCase();
}

/** Reads a short token in any letter case, under any key still in the ring; undefined for anything else. */
export function openShort(keyring: Keyring, text: string): ShortContent | undefined {
  const decoded = decodeBase32(text, SHORT_BODY + SHORT_MAC);
  if (!decoded) return undefined;
  const body = decoded.subarray(0, SHORT_BODY);
  const mac = decoded.subarray(SHORT_BODY);
  const genuine = [...keyring.roots.values()].some((root) => timingSafeEqual(shortMac(root, body), mac));
  const [brandCode = 0, use = 0, topicCode = 0] = body.subarray(16);
  const channel = channelOf(use >> 4);
  const purpose = purposeOf(use & 15);
  if (!genuine || !channel || !purpose) return undefined;
  return { contact: body.subarray(0, 16), brandCode, channel, purpose, topicCode };
}
