/** Automatic replies, RFC 3834: out of office and its kin. They mean nothing for a preference, and are told apart so that
 * nobody reads "I am no longer with the company" as a bounce. */
import { findAddress } from './address.js';
import { decodeWords, type Headers, header } from './headers.js';
import type { Returned } from './returned.js';
import type { BounceRules } from './rules.js';

/** RFC 3834 §5: anything but `no`. */
export function isAutoSubmitted(headers: Headers): boolean {
  const value = header(headers, 'auto-submitted').toLowerCase();
  return value !== '' && !value.startsWith('no');
}

export function readAutoReply(headers: Headers, rules: BounceRules): Returned[] {
  const from = header(headers, 'from').toLowerCase();
  const subject = decodeWords(header(headers, 'subject')).toLowerCase();
  if (rules.autoReply.notFrom.some((piece) => from.includes(piece))) return [];
  if (rules.autoReply.notSubject.some((piece) => subject.includes(piece))) return [];
  const isReply = Object.entries(rules.autoReply.headers).some(([name, starts]) => {
    const value = name === 'subject' ? subject : header(headers, name).toLowerCase();
    return value !== '' && starts.some((start) => value.startsWith(start));
  });
  if (!isReply) return [];
  const address = findAddress(header(headers, 'from')) ?? findAddress(header(headers, 'return-path'));
  return address === undefined ? [] : [{ kind: 'auto_reply', address, reason: 'vacation' }];
}
