import { type ContactInput, type ContactPoint, type ContactType, normaliseContact } from './contact-point.js';

function inputOf(type: ContactType, address: string): ContactInput {
  switch (type) {
    case 'email':
      return { email: address };
    case 'phone':
      return { phone: address };
    case 'id':
      return { id: address };
    case 'postal':
      return { postal: JSON.parse(address) };
  }
}

/** Whatever was sealed for a postal address, as one that can be shown. */
function postalGiven(text: string): string {
  try {
    const address: unknown = JSON.parse(text);
    if (typeof address === 'object' && address !== null) return text;
  } catch {
    // Not what we write.
  }
  return JSON.stringify({ line1: text, city: '', postalCode: '' });
}

/**
 * The contact of an address that we accepted once and sealed, in a token or in the store. Rules change; what was accepted
 * stays an address: one that today's rules refuse counts as normalised when it was sealed. Never throws.
 */
export function sealedContact(type: ContactType, address: string, defaultCountry: string): ContactPoint {
  try {
    return normaliseContact(inputOf(type, address), defaultCountry);
  } catch {
    const normalised = type === 'email' ? address.toLowerCase().normalize('NFC') : address;
    return { type, normalised, given: type === 'postal' ? postalGiven(address) : address };
  }
}
