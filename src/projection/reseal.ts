import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, StoredEvent } from '../store/contacts.js';

export type SealingParts = Pick<PrivateParts, 'openPending' | 'newKey' | 'wrapKey' | 'unwrapKey' | 'seal'>;

/** A data key is there and does not open under a root key that we have. */
export class BrokenSealError extends Error {
  override name = 'BrokenSealError';
}

/** Events as the ledger stores them, and what the contact gets with them. */
export interface Resealed {
  readonly events: readonly StoredEvent[];
  /** The contact's data key, wrapped, where it had none. */
  readonly dataKey: Buffer | undefined;
  /** The address, sealed, where it had none. */
  readonly address: Buffer | undefined;
}

/** A contact's data key. Throws rather than have a new one made in the place of one that does not open. */
function openDataKey(parts: SealingParts, { key, dataKey }: Pick<Contact, 'key' | 'dataKey'>): Buffer | undefined {
  if (!dataKey) return undefined;
  const opened = parts.unwrapKey(key, dataKey);
  if (!opened) throw new BrokenSealError();
  return opened;
}

function withoutSeal({ sealed: _sealed, ...open }: StoredEvent): StoredEvent {
  return open;
}

/** An event with its private part under the data key, and the address apart: the contact stores that. */
function reseal(
  parts: SealingParts,
  contact: Buffer,
  dataKey: Buffer,
  event: StoredEvent,
): { readonly event: StoredEvent; readonly address?: Buffer } {
  const part = event.sealed && parts.openPending(contact, event.sealed);
  if (!part) return { event };
  const { address, ...rest } = part;
  const open = withoutSeal(event);
  return {
    event: Object.keys(rest).length > 0 ? { ...open, sealed: parts.seal(dataKey, contact, rest) } : open,
    ...(address ? { address: parts.seal(dataKey, contact, { address }) } : {}),
  };
}

/**
 * Moves the private parts of pending events under the contact's own data key. What is not admitted is dropped: of an erased
 * contact no address and no evidence is taken in; the opt-out itself counts.
 *
 * @throws MissingKeyError, BrokenSealError
 */
export function resealed(
  parts: SealingParts,
  contact: Pick<Contact, 'key' | 'keySeed' | 'dataKey' | 'address'>,
  events: readonly StoredEvent[],
  admitted: ReadonlySet<string>,
): Resealed {
  let opened: Buffer | undefined;
  let dataKey: Buffer | undefined;
  let address: Buffer | undefined;
  const stored = events.map((event) => {
    if (!event.sealed) return event;
    if (!admitted.has(event.id)) return withoutSeal(event);
    opened ??= openDataKey(parts, contact);
    if (!opened) {
      opened = parts.newKey(contact.key, contact.keySeed ?? event.sealed);
      dataKey = parts.wrapKey(contact.key, opened);
    }
    const result = reseal(parts, contact.key, opened, event);
    if (!contact.address) address ??= result.address;
    return result.event;
  });
  return { events: stored, dataKey, address };
}
