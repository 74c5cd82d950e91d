import { type Model, Schema } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE, isDuplicate } from './connect.js';
import type { StoredEvent } from './contact-rows.js';
import { collectionSchema, partSchema } from './schema.js';

/** A contact of a person, with what is needed to append to it. */
export interface Member {
  readonly key: Buffer;
  readonly type: string;
}

/** Groups contacts. What was said for all of them is kept apart: a person's own document stays small. */
export interface Person {
  readonly id: string;
  readonly members: readonly Member[];
  readonly mergedInto?: string;
}

/** An event for all contacts of a person. */
export interface PersonEvent {
  readonly person: string;
  readonly event: StoredEvent;
}

export interface PersonRow extends Partial<Pick<Person, 'members' | 'mergedInto'>> {
  readonly _id: string;
  /** Where earlier versions kept events, and which of them were open: moved to documents of their own when next needed. */
  readonly events?: readonly StoredEvent[];
  readonly open?: readonly string[];
  readonly openSince?: Date;
}

export const personSchema = collectionSchema<PersonRow>('persons', {
  _id: { type: String, required: true },
  members: [partSchema<Member>({ key: { type: Buffer, required: true }, type: { type: String, required: true } })],
  mergedInto: String,
  events: [Schema.Types.Mixed],
  open: [String],
  openSince: Date,
});
personSchema.index({ openSince: 1 }, { sparse: true });

export interface PersonEventRow extends PersonEvent {
  readonly _id: string;
  /** Until the event is at every contact: since when. */
  readonly open?: Date;
}

export const personEventSchema = collectionSchema<PersonEventRow>('person_events', {
  _id: { type: String, required: true },
  person: { type: String, required: true },
  event: { type: Schema.Types.Mixed, required: true },
  open: Date,
});
personEventSchema.index({ person: 1 });
personEventSchema.index({ open: 1 }, { sparse: true });

export interface PersonRecords {
  readonly persons: Model<PersonRow>;
  readonly events: Model<PersonEventRow>;
  readonly machine: Pick<Machine, 'now'>;
}

/** The `_id` of a person's event. */
export const personEventId = (person: string, event: string): string => `${person}:${event}`;

/** Gives events of a person documents of their own; those that are there stay. */
export async function insertPersonEvents(
  { events, machine }: PersonRecords,
  person: string,
  list: readonly StoredEvent[],
  isOpen: (id: string) => boolean,
): Promise<void> {
  if (list.length === 0) return;
  const now = new Date(machine.now());
  try {
    await events.insertMany(
      list.map((event) => ({
        _id: personEventId(person, event.id),
        person,
        event,
        ...(isOpen(event.id) ? { open: now } : {}),
      })),
      { ordered: false, throwOnValidationError: true, writeConcern: DURABLE },
    );
  } catch (error) {
    // Said again, or moved by somebody else too.
    if (!isDuplicate(error)) throw error;
  }
}

/**
 * Earlier versions kept events in the person's own document: gives them documents of their own. May be done twice, or
 * broken off.
 */
export async function moveEmbeddedEvents(records: PersonRecords, person: string): Promise<void> {
  const { persons } = records;
  const { events: embedded = [], open = [] } = (await persons.findById(person, { events: 1, open: 1 }).lean()) ?? {};
  if (embedded.length === 0) return;
  await insertPersonEvents(records, person, embedded, (event) => open.includes(event));
  const ids = embedded.map((event) => event.id);
  // A process of the former version may have added another one meanwhile: it stays for the next time.
  await persons.updateOne(
    { _id: person },
    [
      { $set: { events: { $filter: { input: '$events', cond: { $not: [{ $in: ['$$this.id', ids] }] } } } } },
      {
        $set: {
          open: { $filter: { input: { $ifNull: ['$open', []] }, cond: { $not: [{ $in: ['$$this', ids] }] } } },
        },
      },
      { $set: { openSince: { $cond: [{ $eq: [{ $size: '$open' }, 0] }, '$$REMOVE', '$openSince'] } } },
    ],
    { updatePipeline: true, writeConcern: DURABLE },
  );
}
