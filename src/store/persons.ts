import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';
import { eventFrom, eventRow, type StoredEvent } from './contact-rows.js';

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

const personSchema = new Schema(
  {
    _id: String,
    members: [{ _id: false, key: Buffer, type: { type: String } }],
    mergedInto: String,
    // Where events were kept before they had documents of their own: moved there when they are next needed.
    events: [Schema.Types.Mixed],
    open: [String],
    openSince: Date,
  },
  { collection: 'persons', versionKey: false },
);
personSchema.index({ openSince: 1 }, { sparse: true });

const personEventSchema = new Schema(
  // `open` until the event is at every contact: since then.
  { _id: String, person: String, event: Schema.Types.Mixed, open: Date },
  { collection: 'person_events', versionKey: false },
);
personEventSchema.index({ person: 1 });
personEventSchema.index({ open: 1 }, { sparse: true });

interface Row {
  _id: unknown;
  members?: { key: unknown; type: string }[];
  events?: (Record<string, unknown> & { _id: unknown })[];
  open?: string[];
  mergedInto?: string;
}

/** All of a person but the events of former times, which may be many. */
const FIELDS = { members: 1, mergedInto: 1 } as const;

function personFrom(row: Row): Person {
  return {
    id: String(row._id),
    members: (row.members ?? []).map((member) => ({ key: bytesOf(member.key), type: member.type })),
    ...(row.mergedInto ? { mergedInto: row.mergedInto } : {}),
  };
}

/** Every query to the persons and to what was said for all their contacts. */
export function createPersons(connection: Connection) {
  const model = connection.model('Person', personSchema);
  const eventModel = connection.model('PersonEvent', personEventSchema);
  const persons = model.collection;
  const events = eventModel.collection;
  const id = (text: string) => ({ _id: text }) as never;
  const eventId = (person: string, event: string) => `${person}:${event}`;

  async function insert(person: string, list: readonly StoredEvent[], isOpen: (id: string) => boolean): Promise<void> {
    if (list.length === 0) return;
    const now = new Date();
    try {
      await events.insertMany(
        list.map((event) => ({
          _id: eventId(person, event.id) as never,
          person,
          event: eventRow(event),
          ...(isOpen(event.id) ? { open: now } : {}),
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    } catch (error) {
      // Said again, or moved by somebody else too.
      if (!isDuplicate(error)) throw error;
    }
  }

  /** Gives the events that a person of former times holds itself documents of their own. May be done twice, or broken off. */
  async function moveEmbedded(person: string): Promise<void> {
    const row = await persons.findOne(id(person), { promoteBuffers: true, projection: { events: 1, open: 1 } });
    const { events: list = [], open = [] } = (row ?? {}) as unknown as Row;
    if (list.length === 0) return;
    const embedded = list.map(eventFrom);
    await insert(person, embedded, (event) => open.includes(event));
    const ids = embedded.map((event) => event.id);
    // A process of the former version may have added another one meanwhile: it stays for the next time.
    await persons.updateOne(
      id(person),
      [
        { $set: { events: { $filter: { input: '$events', cond: { $not: [{ $in: ['$$this.id', ids] }] } } } } },
        {
          $set: {
            open: { $filter: { input: { $ifNull: ['$open', []] }, cond: { $not: [{ $in: ['$$this', ids] }] } } },
          },
        },
        { $set: { openSince: { $cond: [{ $eq: [{ $size: '$open' }, 0] }, '$$REMOVE', '$openSince'] } } },
      ],
      { writeConcern: DURABLE },
    );
  }

  return {
    models: [model, eventModel] as const,

    async get(person: string): Promise<Person | undefined> {
      const row = await persons.findOne(id(person), { promoteBuffers: true, projection: FIELDS });
      return row ? personFrom(row as unknown as Row) : undefined;
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
      const row = await persons.findOneAndUpdate(
        id(person),
        { $addToSet: { members: { $each: members.map(({ key, type }) => ({ key: binary(key), type })) } } } as never,
        { upsert: true, returnDocument: 'after', writeConcern: DURABLE, promoteBuffers: true, projection: FIELDS },
      );
      return personFrom(row as unknown as Row);
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
      const rows = await events.find({ person }, { promoteBuffers: true }).toArray();
      return rows.map((row) => eventFrom(row.event as never));
    },

    /** The events are at every contact. */
    async close(person: string, ids: readonly string[]): Promise<void> {
      await events.updateMany({ _id: { $in: ids.map((one) => eventId(person, one)) } } as never, {
        $unset: { open: '' },
      });
    },

    /** Drops events that are at every contact. */
    async drop(person: string, ids: readonly string[]): Promise<void> {
      if (ids.length === 0) return;
      await events.deleteMany({
        _id: { $in: ids.map((one) => eventId(person, one)) },
        open: { $exists: false },
      } as never);
    },

    /** Events that may not have reached every contact. */
    async unfinished(before: Date, limit: number): Promise<PersonEvent[]> {
      const former = await persons.find({ openSince: { $lte: before } }, { limit, projection: { _id: 1 } }).toArray();
      for (const { _id } of former) await moveEmbedded(String(_id));
      const rows = await events.find({ open: { $lte: before } }, { limit, promoteBuffers: true }).toArray();
      return rows.map((row) => ({ person: String(row.person), event: eventFrom(row.event as never) }));
    },

    async merge(from: string, into: string): Promise<Person | undefined> {
      await moveEmbedded(from);
      const row = await persons.findOneAndUpdate(
        id(from),
        { $set: { mergedInto: into } },
        { returnDocument: 'after', writeConcern: DURABLE, promoteBuffers: true, projection: FIELDS },
      );
      return row ? personFrom(row as unknown as Row) : undefined;
    },
  };
}

export type Persons = ReturnType<typeof createPersons>;
