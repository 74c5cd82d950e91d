import { type ContactType, maskContact } from '../core/contact-point.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, StoredEvent } from '../store/contacts.js';

/** The address of a contact as first given; undefined when only its keyed hash is left. */
export function addressOf(
  privateParts: PrivateParts,
  contact: Contact,
): { type: ContactType; given: string } | undefined {
  const key = contact.dataKey && privateParts.unwrapKey(contact.key, contact.dataKey);
  const kept = key && contact.address && privateParts.open(key, contact.key, contact.address)?.address;
  if (kept || contact.erasing) return kept || undefined;
  // Acknowledged a moment ago: the address is still with its event. Of an erased contact it is never taken in.
  if (contact.state.atoms.some((atom) => atom.t === 'erased')) return undefined;
  for (const event of contact.pending) {
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
  if (!event.sealed) return undefined;
  const key = contact.dataKey && privateParts.unwrapKey(contact.key, contact.dataKey);
  const part =
    (key && privateParts.open(key, contact.key, event.sealed)) ?? privateParts.openPending(contact.key, event.sealed);
  if (!part) return undefined;
  return {
    ...(part.actor === undefined ? {} : { actor: part.actor }),
    ...(part.evidence === undefined ? {} : { evidence: part.evidence }),
  };
}
