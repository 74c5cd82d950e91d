import { createHash } from 'node:crypto';
import type { ContactType } from '../../../core/contact-point.js';

export type HashName = 'sha256' | 'md5';

export function hexHash(name: HashName, text: string): string {
  return createHash(name).update(text, 'utf8').digest('hex');
}

/** Trimmed, NFC, lower case: what every platform asks of an email address at least. */
export function plainEmail(address: string): string {
  return address.trim().normalize('NFC').toLowerCase();
}

/** How a file's readers will have normalised before hashing: email in lower case, phone in E.164. */
export function comparable(type: ContactType, address: string): string {
  return type === 'email' ? plainEmail(address) : address.trim();
}

const GMAIL = new Set(['gmail.com', 'googlemail.com']);

/** Gmail ignores dots and plus tags. @see https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started */
export function googleEmail(address: string): string {
  const email = plainEmail(address);
  const cut = email.lastIndexOf('@');
  const domain = email.slice(cut + 1);
  if (!GMAIL.has(domain)) return email;
  return `${email.slice(0, cut).replace(/\+.*$/, '').replaceAll('.', '')}@${domain}`;
}

/** Digits with the country code, without plus and leading zeros: Meta's form of a phone number. */
export function digitsOnly(phone: string): string {
  return phone.replace(/\D/g, '').replace(/^0+/, '');
}

/** E.164 with its plus. */
export function e164(phone: string): string {
  return `+${digitsOnly(phone)}`;
}
