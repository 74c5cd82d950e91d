import { HushError } from '../core/errors.js';

/** Headers that only the composer writes. */
const OURS =
  /^(from|sender|to|cc|bcc|reply-to|return-path|subject|date|message-id|mime-version|content-.*|auto-submitted|received|dkim-signature)$/i;
/** RFC 5322 §3.6.8, less the oddities nobody uses. */
const NAME = /^[A-Za-z][A-Za-z0-9-]{0,75}$/;
const CONTROL = /\p{Cc}/u;
// One plain addr-spec. RFC 5321 §4.1.2 allows quoted local parts; nothing else may hold a separator of address lists.
const ADDRESS = /^(?:"(?:[^"\\\p{Cc}]|\\[^\p{Cc}])*"|[^\s"<>,;:()[\]\\@\p{Cc}]+)@[^\s"<>,;:()[\]\\@\p{Cc}]+$/u;

/** The headers, if none of them can start another header or take the place of ours. Throws HushError('invalid'). */
export function checkedHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    if (!NAME.test(name) || OURS.test(name)) {
      throw new HushError('invalid', `a mail cannot be given the header ${JSON.stringify(name.slice(0, 80))}`, {
        field: 'headers',
      });
    }
    if (CONTROL.test(value) || value.length > 2000) {
      throw new HushError(
        'invalid',
        `the header ${name} has a line break, a control character or more than 2,000 letters`,
        { field: 'headers' },
      );
    }
  }
  return headers;
}

/** The longest address that is stored, in letters: quotes make one longer than the 254 octets that are compared. */
const MAX_LENGTH = 1000;

/** True for exactly one address, whether or not today's rules would take it: one that was sealed before gets its mail. */
export function isOneAddress(address: string): boolean {
  return address.length <= MAX_LENGTH && ADDRESS.test(address);
}

/** The address, if it is exactly one. Throws HushError('invalid') without repeating it. */
export function checkedAddress(address: string): string {
  if (!isOneAddress(address)) {
    throw new HushError('invalid', 'the mail has no single address to go to', {
      field: 'to',
      remedy: 'give one plain address such as ana@example.com',
    });
  }
  return address;
}

/** A sender as the catalog writes it: `Name <address>` or an address. */
export interface Mailbox {
  readonly name: string;
  readonly address: string;
}

export function parseSender(text: string): Mailbox {
  const [, name, address] = /^\s*"?([^"<]*?)"?\s*<([^>]+)>\s*$/.exec(text) ?? [];
  return { name: name ?? '', address: checkedAddress((address ?? text).trim()) };
}
