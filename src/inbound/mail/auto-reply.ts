/** Automatic replies, RFC 3834: out of office and its kin. They mean nothing for a preference, and are recognised so that
 * nobody reads "I am no longer with the company" as a bounce. */
import { findAddress } from './address.js';
import { decodeWords, type Headers, header, headerAll } from './headers.js';
import type { Automatic, Returned } from './returned.js';
import type { BounceRules } from './rules.js';

/** Values that say "not automatic" (RFC 3834 §5.2: `no`), with the parameters or comments that may follow. */
const SAYS_NO = /^(?:\([^)]*\)\s*)?(?:no|none|false|0)?\s*(?:[;(]|$)/i;

/** Whether a program wrote the message, as far as its headers say. */
export function automaticOf(headers: Headers, { autoReply }: BounceRules): Automatic {
  const isThere = (name: string) => headerAll(headers, name).some((value) => !SAYS_NO.test(value.trim()));
  const has = (values: Readonly<Record<string, readonly string[]>>) =>
    Object.entries(values).some(([name, starts]) =>
      headerAll(headers, name).some((value) => starts.some((start) => value.trim().toLowerCase().startsWith(start))),
    );
  if (autoReply.headers.some(isThere) || has(autoReply.values)) return 'certain';
  if (autoReply.isSubject(decodeWords(header(headers, 'subject')))) return 'by_subject';
  return autoReply.likelyHeaders.some(isThere) || has(autoReply.likelyValues) ? 'likely' : 'no';
}

export function readAutoReply(headers: Headers, rules: BounceRules): Returned[] {
  const from = header(headers, 'from').toLowerCase();
  const subject = decodeWords(header(headers, 'subject')).toLowerCase();
  if (rules.autoReply.notFrom.some((piece) => from.includes(piece))) return [];
  if (rules.autoReply.notSubject.some((piece) => subject.includes(piece))) return [];
  if (automaticOf(headers, rules) === 'no') return [];
  const address = findAddress(header(headers, 'from')) ?? findAddress(header(headers, 'return-path'));
  return address === undefined ? [] : [{ kind: 'auto_reply', address, reason: 'vacation' }];
}
