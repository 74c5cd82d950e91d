import type { Machine } from '../core/machine.js';
import { unavailable, withTimeout } from '../store/connect.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Persons } from '../store/persons.js';
import { maskedAddress } from './contact-address.js';
import { linkedKeys } from './persons.js';
import type { PrivateParts } from './private-part.js';

/** Contacts of a person that one page names. */
const MAX_NAMED = 10;

/** The other contacts of a person, masked: a join proves no identity, so nobody sees another's address in full. */
export function createLinkedContacts(parts: {
  readonly contacts: Contacts;
  readonly persons: Persons;
  readonly privateParts: PrivateParts;
  readonly machine: Machine;
}) {
  async function masked(contact: Contact): Promise<string[]> {
    const keys = await linkedKeys(parts.persons, contact);
    const found = await parts.contacts.find(keys.slice(0, MAX_NAMED));
    return [...found.values()].map((other) => maskedAddress(parts.privateParts, other));
  }

  return {
    /** Masked addresses of at most ten others. Throws HushError('unavailable'). */
    async masked(contact: Contact): Promise<string[]> {
      try {
        return await withTimeout(parts.machine, masked(contact));
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type LinkedContacts = ReturnType<typeof createLinkedContacts>;
