import type { ContactType } from '../../core/contact-point.js';
import { unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { BoundDestination } from '../../sync/destination.js';

/** One address that an erasure would reach, and who would be asked to forget it. */
export interface ErasedAddress {
  readonly key: Buffer;
  readonly type: ContactType;
  /** Entries of its history: their evidence goes, codes and times stay. */
  readonly entries: number;
  readonly destinations: readonly string[];
}

/** What an erasure would do, before anybody does it. */
export interface ErasurePreview {
  readonly erased: readonly ErasedAddress[];
  /** Named in the request and not proven: nothing of these is erased. */
  readonly kept: readonly { readonly key: Buffer; readonly type: ContactType }[];
  /** Requests of these addresses whose personal data goes too. */
  readonly requests: number;
}

/** Looks up what an erasure of a request's proven addresses would reach. Changes nothing. */
export function createErasurePreview(parts: {
  readonly contacts: Pick<Contacts, 'find'>;
  readonly store: Pick<RequestStore, 'ofContacts'>;
  readonly destinations: readonly BoundDestination[];
}) {
  return async (record: RequestRecord): Promise<ErasurePreview> => {
    const proven = record.contacts.filter(({ verified }) => verified);
    try {
      const keys = proven.map(({ key }) => key);
      const [found, requests] = await Promise.all([parts.contacts.find(keys), parts.store.ofContacts(keys)]);
      const erased = proven.map(({ key, type }) => {
        const contact = found.get(key.toString('hex'));
        return {
          key,
          type,
          entries: (contact?.entries ?? 0) + (contact?.pending.length ?? 0),
          destinations: parts.destinations
            .filter(({ destination }) => destination.accepts.includes(type))
            .map(({ name }) => name),
        };
      });
      return { erased, kept: record.contacts.filter(({ verified }) => !verified), requests: requests.length };
    } catch (error) {
      throw unavailable(error);
    }
  };
}

export type PreviewErasure = ReturnType<typeof createErasurePreview>;
