/**
 * How a line of prose names a recipient, as data: literal text around `{address}`, and `{rest}` for what follows.
 * A leading `…` lets the literal start anywhere. Matching is substring search, so it is linear.
 *
 * @example compileTemplate('<{address}>:{rest}')('<a@b.example>: no such user') // { address: 'a@b.example', rest: ' no such user' }
 */
import { findAddress, isAddress } from './address.js';

interface NamedRecipient {
  address: string;
  /** What the line says of the recipient: what follows, or all of it when words come first. */
  rest: string;
}

export type LineTemplate = (line: string) => NamedRecipient | undefined;

const MAX_LINE = 2000;

export function compileTemplate(template: string): LineTemplate {
  const [before = '', after = ''] = template.split('{address}');
  const anywhere = before.startsWith('…');
  const prefix = anywhere ? before.slice(1) : before;
  const keepsRest = after.endsWith('{rest}');
  const suffix = keepsRest ? after.slice(0, -'{rest}'.length) : after;
  return (whole) => {
    const line = whole.slice(0, MAX_LINE);
    const at = anywhere ? line.indexOf(prefix) : line.startsWith(prefix) ? 0 : -1;
    if (at < 0) return undefined;
    const rest = line.slice(at + prefix.length);
    const end = suffix === '' ? addressEnd(rest) : rest.indexOf(suffix);
    if (end <= 0) return undefined;
    const address = exactAddress(rest.slice(0, end), prefix.trim() !== '');
    const remainder = rest.slice(end + suffix.length);
    if (address === undefined || (!keepsRest && remainder.trim() !== '')) return undefined;
    return { address, rest: /[A-Za-z]{3}/.test(prefix) ? line : keepsRest ? remainder : '' };
  };
}

function addressEnd(text: string): number {
  const found = text.search(/[\s()[\],;]|:(?:\s|$)/);
  return found < 0 ? text.length : found;
}

/**
 * The text must be an address; after words it may stand in brackets, with a name before them. Prose with an address in it is
 * none.
 */
function exactAddress(text: string, afterWords: boolean): string | undefined {
  if (isAddress(text)) return text;
  if (text.startsWith('<') && !afterWords) return undefined;
  const trimmed = text.trim().replace(/^<|>$/g, '').replace(/[.:]$/, '');
  if (isAddress(trimmed)) return trimmed;
  return text.includes('<') && text.trimEnd().endsWith('>') ? findAddress(text) : undefined;
}
