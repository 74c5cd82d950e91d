import { createHash } from 'node:crypto';
import { canonicalJson } from '../core/canonical-json.js';
import { contactKeyText } from '../core/keys.js';
import type { LedgerEntry } from '../store/ledger.js';

/** A ledger entry as others may see it and as its leaf commits to it. */
export interface PublicEntry {
  /** `c_…`, the keyed hash of the address. */
  readonly contact: string;
  /** Its number in the contact's history. */
  readonly number: number;
  /** The event's fields as the ledger has them; of the sealed part (evidence, actor) only its SHA-256 in hex. */
  readonly event: Readonly<Record<string, unknown>>;
}

export function publicEntry({ key, number, event }: LedgerEntry): PublicEntry {
  const { sealed, ...open } = event;
  const digest = sealed && createHash('sha256').update(sealed).digest('hex');
  return { contact: contactKeyText(key), number, event: { ...open, ...(digest ? { sealed: digest } : {}) } };
}

/**
 * The text a leaf commits to: RFC 8785 JSON of contact, number and event. It holds nothing that the ledger does not keep
 * for ever, so it can be made again years later; the sealed part is in it by its hash, so that exchanged evidence shows.
 */
export function canonicalEvent(entry: PublicEntry): string {
  return canonicalJson({ contact: entry.contact, number: entry.number, event: entry.event });
}
