import { createHmac, timingSafeEqual } from 'node:crypto';
import { aessiv } from '@noble/ciphers/aes.js';
import { decodeBase32, encodeBase32 } from './base32.js';
import { type Keyring, keyFor, rootOf } from './keys.js';
import type { Channel, ScopePurpose } from './scope.js';
import {
  channelCode,
  channelOf,
  decodeContent,
  encodeContent,
  type LinkContent,
  purposeCode,
  purposeOf,
} from './token-content.js';
import { tokenTexts } from './token-text.js';
import { keyIdOfFirstForm, openFirstForm } from './token-v1.js';

export type { LinkContent, LinkKind } from './token-content.js';

const VERSION = 2;
/** RFC 5297 §2.6: the synthetic IV before the ciphertext. */
const SIV = 16;
/** Letters of a token that are looked at; the longest address that can be stored makes some 2,000. */
const MAX_LETTERS = 4096;
const LETTERS = /^[A-Za-z0-9]+/;
const LETTERS_OF_FIRST_FORM = /^[A-Za-z0-9_-]+/;

/** Version and key id are sealed along; only the key id is written, because without it the key cannot be chosen. */
function cipherOf(root: Uint8Array, kid: number) {
  return aessiv(keyFor(root, 'token-siv'), Uint8Array.of(VERSION, kid));
}

/**
 * A link's token: the key's id and AES-SIV (RFC 5297) of what it says, in lower-case base32. The same link always has the
 * same token. Mail programs keep it whole: one letter case, no punctuation, and short.
 */
export function sealLink(keyring: Keyring, content: LinkContent): string {
  const kid = keyring.current;
  const root = rootOf(keyring, kid);
  if (!root) throw new Error(`the keyring lacks its current key ${kid}`);
  const sealed = cipherOf(root, kid).encrypt(encodeContent(content));
  return encodeBase32(Buffer.concat([Buffer.from([kid]), sealed])).toLowerCase();
}

/** The bytes of a token that is written in the second form: key id and seal; it may have been made anywhere. */
function secondFormBytes(token: string): Uint8Array | undefined {
  const bytes = decodeBase32(token, Math.floor((token.length * 5) / 8));
  return bytes && bytes.length > 1 + SIV ? bytes : undefined;
}

function openSecondForm(keyring: Keyring, token: string): OpenedLink | undefined {
  const bytes = secondFormBytes(token);
  const root = bytes && rootOf(keyring, bytes[0] ?? 0);
  if (!bytes || !root) return undefined;
  try {
    const content = decodeContent(cipherOf(root, bytes[0] ?? 0).decrypt(bytes.subarray(1)));
    return content && { token: encodeBase32(bytes).toLowerCase(), content };
  } catch {
    // The library throws for a seal that does not fit.
    return undefined;
  }
}

/** One in thirty of the first form ends with a dash or low line, and mail programs leave those out of a link. */
const firstForms = (text: string): string[] =>
  tokenTexts(text, LETTERS_OF_FIRST_FORM).flatMap((token) => [
    token,
    `${token}-`,
    `${token}_`,
    token.replace(/[-_]+$/, ''),
  ]);

/** A genuine token as we wrote it, and what it says. */
export interface OpenedLink {
  readonly token: string;
  readonly content: LinkContent;
}

/**
 * Opens the token in a text that came out of mail: in any letter case, percent-encoded, folded, with anything behind it.
 * Undefined for anything that this installation did not make. Never throws.
 */
export function openLink(keyring: Keyring, text: string): OpenedLink | undefined {
  const whole = text.slice(0, MAX_LETTERS);
  for (const token of tokenTexts(whole, LETTERS)) {
    const opened = openSecondForm(keyring, token);
    if (opened) return opened;
  }
  for (const token of firstForms(whole)) {
    const content = openFirstForm(keyring, token);
    if (content) return { token, content };
  }
  return undefined;
}

/**
 * The key ids that a text names where it is written like a token of ours, genuine or not. Where one of them is a key that
 * this process lacks, `openLink` cannot tell.
 */
export function keyIdsNamed(text: string): number[] {
  const whole = text.slice(0, MAX_LETTERS);
  return [
    ...tokenTexts(whole, LETTERS).map((token) => secondFormBytes(token)?.[0]),
    ...firstForms(whole).map(keyIdOfFirstForm),
  ].filter((kid) => kid !== undefined);
}

/** What the local part of a `mailto:` unsubscribe says. */
export interface ShortContent {
  readonly contact: Uint8Array;
  readonly brandCode: number;
  readonly channel: Channel | '*';
  readonly purpose: ScopePurpose;
  readonly topicCode: number;
}

const SHORT_BODY = 19;
/** Bytes of MAC. Whoever knows a contact's key has a genuine token of it already; this keeps out noise. */
const SHORT_MAC = 4;
/** Of the first form, which works for ever. */
const FIRST_SHORT_MAC = 8;

function shortMac(root: Uint8Array, body: Uint8Array): Buffer {
  return createHmac('sha256', keyFor(root, 'short')).update(body).digest();
}

/**
 * 37 letters of base32: contact key (16 bytes), scope (3) and MAC (4). Survives lower-casing; with a domain of 28 letters
 * its `mailto:` fits a line of a header, and no mail library encodes it.
 */
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
  return encodeBase32(Buffer.concat([body, shortMac(root, body).subarray(0, SHORT_MAC)])).toLowerCase();
}

function openShortText(keyring: Keyring, token: string): ShortContent | undefined {
  const decoded = decodeBase32(token, SHORT_BODY + SHORT_MAC) ?? decodeBase32(token, SHORT_BODY + FIRST_SHORT_MAC);
  if (!decoded) return undefined;
  const body = decoded.subarray(0, SHORT_BODY);
  const mac = decoded.subarray(SHORT_BODY);
  const genuine = [...keyring.roots.values()].some((root) =>
    timingSafeEqual(shortMac(root, body).subarray(0, mac.length), mac),
  );
  const [brandCode = 0, use = 0, topicCode = 0] = body.subarray(16);
  const channel = channelOf(use >> 4);
  const purpose = purposeOf(use & 15);
  if (!genuine || !channel || !purpose) return undefined;
  return { contact: body.subarray(0, 16), brandCode, channel, purpose, topicCode };
}

/** Reads a short token as `openLink` reads a long one, under any key still in the ring; undefined for anything else. */
export function openShort(keyring: Keyring, text: string): ShortContent | undefined {
  for (const token of tokenTexts(text.slice(0, MAX_LETTERS), LETTERS)) {
    const content = openShortText(keyring, token);
    if (content) return content;
  }
  return undefined;
}
