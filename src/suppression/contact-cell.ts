import type { ContactInput } from '../core/contact-point.js';

/**
 * `system:value`, but neither `tel:` nor the address of a page, nor anything with an @: `smtp:` and its like before an
 * email address would make an identifier of it that nobody ever objected under.
 */
const IDENTIFIER = /^(?!tel:|sms:)[a-z0-9][a-z0-9-]{0,31}:(?!\/\/)[^@]+$/;
const KEY = /^c_[0-9a-z]{26}$/;

/**
 * What a cell of a list means: a key of ours, an identifier `system:value`, an email address when it has an @ or no digit,
 * else a phone number. Whether it is one is for `normaliseContact` to say.
 */
export function contactInCell(cell: string): Exclude<ContactInput, { postal: unknown }> | { readonly key: string } {
  const text = cell.trim();
  if (KEY.test(text)) return { key: text };
  if (IDENTIFIER.test(text)) return { id: text };
  return text.includes('@') || !/\d/.test(text) ? { email: text } : { phone: text };
}
