import { type ContactType, maskContact } from '../core/contact-point.js';
import type { Contact, StoredEvent } from '../store/contacts.js';
import { admittedEvents } from './erasure-gate.js';
import type { PrivateParts } from './private-part.js';

/**
 * The address of a contact as first given; undefined when only its keyed hash is left. Whoever reads an address reads it
 * here: a moment after the acknowledgement it is still with the pending event.
 */
export function addressOf(
  privateParts: PrivateParts,
  contact: Contact,
): { type: ContactType; given: string } | undefined {
  const key = contact.dataKey && privateParts.unwrapKey(contact.key, contact.dataKey);
  const stored = key && contact.address && privateParts.open(key, contact.key, contact.address)?.address;
  if (stored) return stored;
  for (const event of admittedEvents(contact)) {
    const address = event.sealed && privateParts.openPending(contact.key, event.sealed)?.address;
    if (address) return address;
  }
  return undefined;
}

/** What may be shown over a shoulder. */
export function maskedAddress(privateParts: PrivateParts, contact: Contact): string {
  const address = addressOf(privateParts, contact);
  return address
    ? maskContact(address)
    : `an ${contact.type === 'id' ? 'identifier' : `${contact.type} address`} kept as a hash only`;
}

/** Who acted and the evidence of an event; undefined when there is none, or an erasure destroyed it. */
export function evidenceOf(
  privateParts: PrivateParts,
  contact: Contact,
  event: StoredEvent,
): { actor?: string; evidence?: Readonly<Record<string, unknown>> } | undefined {
  const part = privateParts.of(contact, event.sealed);
  if (!part) return undefined;
  return {
    ...(part.actor === undefined ? {} : { actor: part.actor }),
    ...(part.evidence === undefined ? {} : { evidence: part.evidence }),
  };
}
