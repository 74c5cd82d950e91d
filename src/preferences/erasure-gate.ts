import { eventEndsErasure } from '../core/erasure.js';
import { compareEvents } from '../core/event.js';
import { fold, type State } from '../core/fold.js';
import type { Contact, StoredEvent } from '../store/contacts.js';

/** What an erasure leaves of the private parts of pending events. */
export interface PrivateIntake {
  /** Ids of the events whose private part is stored. */
  readonly admitted: ReadonlySet<string>;
  /** True while the contact's data is to be destroyed, once every destination has accepted the denial. */
  readonly erasing: boolean;
}

/**
 * Decides which pending events may store an address and evidence. An erased contact takes none in until an event ends the
 * erasure. What arrives together with a first erasure is stored until the data is destroyed: destinations have to learn of
 * an opt-out before its address is gone.
 *
 * @param events in order of recording
 * @param state the contact's state with these events
 */
export function privateIntake(contact: Contact, events: readonly StoredEvent[], state: State): PrivateIntake {
  const erasedAt = state.atoms.reduce(
    (at, atom) => (atom.t === 'erased' ? Math.max(at, atom.at) : at),
    Number.NEGATIVE_INFINITY,
  );
  const erasedNow = events.some(({ type }) => type === 'erased');
  const erased = erasedAt > Number.NEGATIVE_INFINITY && (contact.keyedOnly || contact.erasing || erasedNow);
  if (!erased) return { admitted: new Set(events.map(({ id }) => id)), erasing: false };
  const reopening = events.findIndex((event) => eventEndsErasure(event, erasedAt));
  if (reopening >= 0) {
    return { admitted: new Set(events.slice(reopening).map(({ id }) => id)), erasing: false };
  }
  const isFirst = erasedNow && !contact.state.atoms.some(({ t }) => t === 'erased');
  return { admitted: new Set(isFirst ? events.map(({ id }) => id) : []), erasing: true };
}

/** Pending events in order of recording, each once. Of a writer's retry the first counts: it has the earlier time. */
export function inOrderOfRecording(pending: readonly StoredEvent[]): StoredEvent[] {
  const first = new Map<string, StoredEvent>();
  for (const event of pending.toSorted((a, b) => a.recorded - b.recorded || compareEvents(a, b)))
    if (!first.has(event.id)) first.set(event.id, event);
  return [...first.values()];
}

/** Pending events whose private part will be stored, in order of recording. */
export function admittedEvents(contact: Contact): StoredEvent[] {
  if (contact.pending.length === 0) return [];
  const events = inOrderOfRecording(contact.pending);
  const { admitted } = privateIntake(contact, events, fold(contact.state, events));
  return events.filter(({ id }) => admitted.has(id));
}
