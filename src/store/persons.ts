import { type Connection, Schema } from 'mongoose';
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

interface PersonRow extends Partial<Pick<Person, 'members' | 'mergedInto'>> {
  readonly _id: string;
  /** Where earlier versions kept events, and which of them were open: moved to documents of their own when next needed. */
  readonly events?: readonly StoredEvent[];
  readonly open?: readonly string[];
  readonly openSince?: Date;
}

const personSchema = collectionSchema<PersonRow>('persons', {
  _id: { type: String, required: true },
  members: [partSchema<Member>({ key: { type: Buffer, required: true }, type: { type: String, required: true } })],
  mergedInto: String,
  events: [Schema.Types.Mixed],
  open: [String],
  openSince: Date,
});
personSchema.index({ openSince: 1 }, { sparse: true });

interface PersonEventRow extends PersonEvent {
  readonly _id: string;
  /** Until the event is at every contact: since when. */
  readonly open?: Date;
}

const personEventSchema = collectionSchema<PersonEventRow>('person_events', {
  _id: { type: String, required: true },
  person: { type: String, required: true },
  event: { type: Schema.Types.Mixed, required: true },
  open: Date,
});
personEventSchema.index({ person: 1 });
personEventSchema.index({ open: 1 }, { sparse: true });

/** All of a person but the events of former times, which may be many. */
const FIELDS = { members: 1, mergedInto: 1 } as const;

function personFrom({ _id, members = [], mergedInto }: Pick<PersonRow, '_id' | 'members' | 'mergedInto'>): Person {
  return { id: _id, members, ...(mergedInto ? { mergedInto } : {}) };
}

/** Every query to the persons and to what was said for all their contacts. */
export function createPersons(connection: Connection) {
  const model = connection.model('Person', personSchema);
  const eventModel = connection.model('PersonEvent', personEventSchema);
  const eventId = (person: string, event: string) => `${person}:${event}`;

  async function insert(person: string, list: readonly StoredEvent[], isOpen: (id: string) => boolean): Promise<void> {
    if (list.length === 0) return;
    const now = new Date();
    try {
      await eventModel.insertMany(
        list.map((event) => ({
          _id: eventId(person, event.id),
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

  /** Gives the events that a person of former times holds itself documents of their own. May be done twice, or broken off. */
  async function moveEmbedded(person: string): Promise<void> {
    const { events: embedded = [], open = [] } = (await model.findById(person, { events: 1, open: 1 }).lean()) ?? {};
    if (embedded.length === 0) return;
    await insert(person, embedded, (event) => open.includes(event));
    const ids = embedded.map((event) => event.id);
    // A process of the former version may have added another one meanwhile: it stays for the next time.
    await model.updateOne(
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

  return {
    models: [model, eventModel] as const,

    async get(person: string): Promise<Person | undefined> {
      const row = await model.findById(person, FIELDS).lean();
      return row ? personFrom(row) : undefined;
    },

    /** The person that stands for this one now: itself, or the one it was merged into. */
    async current(person: string): Promise<Person | undefined> {
      let found = await this.get(person);
      while (found?.mergedInto) found = await this.get(found.mergedInto);
      return found;
    },

    /** Adds members. Whoever reads the person's events after this misses none that was appended without these members. */
    async addMembers(person: string, members: readonly Member[]): Promise<Person> {
      // A document of former times may be so full that nothing more goes in.
      await moveEmbedded(person);
      const change = { $addToSet: { members: { $each: members.map(({ key, type }) => ({ key, type })) } } };
      const options = { upsert: true, returnDocument: 'after', writeConcern: DURABLE, projection: FIELDS } as const;
      const row = await model.findOneAndUpdate({ _id: person }, change, options).lean();
      return personFrom(row ?? { _id: person });
    },

    /** Appends an event that reaches all contacts; the answer has the members known once it is in. */
    async append(person: string, event: StoredEvent): Promise<Person> {
      await insert(person, [event], () => true);
      return (await this.get(person)) ?? { id: person, members: [] };
    },

    /** Gives a person the events of one that was merged into it. */
    async adopt(person: string, list: readonly StoredEvent[]): Promise<void> {
      await insert(person, list, () => true);
    },

    /** What was said for all contacts of a person and may still matter, in no order. */
    async eventsOf(person: string): Promise<StoredEvent[]> {
      await moveEmbedded(person);
      return (await eventModel.find({ person }, { event: 1 }).lean()).map(({ event }) => event);
    },

    /** The events are at every contact. */
    async close(person: string, ids: readonly string[]): Promise<void> {
      const closed = { _id: { $in: ids.map((one) => eventId(person, one)) } };
      await eventModel.updateMany(closed, { $unset: { open: '' } });
    },

    /** Drops events that are at every contact. */
    async drop(person: string, ids: readonly string[]): Promise<void> {
      if (ids.length === 0) return;
      const closed = { _id: { $in: ids.map((one) => eventId(person, one)) }, open: { $exists: false } };
      await eventModel.deleteMany(closed);
    },

    /** Events that may not have reached every contact. */
    async unfinished(before: Date, limit: number): Promise<PersonEvent[]> {
      const former = await model
        .find({ openSince: { $lte: before } }, { _id: 1 })
        .limit(limit)
        .lean();
      for (const { _id } of former) await moveEmbedded(_id);
      return eventModel
        .find({ open: { $lte: before } }, { _id: 0, person: 1, event: 1 })
        .limit(limit)
        .lean();
    },

    async merge(from: string, into: string): Promise<Person | undefined> {
      await moveEmbedded(from);
      const options = { returnDocument: 'after', writeConcern: DURABLE, projection: FIELDS } as const;
      const row = await model.findOneAndUpdate({ _id: from }, { $set: { mergedInto: into } }, options).lean();
      return row ? personFrom(row) : undefined;
    },
  };
}

export type Persons = ReturnType<typeof createPersons>;
