import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';
import type { StoredEvent } from './contacts.js';

/** A contact of a person, with what is needed to append to it. */
export interface Member {
  readonly key: Buffer;
  readonly type: string;
}

export interface Person {
  readonly id: string;
  readonly members: readonly Member[];
  /** Events that reach all contacts of the person, oldest first. */
  readonly events: readonly StoredEvent[];
  readonly mergedInto?: string;
}

const personSchema = new Schema(
  {
    _id: String,
    members: [{ _id: false, key: Buffer, type: { type: String } }],
    events: [Schema.Types.Mixed],
    open: [String],
    openSince: Date,
    mergedInto: String,
  },
  { collection: 'persons', versionKey: false },
);
personSchema.index({ openSince: 1 }, { sparse: true });

interface Row {
  _id: unknown;
  members?: { key: unknown; type: string }[];
  events?: Record<string, unknown>[];
  mergedInto?: string;
}

function personFrom(row: Row): Person {
  return {
    id: String(row._id),
    members: (row.members ?? []).map((member) => ({ key: bytesOf(member.key), type: member.type })),
    events: (row.events ?? []).map(
      (event) => ({ ...event, ...(event.sealed ? { sealed: bytesOf(event.sealed) } : {}) }) as unknown as StoredEvent,
    ),
    ...(row.mergedInto ? { mergedInto: row.mergedInto } : {}),
  };
}

/** Every query to the persons. */
export function createPersons(connection: Connection) {
  const model = connection.model('Person', personSchema);
  const persons = model.collection;
  const id = (person: string) => ({ _id: person }) as never;
  return {
    models: [model] as const,

    async get(person: string): Promise<Person | undefined> {
      const row = await persons.findOne(id(person), { promoteBuffers: true });
      return row ? personFrom(row as unknown as Row) : undefined;
    },

    /** Adds members first, then tells what the person holds: an event appended meanwhile is in the answer or sees them. */
    async addMembers(person: string, members: readonly Member[]): Promise<Person> {
      const row = await persons.findOneAndUpdate(
        id(person),
        { $addToSet: { members: { $each: members.map(({ key, type }) => ({ key: binary(key), type })) } } } as never,
        { upsert: true, returnDocument: 'after', writeConcern: DURABLE, promoteBuffers: true },
      );
      return personFrom(row as unknown as Row);
    },

    /** Appends an event that reaches all contacts; the answer has the members known once it is in. */
    async append(person: string, event: StoredEvent): Promise<Person> {
      const { sealed, ...rest } = event;
      const row = await persons.findOneAndUpdate(
        id(person),
        {
          $push: { events: sealed ? { ...rest, sealed: binary(sealed) } : rest, open: event.id },
          $min: { openSince: new Date() },
        } as never,
        { upsert: true, returnDocument: 'after', writeConcern: DURABLE, promoteBuffers: true },
      );
      return personFrom(row as unknown as Row);
    },

    /** The event is at every contact. */
    async close(person: string, eventId: string): Promise<void> {
      await persons.updateOne(id(person), [
        { $set: { open: { $filter: { input: '$open', cond: { $ne: ['$$this', eventId] } } } } },
        { $set: { openSince: { $cond: [{ $eq: [{ $size: '$open' }, 0] }, '$$REMOVE', '$openSince'] } } },
      ]);
    },

    /** Persons with an event that may not have reached every contact. */
    async unfinished(before: Date, limit: number): Promise<(Person & { open: string[] })[]> {
      const rows = await persons.find({ openSince: { $lte: before } }, { limit, promoteBuffers: true }).toArray();
      return rows.map((row) => ({ ...personFrom(row as unknown as Row), open: (row.open ?? []) as string[] }));
    },

    async merge(from: string, into: string): Promise<Person | undefined> {
      const row = await persons.findOneAndUpdate(
        id(from),
        { $set: { mergedInto: into } },
        { returnDocument: 'after', writeConcern: DURABLE, promoteBuffers: true },
      );
      return row ? personFrom(row as unknown as Row) : undefined;
    },
  };
}

export type Persons = ReturnType<typeof createPersons>;
