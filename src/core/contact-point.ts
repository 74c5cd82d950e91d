import { domainToASCII, domainToUnicode } from 'node:url';
import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import { numberOfScheme } from './contact-scheme.js';
import { HushError } from './errors.js';
import { knownNumber } from './phone-spellings.js';

export const CONTACT_TYPES = ['email', 'phone', 'postal', 'id'] as const;
export type ContactType = (typeof CONTACT_TYPES)[number];

export interface PostalAddress {
  readonly name?: string | undefined;
  readonly line1: string;
  readonly line2?: string | undefined;
  readonly city: string;
  readonly region?: string | undefined;
  readonly postalCode: string;
  /** ISO 3166-1 alpha-2; the United States when left out. */
  readonly country?: string | undefined;
}

/** A contact as somebody gave it. */
export type ContactInput =
  | { readonly email: string }
  | { readonly phone: string }
  | { readonly postal: PostalAddress }
  | { readonly id: string };

/** One address a message can reach, or an identifier of another system. */
export interface ContactPoint {
  readonly type: ContactType;
  /** One text per contact: what is compared and hashed. */
  readonly normalised: string;
  /** As first given (trimmed): what is sent to. */
  readonly given: string;
  /** ISO 3166-1 alpha-2, where the address tells. */
  readonly country?: string;
}

const REMEDY = {
  email: 'give one plain address such as ana@example.com',
  phone: 'give the number with its country code, such as +1 920 555 0100',
  postal: 'give line1, city, postalCode and country (two letters)',
  id: 'give system:value, such as crm:12345, the system in lower-case letters, digits and dashes',
} as const;

function refuse(type: ContactType, why: string): never {
  throw new HushError('invalid', why, { field: `contact.${type}`, remedy: REMEDY[type] });
}

/** Control, zero-width, bidirectional and other format characters: they make two addresses look like one. */
// biome-ignore lint/suspicious/noMisleadingCharacterClass: variation selectors are meant one by one
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\uFE00-\uFE0F\u034F\u115F\u1160\u3164\uFFA0]/u;
const ATEXT = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const DOTTED = /^(?=.*[^.])[\p{L}\p{M}\p{N}.!#$%&'*+/=?^_`{|}~-]+$/u;
const QUOTED = /^"(?:[^"\\\r\n]|\\[^\r\n])*"$/u;
/** Hosts with an underscore get mail: Postfix and Exim deliver to them. Neither does to a hyphen at the end of a label. */
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const encoder = new TextEncoder();

/**
 * Dots at the ends or in a row need quotes by RFC 5321 §4.1.2, but Japanese carriers gave such addresses out and every
 * server delivers them as they are: with and without quotes is one mailbox, known by the form of the RFC.
 */
function localPart(local: string): string {
  if (ATEXT.test(local)) return local;
  if (DOTTED.test(local)) return `"${local}"`;
  if (!QUOTED.test(local)) return refuse('email', 'the part before the @ is not an address');
  const text = local.slice(1, -1).replace(/\\(.)/gu, '$1');
  // A quoted local part that needs no quotes is the same mailbox without them (RFC 5321 §4.1.2).
  return ATEXT.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** Of ASCII only these: the URL parser behind `domainToASCII` would cut `example.com/x` and decode `%61` without a word. */
const NOT_IN_DOMAIN = /[^a-z0-9._\-\u0080-\u{10FFFF}]/iu;

/** Punycode that stands for nothing; Node refuses it up to 22 and passes it on from 24, and one address has one key. */
function isPunycodeOfNothing(ascii: string): boolean {
  if (!ascii.includes('xn--')) return false;
  const unicode = domainToUnicode(ascii);
  return unicode.split('.').some((label) => label.startsWith('xn--')) || domainToASCII(unicode) !== ascii;
}

function emailDomain(domain: string): string {
  if (domain.startsWith('[')) return refuse('email', 'an IP address is not a mail domain');
  if (NOT_IN_DOMAIN.test(domain)) return refuse('email', 'the part after the @ is not a domain');
  const ascii = domainToASCII(domain.replace(/[\u3002\uFF0E\uFF61]/g, '.').replace(/\.$/, ''));
  const labels = ascii.split('.');
  if (ascii === '' || ascii.length > 253 || !labels.every((label) => LABEL.test(label)) || isPunycodeOfNothing(ascii)) {
    return refuse('email', 'the part after the @ is not a domain');
  }
  if (labels.length < 2) return refuse('email', 'the domain has no ending such as .com');
  if (labels.at(-1)?.includes('_')) return refuse('email', 'the part after the @ is not a domain');
  if (/^\d+$/.test(labels.at(-1) ?? '')) return refuse('email', 'an IP address is not a mail domain');
  return ascii;
}

/**
 * RFC 5321 and 6531: at most 254 octets in all. Of the 64 before the @ no server makes much, and what bounces are returned to
 * is longer. Compared in lower case and NFC, as senders do.
 */
function normaliseEmail(text: string): ContactPoint {
  const given = text.trim().normalize('NFC');
  if (given === '') return refuse('email', 'the address is empty');
  if (given.length > 1000) return refuse('email', 'an address has at most 254 octets');
  if (INVISIBLE.test(given)) return refuse('email', 'the address has an invisible character');
  if (/^mailto:/i.test(given)) return refuse('email', 'give the address without mailto:');
  if (/[<>()]/.test(given.replace(/^"(?:[^"\\]|\\.)*"/u, '')))
    return refuse('email', 'give the address alone, without a name or comment');
  const at = given.lastIndexOf('@');
  if (at < 1) return refuse('email', 'an address has an @');
  const before = given.slice(0, at);
  const local = localPart(before).toLowerCase().normalize('NFC');
  const domain = emailDomain(given.slice(at + 1));
  const normalised = `${local}@${domain}`;
  if (encoder.encode(normalised).length > 254) return refuse('email', 'an address has at most 254 octets');
  return {
    type: 'email',
    normalised,
    given: `${before}@${domain === given.slice(at + 1).toLowerCase() ? given.slice(at + 1) : domain}`,
  };
}

const KEYPAD: Readonly<Record<string, string>> = Object.fromEntries(
  ['2ABC', '3DEF', '4GHI', '5JKL', '6MNO', '7PQRS', '8TUV', '9WXYZ'].flatMap((key) =>
    [...key.slice(1)].map((letter) => [letter, key.charAt(0)]),
  ),
);

/** `ext. 12`, `x12`, `;ext=12` (RFC 3966), `,,12` as phones dial it, `#12`. Seven digits could be another number. */
const EXTENSION = /(?<=[\d\s)])\s*(?:[,;]+\s*(?:ext(?:ension|n)?\.?|x|#)?|ext(?:ension|n)?\.?|x|#)[:=\s.]*\d{1,6}\s*$/i;

/** ITU-T E.164. Extensions are dropped: who says no to a line says no to what is behind it. */
function normalisePhone(text: string, defaultCountry: string): ContactPoint {
  const given = text.trim().normalize('NFKC');
  if (given.length > 60) return refuse('phone', 'a phone number is shorter');
  if (INVISIBLE.test(given.replace(/[\u200E\u200F\u202A-\u202E\u2066-\u2069]/g, ''))) {
    return refuse('phone', 'the number has an invisible character');
  }
  const shown = given.replace(/[\p{Cf}]/gu, '');
  const visible = numberOfScheme(shown) ?? shown;
  const main = visible.replace(EXTENSION, '');
  const digits = main.replace(/[A-Za-z]/g, (letter) => KEYPAD[letter.toUpperCase()] ?? letter);
  // Letters are only read as digits in numbers spelled as words (1-877-CALL-JMF), not in any text with digits in it.
  if (/[A-Za-z]/.test(main) && !/^[+(]?\d[\d\s().-]{2,}[A-Za-z][A-Za-z\d\s.-]*$/.test(main)) {
    return refuse('phone', 'this is not a phone number');
  }
  if (!/^[+(]?[\d\s().\-/\u2010-\u2015]+$/.test(digits)) return refuse('phone', 'this is not a phone number');
  const country: CountryCode = isSupportedCountry(defaultCountry) ? defaultCountry : 'US';
  const number = parsePhoneNumberFromString(digits.replace(/^\s*00/, '+'), country)?.number ?? '';
  const normalised = knownNumber(number);
  const parsed = parsePhoneNumberFromString(normalised);
  if (!parsed?.isPossible()) return refuse('phone', 'this is not a whole phone number');
  const found = parsed.country ?? (parsed.countryCallingCode === '1' ? 'US' : undefined);
  return {
    type: 'phone',
    normalised,
    given: number,
    ...(found === undefined ? {} : { country: found }),
  };
}

function plain(text: string | undefined): string {
  return (text ?? '')
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[\p{P}\p{S}\p{Cc}\p{Cf}]/gu, ' ')
    .replace(/\s+/g, ' ')
    .trim();
}

const POSTAL_LIMIT = 400;

function normalisePostal(address: PostalAddress): ContactPoint {
  const country = (address.country ?? 'US').trim().toUpperCase();
  if (!/^[A-Z]{2}$/.test(country)) return refuse('postal', 'country is a two-letter code');
  const parts = [address.name, address.line1, address.line2, address.city, address.region].map(plain);
  const postalCode = plain(address.postalCode).replaceAll(' ', '');
  // ZIP+4 names the same door as ZIP to everybody but the post: the first five decide.
  const code = country === 'US' ? postalCode.slice(0, 5) : postalCode;
  if (plain(address.line1) === '' || plain(address.city) === '' || code === '') {
    return refuse('postal', 'line1, city and postalCode are needed');
  }
  const given = JSON.stringify(address);
  if (given.length > POSTAL_LIMIT) return refuse('postal', `an address has at most ${POSTAL_LIMIT} characters`);
  return { type: 'postal', normalised: [...parts, code, country].join('|'), given, country };
}

function normaliseId(text: string): ContactPoint {
  const given = text.trim();
  const match = /^([a-z0-9][a-z0-9-]{0,31}):(.{1,200})$/u.exec(given);
  if (!match || INVISIBLE.test(given)) return refuse('id', 'an identifier is system:value');
  return { type: 'id', normalised: given.normalize('NFC'), given };
}

/**
 * The one form under which a contact is known. Throws HushError `invalid` that names the field and the remedy.
 *
 * @example normaliseContact({ email: 'Ana@Exämple.com' }).normalised // 'ana@xn--exmple-cua.com'
 */
export function normaliseContact(input: ContactInput, defaultCountry = 'US'): ContactPoint {
  if ('email' in input) return normaliseEmail(input.email);
  if ('phone' in input) return normalisePhone(input.phone, defaultCountry);
  if ('postal' in input) return normalisePostal(input.postal);
  return normaliseId(input.id);
}

/** What a page may show of an address that anybody might read over a shoulder: `a•••@example.com`, `+1 ••• ••12`. */
export function maskContact(point: Pick<ContactPoint, 'type' | 'given'>): string {
  switch (point.type) {
    case 'email': {
      const at = point.given.lastIndexOf('@');
      return `${[...point.given][0] ?? ''}•••${point.given.slice(at)}`;
    }
    case 'phone':
      return `${point.given.slice(0, 2)} ••• ••${point.given.slice(-2)}`;
    case 'postal': {
      const address: { city?: string; country?: string } = JSON.parse(point.given);
      return `••• ${address.city ?? ''} ${address.country ?? 'US'}`;
    }
    case 'id': {
      const [system = '', value = ''] = point.given.split(/:(.*)/s);
      // Two letters of a long number help to recognise it; of a short one they are the number.
      return `${system}:•••${value.length < 5 ? '' : value.slice(-2)}`;
    }
  }
}
