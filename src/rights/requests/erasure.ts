import type { ContactType } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { unavailable } from '../../store/connect.js';
import type { Contact, Contacts } from '../../store/contacts.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { PostLetters } from '../letters/post-letters.js';
import { type By, type Records, SYSTEM, TEXT_LIMIT } from './records.js';

/** How far the erasure of one contact is. */
export interface ErasureStep {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly state: 'recording' | 'telling' | 'destroying' | 'done';
  /** Destinations that are still to accept the denial. */
  readonly waiting: readonly string[];
  /** Destinations that refuse this address for good, with their reason. */
  readonly refused: readonly { readonly destination: string; readonly why: string }[];
}

function stepOf(contact: Contact | undefined, key: Buffer, type: ContactType): ErasureStep {
  const waiting = contact?.pendingSyncs.map(({ destination }) => destination) ?? [];
  const refused = Object.entries(contact?.synced ?? {}).flatMap(([destination, synced]) =>
    synced.parked ? [{ destination, why: synced.parked.why }] : [],
  );
  const erased = contact?.state.atoms.some((atom) => atom.t === 'erased') === true;
  const state =
    !contact || !erased
      ? 'recording'
      : waiting.length > 0
        ? 'telling'
        : contact.erasing || (contact.keyedOnly && contact.dataKey)
          ? 'destroying'
          : 'done';
  return { key, type, state, waiting, refused };
}

/** Deletion to its end: destinations first, then the data; the request is closed only when nothing is left. */
export function createErasures(parts: {
  readonly store: RequestStore;
  readonly records: Records;
  readonly post: PostLetters;
  readonly contacts: Contacts;
}) {
  const { store, records, post, contacts } = parts;

  async function progress(record: RequestRecord): Promise<readonly ErasureStep[]> {
    const erased = record.contacts.filter(({ verified }) => verified);
    try {
      const found = await contacts.find(erased.map(({ key }) => key));
      return erased.map(({ key, type }) => stepOf(found.get(key.toString('hex')), key, type));
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Nothing personal stays in closed requests of the erased: codes, times and what was answered do. */
  async function forget(keys: readonly Buffer[]): Promise<void> {
    for (const request of await store.ofContacts(keys, 1000)) await post.forgetIfDone(request);
  }

  return {
    progress,
    forget,

    /** Closes a deletion whose data is gone; its letter goes while the address is still in the request, then that goes too. */
    async settle(record: RequestRecord): Promise<RequestRecord> {
      if (record.kind !== 'deletion' || record.state !== 'fulfilling') return record;
      const steps = await progress(record);
      if (steps.some(({ state }) => state !== 'done')) return record;
      const refusing = steps.flatMap(({ refused }) => refused);
      if (refusing.length > 0 && record.overriddenAt === undefined) return record;
      const closed = await records.act(
        record,
        'complete',
        SYSTEM,
        {},
        { facts: { contacts: String(steps.length) } },
        post.reaches(record, 'fulfilment') ? [{ kind: 'fulfilment' }] : [],
      );
      const sent = await post.flushQuietly(closed);
      await forget(sent.contacts.map(({ key }) => key));
      return records.get(record.id);
    },

    /** The officer does not wait for destinations that do not accept it, and says why. */
    async override(record: RequestRecord, by: By, reason: string, now: number): Promise<RequestRecord> {
      const why = reason.trim().slice(0, TEXT_LIMIT);
      if (why === '') {
        throw new HushError('invalid', 'to go on without a destination needs a reason', {
          field: 'reason',
          remedy: 'write which destination does not accept it, and what is done about it',
        });
      }
      const steps = await progress(record);
      if (steps.some(({ state }) => state === 'recording')) {
        throw new HushError('conflict', 'the erasure is being recorded', { remedy: 'try again in a few seconds' });
      }
      const abandoned = [
        ...new Set(
          steps.flatMap(({ waiting, refused }) => [...waiting, ...refused.map(({ destination }) => destination)]),
        ),
      ];
      // First the reason, durably; then what it is for.
      const overridden = await records.act(
        record,
        'override',
        by,
        { overriddenAt: new Date(now) },
        { facts: { destinations: abandoned.join(' ') || 'none' }, text: why },
      );
      await contacts.abandonPendingSyncs(steps.map(({ key }) => key));
      return overridden;
    },
  };
}

export type Erasures = ReturnType<typeof createErasures>;
