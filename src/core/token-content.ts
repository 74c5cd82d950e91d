import { CONTACT_TYPES, type ContactType } from './contact-point.js';
import { CHANNELS, type Channel, PURPOSES, type ScopePurpose } from './scope.js';
import { ENDINGS, packAddress, unpackAddress } from './token-address.js';

/**
 * What a link may do: `mailed` links get forwarded; `fresh` ones lift denials and show data for 30 minutes, once; `request`
 * ones show how far a rights request is, `verify` ones show that somebody reads the mail of an address.
 */
export type LinkKind = 'mailed' | 'fresh' | 'session' | 'confirm' | 'undo' | 'request' | 'verify';
/** The order is part of the token format: append only. */
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

export const channelCode = (channel: Channel | '*'): number => (channel === '*' ? 0 : CHANNELS.indexOf(channel) + 1);
export const purposeCode = (purpose: ScopePurpose): number =>
  purpose === '*' ? 0 : purpose === 'marketing' ? 15 : PURPOSES.indexOf(purpose) + 1;
export const channelOf = (code: number): Channel | '*' | undefined => (code === 0 ? '*' : CHANNELS[code - 1]);
export const purposeOf = (code: number): ScopePurpose | undefined =>
  code === 0 ? '*' : code === 15 ? 'marketing' : PURPOSES[code - 1];

/** Turns the codes of a token into words; undefined when one of them means nothing (yet) to this program. */
export function linkContent(
  codes: Pick<LinkContent, 'brandCode' | 'topicCode' | 'reference' | 'address' | 'expires'> & {
    readonly kind: number;
    readonly channel: number;
    readonly purpose: number;
    readonly contactType: number;
  },
): LinkContent | undefined {
  const kind = LINK_KINDS[codes.kind];
  const channel = channelOf(codes.channel);
  const purpose = purposeOf(codes.purpose);
  const contactType = CONTACT_TYPES[codes.contactType];
  return kind && channel && purpose && contactType ? { ...codes, kind, channel, purpose, contactType } : undefined;
}

const HAS_TOPIC = 8;
const HAS_REFERENCE = 4;
/** Not a mailed link about email to an email address without an end: two more bytes say what it is. */
const IS_OTHER = 2;
const IS_PACKED = 1;
const HAS_EXPIRY = 1;

/**
 * The bytes under the seal: brand, then purpose and flags; what most links do not have costs them nothing. The form is
 * read for ever: change it only with a new version in the associated data.
 */
export function encodeContent(content: LinkContent): Uint8Array {
  const { kind, channel, contactType, topicCode, reference, expires } = content;
  const isOther = kind !== 'mailed' || channel !== 'email' || contactType !== 'email' || expires !== undefined;
  const { ending, packed, rest } = packAddress(content.address, contactType === 'email');
  const named = Buffer.from(reference, 'utf8');
  const flags =
    (topicCode === 0 ? 0 : HAS_TOPIC) |
    (named.length === 0 ? 0 : HAS_REFERENCE) |
    (isOther ? IS_OTHER : 0) |
    (packed ? IS_PACKED : 0);
  const end = Buffer.alloc(expires === undefined ? 0 : 6);
  if (expires !== undefined) end.writeUIntBE(expires, 0, 6);
  return Buffer.concat([
    Buffer.from([
      content.brandCode,
      (purposeCode(content.purpose) << 4) | flags,
      ...(isOther
        ? [
            (LINK_KINDS.indexOf(kind) << 4) | channelCode(channel),
            (CONTACT_TYPES.indexOf(contactType) << 1) | (expires === undefined ? 0 : HAS_EXPIRY),
          ]
        : []),
      ...(topicCode === 0 ? [] : [topicCode]),
      ...(named.length === 0 ? [] : [named.length]),
    ]),
    named,
    end,
    Buffer.from(contactType === 'email' ? [ending] : []),
    rest,
  ]);
}

/** The opposite of `encodeContent`; undefined for bytes that no version of it wrote. */
export function decodeContent(bytes: Uint8Array): LinkContent | undefined {
  const plain = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  const next = (): number => plain[at++] ?? 0;
  const brandCode = next();
  const second = next();
  const isOther = (second & IS_OTHER) !== 0;
  const third = isOther ? next() : (LINK_KINDS.indexOf('mailed') << 4) | channelCode('email');
  const fourth = isOther ? next() : CONTACT_TYPES.indexOf('email') << 1;
  const topicCode = second & HAS_TOPIC ? next() : 0;
  const referenceLength = second & HAS_REFERENCE ? next() : 0;
  const reference = plain.toString('utf8', at, at + referenceLength);
  at += referenceLength;
  const expiryAt = at;
  if (fourth & HAS_EXPIRY) at += 6;
  const contactType = fourth >> 1;
  const ending = CONTACT_TYPES[contactType] === 'email' ? ENDINGS[next()] : '';
  if (at > plain.length || ending === undefined) return undefined;
  const address = unpackAddress(plain.subarray(at), (second & IS_PACKED) !== 0) + ending;
  if (address === '') return undefined;
  return linkContent({
    kind: third >> 4,
    channel: third & 15,
    purpose: second >> 4,
    contactType,
    brandCode,
    topicCode,
    reference,
    address,
    ...(fourth & HAS_EXPIRY ? { expires: plain.readUIntBE(expiryAt, 6) } : {}),
  });
}
