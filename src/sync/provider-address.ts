import { type ContactPoint, type ContactType, normaliseContact } from '../core/contact-point.js';
import { withoutScheme } from '../core/contact-scheme.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import type { ReadBackEntry } from './destination.js';

/** What a provider calls a contact, as one of ours; undefined for what is no address here. */
export function providerAddress(type: ContactType, value: string, country: string): ContactPoint | undefined {
  try {
    switch (type) {
      case 'email':
        return normaliseContact({ email: value }, country);
      case 'phone':
        return normaliseContact({ phone: value }, country);
      case 'id':
        return normaliseContact(withoutScheme({ id: value }), country);
      case 'postal':
        // A postal address leaves as the JSON it was given in.
        return normaliseContact({ postal: JSON.parse(value) }, country);
    }
  } catch (error) {
    if (error instanceof HushError || error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Key (hex) of the contact that a provider's entry is about; undefined for what is no address here. */
export function providerContactKey(keyring: Keyring, country: string, entry: ReadBackEntry): string | undefined {
  const point = providerAddress(entry.type ?? 'email', entry.address, country);
  return point && contactKeyBytes(keyring, point).toString('hex');
}
