import { createHash } from 'node:crypto';

/** SHA-256 as hex, told apart from the adapters' own. */
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

/** The least that every platform asks: lower case, without spaces around it. */
export const hashedEmail = (address: string) => sha256(address.trim().toLowerCase());

/** True when none of the bodies sent holds one of the texts readable. */
export function nothingReadable(sent: readonly { readonly raw: Buffer }[], texts: readonly string[]): boolean {
  return sent.every(({ raw }) => texts.every((text) => !raw.toString().toLowerCase().includes(text.toLowerCase())));
}
