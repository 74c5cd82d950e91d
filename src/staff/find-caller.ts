import type { AliasGroupOf } from '../core/alias-group.js';
import type { Catalog } from '../core/catalog.js';
import {
  type ContactInput,
  type ContactPoint,
  type ContactType,
  maskContact,
  normaliseContact,
} from '../core/contact-point.js';
import { withoutScheme } from '../core/contact-scheme.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, contactKeyFromText, type Keyring } from '../core/keys.js';
import { addressOf, maskedAddress } from '../preferences/contact-address.js';
import type { Subject } from '../preferences/draft.js';
import { linkedKeys } from '../preferences/persons.js';
import type { PrivateParts } from '../preferences/private-part.js';
import { unavailable } from '../store/connect.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Persons } from '../store/persons.js';
import type { StaffLookup } from '../store/staff-lookup.js';
import { incompleteNumber } from './caller-text.js';
import { nameAndCodeHash, readNameAndCode } from './name-and-code.js';

/** Somebody a caller may be: a contact we know, or an address we have never seen. */
export interface Caller {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly subject: Subject;
  readonly masked: string;
  readonly known: boolean;
  readonly contact?: Contact;
  /** Other spellings of a mailbox that is not known under this one: what they said no to holds for it. */
  readonly others?: readonly Contact[];
}

/** Contacts of one person that one look may show at once. */
const MAX_LINKED = 50;

interface FindCallerParts {
  readonly contacts: Contacts;
  readonly persons: Persons;
  readonly lookup: StaffLookup;
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly aliasGroupOf: AliasGroupOf;
  /** A bare number is tried as `system:number` too. */
  readonly customerSystem: string;
}

function pointFrom({ catalog }: Pick<FindCallerParts, 'catalog'>, input: ContactInput): ContactPoint | undefined {
  try {
    return normaliseContact(input, catalog.group.defaultCountry);
  } catch (error) {
    if (error instanceof HushError) return undefined;
    throw error;
  }
}

/** Addresses that a text may mean: what it says outright, likeliest first, and the customer whose bare number it may be. */
function pointsFrom(
  parts: Pick<FindCallerParts, 'catalog' | 'customerSystem'>,
  text: string,
): { said: ContactPoint[]; customer?: ContactPoint | undefined } {
  const { catalog } = parts;
  if (text.includes('@'))
    return { said: [normaliseContact({ email: text.replace(/^mailto:/i, '') }, catalog.group.defaultCountry)] };
  const said = [
    /^[a-z0-9][a-z0-9-]*:\S/.test(text) ? pointFrom(parts, withoutScheme({ id: text })) : undefined,
    pointFrom(parts, { phone: text }),
  ].filter((point) => point !== undefined);
  const customer =
    /^[\w-]{2,40}$/.test(text) && /\d/.test(text)
      ? pointFrom(parts, { id: `${parts.customerSystem}:${text}` })
      : undefined;
  return { said, customer };
}

function callerFrom(
  { privateParts }: Pick<FindCallerParts, 'privateParts'>,
  contact: Contact,
  point?: ContactPoint,
): Caller {
  return {
    key: contact.key,
    type: contact.type,
    subject: point ? { point } : { key: contact.key, type: contact.type },
    masked: point ? maskContact(point) : maskedAddress(privateParts, contact),
    known: true,
    contact,
  };
}

async function callersByName(parts: FindCallerParts, text: string): Promise<Caller[] | undefined> {
  const { keyring, contacts, privateParts } = parts;
  const name = readNameAndCode(text);
  const hash = name && nameAndCodeHash(keyring, name);
  if (!hash) return undefined;
  const found = await contacts.find(await parts.lookup.find(hash));
  return [...found.values()]
    .filter((contact) => addressOf(privateParts, contact) !== undefined)
    .map((contact) => callerFrom(parts, contact));
}

/**
 * Everybody the text may mean: those we know, or else what it can be as an address we have never seen. Empty when it can
 * be none. Throws HushError `invalid` for an address that has an @ and is none, and for a number that is neither one we
 * know nor a whole phone number, with what to ask for.
 */
async function findCallers(parts: FindCallerParts, input: string): Promise<Caller[]> {
  const { contacts, keyring } = parts;
  const typed = input.trim().slice(0, 300);
  // Digits in full width are digits; an address with an @ has rules of its own.
  const text = typed.includes('@') ? typed : typed.normalize('NFKC');
  try {
    const key = contactKeyFromText(text);
    if (key) {
      const contact = await contacts.get(key);
      return contact ? [callerFrom(parts, contact)] : [];
    }
    const { said, customer } = pointsFrom(parts, text);
    const points = customer ? [...said, customer] : said;
    if (points.length === 0) {
      const named = await callersByName(parts, text);
      if (named) return named;
      if (/\d/.test(text) && !/\p{L}{2}/u.test(text)) throw incompleteNumber(text);
      return [];
    }
    const lookups = points.map((point) => ({
      point,
      key: contactKeyBytes(keyring, point),
      group: parts.aliasGroupOf(point),
    }));
    const found = await contacts.findShared(lookups);
    const all = lookups.map(({ point, key: own }): Caller => {
      const { contact, others = [] } = found.get(own.toString('hex')) ?? {};
      // A number that was stored in another form is that contact.
      const stored = contact ? { ...contact, others } : others.find(({ type }) => type === 'phone');
      if (stored) return callerFrom(parts, stored, contact && point);
      return { key: own, type: point.type, subject: { point }, masked: maskContact(point), known: false, others };
    });
    const known = all.filter((caller) => caller.known);
    if (known.length > 0) return known;
    // A bare number that nobody has is a slip as a rule: an opt-out for it would stop nothing.
    if (said.length === 0) throw incompleteNumber(text);
    return all.slice(0, said.length);
  } catch (error) {
    throw unavailable(error);
  }
}

async function callerByKey(
  parts: Pick<FindCallerParts, 'contacts' | 'privateParts'>,
  key: Buffer,
): Promise<Caller | undefined> {
  const { contacts } = parts;
  try {
    const contact = await contacts.get(key);
    return contact && callerFrom(parts, contact);
  } catch (error) {
    throw unavailable(error);
  }
}

/** Those of the keys that are known, by key (hex). */
async function contactsByKey(
  parts: Pick<FindCallerParts, 'contacts'>,
  keys: readonly Buffer[],
): Promise<ReadonlyMap<string, Contact>> {
  const { contacts } = parts;
  try {
    return await contacts.find(keys);
  } catch (error) {
    throw unavailable(error);
  }
}

/** All contacts of the person this one belongs to, itself first. */
async function linkedContacts(
  parts: Pick<FindCallerParts, 'persons' | 'contacts'>,
  contact: Contact,
): Promise<Contact[]> {
  const { persons, contacts } = parts;
  try {
    const others = await linkedKeys(persons, contact);
    if (others.length === 0) return [contact];
    const found = await contacts.find(others.slice(0, MAX_LINKED));
    return [contact, ...found.values()];
  } catch (error) {
    throw unavailable(error);
  }
}

/** The email address of one of these contacts, to confirm to. */
function emailOf(
  parts: Pick<FindCallerParts, 'privateParts' | 'catalog'>,
  all: readonly Contact[],
): ContactPoint | undefined {
  const { privateParts } = parts;
  for (const contact of all) {
    const address = contact.type === 'email' ? addressOf(privateParts, contact) : undefined;
    if (address) return pointFrom(parts, { email: address.given });
  }
  return undefined;
}

/** Finds callers by what they can say: email, phone in any spelling, customer number, or name and postal code. */
export function createFindCaller(parts: FindCallerParts) {
  return {
    find: (input: string) => findCallers(parts, input),

    byKey: (key: Buffer) => callerByKey(parts, key),

    byKeys: (keys: readonly Buffer[]) => contactsByKey(parts, keys),

    linked: (contact: Contact) => linkedContacts(parts, contact),

    emailOf: (all: readonly Contact[]) => emailOf(parts, all),
  };
}

export type FindCaller = ReturnType<typeof createFindCaller>;
