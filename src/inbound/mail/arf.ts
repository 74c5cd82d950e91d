/** Feedback reports, RFC 5965 (ARF), with the types of its registry and of RFC 6591. */
import { findAddress, findAddresses } from './address.js';
import { type Headers, header } from './headers.js';
import { type Returned, type ReturnedKind, UNDISCLOSED_RECIPIENT } from './returned.js';

/** RFC 5321 §4.5.3.1.8: a server need not take more recipients at once. */
const MAX_RECIPIENTS = 100;

/** Types that say nothing about the recipient's wishes: authentication failures and reports of good mail. */
const SILENT_TYPES = new Set(['auth-failure', 'dmarc', 'not-spam', 'virus']);
const OPT_OUT_TYPES = new Set(['opt-out', 'opt-out-list', 'unsubscribe']);

/** RFC 5965 §3.1: abuse, fraud and other are a person's act. An unknown type is treated as abuse, never lost. */
function feedbackKind(type: string): ReturnedKind {
  const lower = type.trim().toLowerCase();
  if (OPT_OUT_TYPES.has(lower)) return 'opt_out';
  return SILENT_TYPES.has(lower) ? 'other' : 'complaint';
}

/**
 * Reads the fields of a message/feedback-report part. The recipient is Original-Rcpt-To (any number), else Removal-Recipient,
 * else the To of the embedded message, else nobody can be named (§4: redaction).
 */
export function readFeedback(fields: Headers, originalTo: string): Returned[] {
  const feedbackType = (header(fields, 'feedback-type') || 'abuse').toLowerCase().slice(0, 60);
  const kind = feedbackKind(feedbackType);
  const named = new Set(
    fields.fields
      .filter(([name]) => name === 'original-rcpt-to' || name === 'removal-recipient')
      .map(([, value]) => findAddress(value))
      .filter((address) => address !== undefined)
      .slice(0, MAX_RECIPIENTS),
  );
  const fallback = findAddresses(originalTo)[0] ?? UNDISCLOSED_RECIPIENT;
  const addresses = named.size > 0 ? [...named] : [fallback];
  return addresses.map((address) => ({ kind, address, reason: 'feedback', feedbackType }));
}

/**
 * Apple Mail's "unsubscribe" button, when it can only mail, sends from the person's own address with this header.
 */
export function readAppleUnsubscribe(headers: Headers): Returned[] {
  if (header(headers, 'x-apple-unsubscribe').toLowerCase() !== 'true') return [];
  const address = findAddress(header(headers, 'from'));
  return address === undefined ? [] : [{ kind: 'opt_out', address, reason: 'feedback', feedbackType: 'opt-out' }];
}
