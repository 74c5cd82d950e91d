import type { Connection } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import type { StoredEvent } from './contact-rows.js';
import {
  insertPersonEvents,
  type Member,
  moveEmbeddedEvents,
  type Person,
  type PersonEvent,
  type PersonEventRow,
  type PersonRow,
  personEventId,
  personEventSchema,
  personSchema,
} from './person-events.js';

export type { Member, Person, PersonEvent } from './person-events.js';

/** All of a person but the events of former times, which may be many. */
const FIELDS = { members: 1, mergedInto: 1 } as const;

function personFrom({ _id, members = [], mergedInto }: Pick<PersonRow, '_id' | 'members' | 'mergedInto'>): Person {
  return { id: _id, members, ...(mergedInto ? { mergedInto } : {}) };
}

/** Every query to the persons and to what was said for all their contacts. */
export function createPersons(connection: Connection, machine: Pick<Machine, 'now'>) {
  const model = connection.model<PersonRow>('Person', personSchema);
  const eventModel = connection.model<PersonEventRow>('PersonEvent', personEventSchema);
  const records = { persons: model, events: eventModel, machine };

  return {
    models: [model, eventModel] as const,

    async get(person: string): Promise<Person | undefined> {
      const row = await model.findById(person, FIELDS).lean();
      return row ? personFrom(row) : undefined;
    },

    /** Adds members. Whoever reads the person's events after this misses none that was appended without these members. */
    async addMembers(person: string, members: readonly Member[]): Promise<Person> {
      // A document of former times may be so full that nothing more goes in.
      await moveEmbeddedEvents(records, person);
      const change = { $addToSet: { members: { $each: members.map(({ key, type }) => ({ key, type })) } } };
      const options = { upsert: true, returnDocument: 'after', writeConcern: DURABLE, projection: FIELDS } as const;
      const row = await model.findOneAndUpdate({ _id: person }, change, options).lean();
      return personFrom(row ?? { _id: person });
    },

    /** Appends an event that reaches all contacts; the answer has the members known once it is in. */
    async append(person: string, event: StoredEvent): Promise<Person> {
      await insertPersonEvents(records, person, [event], () => true);
      return (await this.get(person)) ?? { id: person, members: [] };
    },

    /** Gives a person the events of one that was merged into it. */
    async adopt(person: string, list: readonly StoredEvent[]): Promise<void> {
      await insertPersonEvents(records, person, list, () => true);
    },

    /** What was said for all contacts of a person and may still matter, in no order. */
    async eventsOf(person: string): Promise<StoredEvent[]> {
      await moveEmbeddedEvents(records, person);
      return (await eventModel.find({ person }, { event: 1 }).lean()).map(({ event }) => event);
    },

    /** The events are at every contact. */
    async close(person: string, ids: readonly string[]): Promise<void> {
      const closed = { _id: { $in: ids.map((one) => personEventId(person, one)) } };
      await eventModel.updateMany(closed, { $unset: { open: '' } });
    },

    /** Drops events that are at every contact. */
    async drop(person: string, ids: readonly string[]): Promise<void> {
      if (ids.length === 0) return;
      const closed = { _id: { $in: ids.map((one) => personEventId(person, one)) }, open: { $exists: false } };
      await eventModel.deleteMany(closed);
    },

    /** Events that may not have reached every contact. */
    async unfinished(before: Date, limit: number): Promise<PersonEvent[]> {
      const former = await model
        .find({ openSince: { $lte: before } }, { _id: 1 })
        .limit(limit)
        .lean();
      for (const { _id } of former) await moveEmbeddedEvents(records, _id);
      return eventModel
        .find({ open: { $lte: before } }, { _id: 0, person: 1, event: 1 })
        .limit(limit)
        .lean();
    },

    async merge(from: string, into: string): Promise<Person | undefined> {
      await moveEmbeddedEvents(records, from);
      const options = { returnDocument: 'after', writeConcern: DURABLE, projection: FIELDS } as const;
      const row = await model.findOneAndUpdate({ _id: from }, { $set: { mergedInto: into } }, options).lean();
      return row ? personFrom(row) : undefined;
    },
  };
}

export type Persons = ReturnType<typeof createPersons>;
