import type { ContactInput } from '../core/contact-point.js';
import { numberOfScheme } from '../core/contact-scheme.js';
import { withoutTextMarker } from '../core/spreadsheet-cell.js';

/**
 * `system:value`, but neither the address of a page nor anything with an @: `smtp:` and its like before an email address
 * would make an identifier of it that nobody ever objected under.
 */
const IDENTIFIER = /^[a-z0-9][a-z0-9-]{0,31}:(?!\/\/)[^@]+$/;
const KEY = /^c_[0-9a-z]{26}$/;

/** Without the apostrophe by which spreadsheets, and our own exports for people, keep a cell a text. */
function plain(cell: string): string {
  const text = withoutTextMarker(cell.trim());
  return text.startsWith("'") && !text.includes('@') ? text.slice(1) : text;
}

/**
 * What a cell of a list means: a key of ours, a phone number behind `tel:`, `whatsapp:` or the like, an identifier
 * `system:value`, an email address when it has an @ or no digit, else a phone number. Whether it is one is for
 * `normaliseContact` to say.
 */
export function contactInCell(cell: string): Exclude<ContactInput, { postal: unknown }> | { readonly key: string } {
  const text = plain(cell);
  if (KEY.test(text)) return { key: text };
  const phone = numberOfScheme(text);
  if (phone !== undefined) return { phone };
  if (IDENTIFIER.test(text)) return { id: text };
  return text.includes('@') || !/\d/.test(text) ? { email: text } : { phone: text };
}
