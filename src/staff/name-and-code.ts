import { createHmac } from 'node:crypto';
import type { PostalAddress } from '../core/contact-point.js';
import type { Keyring } from '../core/keys.js';
import { nameWords } from '../core/name-words.js';

/** A name and a postal code, as a caller gives them. */
export interface NameAndCode {
  readonly name: string;
  readonly postalCode: string;
}

/** ZIP+4 names the same place as ZIP for this; elsewhere spaces make no difference. */
function codeText(postalCode: string): string {
  const code = postalCode.normalize('NFKC').toUpperCase().replace(/[\s-]/g, '');
  return /^\d{9}$/.test(code) ? code.slice(0, 5) : code;
}

/** Reads "Jane Doe, 54956" or "jane doe SW1A 1AA": a name, then a code with a digit in it. */
export function readNameAndCode(text: string): NameAndCode | undefined {
  const match = /^(\D{3,120}?)[,\s]+((?=[A-Z0-9 -]*\d)[A-Z]{0,2}\d[A-Z0-9]{0,4}(?:[ -]?\d[A-Z0-9]{1,3})?)$/iu.exec(
    text.trim(),
  );
  const [, name = '', postalCode = ''] = match ?? [];
  return nameWords(name).length > 0 && postalCode.length >= 3 ? { name, postalCode } : undefined;
}

/** The keyed hash under which postal contacts are found by name and code; undefined when the address has no name. */
export function nameAndCodeHash(
  keyring: Keyring,
  { name, postalCode }: Partial<NameAndCode> & Pick<PostalAddress, 'postalCode'>,
): Buffer | undefined {
  const words = nameWords(name ?? '');
  if (words.length === 0) return undefined;
  return createHmac('sha256', keyring.lookup)
    .update(`name-and-code:${words.join(' ')}|${codeText(postalCode)}`)
    .digest()
    .subarray(0, 16);
}
