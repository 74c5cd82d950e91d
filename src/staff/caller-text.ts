import { HushError } from '../core/errors.js';
import { parseEventId } from '../core/keys.js';
import { parseReference } from '../rights/requests/reference.js';

/** A number of ours that is no address: it has a page of its own. */
export type OwnNumber =
  | { readonly kind: 'receipt'; readonly id: string }
  | { readonly kind: 'request'; readonly id: string };

/** Words alone, such as "Zoe Featherstone": letters that could be a number are a name. Of our numbers 1 in 280 has no digit. */
const NAME = /^\p{L}+(?:[\s,.'’-]+\p{L}+)*$/u;

/** The number of a receipt or of a rights request, if the text has the form of one and is no name. */
export function ownNumberFrom(text: string): OwnNumber | undefined {
  if (NAME.test(text.trim())) return undefined;
  const receipt = parseEventId(text);
  if (receipt) return { kind: 'receipt', id: receipt };
  const request = parseReference(text);
  return request === undefined ? undefined : { kind: 'request', id: request };
}

/** Digits of a US number without its area code. */
const LOCAL_DIGITS = 7;

/**
 * What to ask for where a text has digits and is neither a number we know nor a whole phone number. A receipt for it would
 * stop nothing.
 */
export function incompleteNumber(text: string): HushError {
  const digits = text.replace(/\D/g, '');
  if (digits.length === LOCAL_DIGITS && !/[a-z]/i.test(text)) {
    return new HushError('invalid', 'this looks like a phone number without its area code', {
      remedy: 'ask for the area code and type the whole number',
    });
  }
  return new HushError('invalid', 'no customer has this number, and it is not a whole phone number', {
    remedy: 'ask for an email address, or for the phone number with its area code: one we have never seen is fine',
  });
}

const SPOKEN: Readonly<Record<string, string>> = { '@': 'at', '.': 'dot', '-': 'dash', _: 'underscore', '+': 'plus' };

/** An address letter by letter, to be read back to the caller: "a n a at e x a m p l e dot c o m". */
export const spelledBack = (input: string): string => [...input].map((letter) => SPOKEN[letter] ?? letter).join(' ');
