import { type Connection, Schema } from 'mongoose';
import type { ContactType } from '../core/contact-point.js';
import type { ContactEvent } from '../core/event.js';
import { EMPTY_STATE, type State } from '../core/fold.js';
import type { Scope } from '../core/scope.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** An event as stored: what is personal in it is sealed. */
export interface StoredEvent extends ContactEvent {
  /** Brand and campaign of the link it came through. */
  readonly link?: { readonly brand: string; readonly campaign?: string };
  /** Id and version of the notice a consent was given under. */
  readonly notice?: { readonly id: string; readonly version: string };
  readonly reach?: 'person';
  /** Address, evidence and the writer's own id: under the ingest key while pending, under the contact's data key in the ledger. */
  readonly sealed?: Buffer;
}

/** What a destination was told of a contact, by binding. */
export interface ToldBinding {
  readonly suppressed: boolean;
  /** ms */
  readonly at: number;
  readonly status: 'accepted' | 'in_force';
  readonly event?: string;
}
export interface Told {
  readonly bindings: Readonly<Record<string, ToldBinding>>;
  readonly version: number;
  readonly configuration: string;
  /** ms; when a lift was last begun. */
  readonly liftedAt?: number;
  /** The last call whose outcome was never learned: when that was (ms), and the state it asked for. It may land late. */
  readonly stalled?: { readonly at: number; readonly desired: string };
  /** The provider refuses this address: not sent again until the desired state is another. */
  readonly parked?: { readonly desired: string; readonly why: string; readonly at: number };
}

/** Says that a destination may not know the latest: cleared only for the version that was sent. */
export interface Mark {
  readonly destination: string;
  readonly version: number;
  /** ms; not to be taken before. While a worker has it: the end of its lease. */
  readonly due: number;
  /** ms; when the contact was first marked. */
  readonly since: number;
  /** Lease of the worker that has it. */
  readonly by?: string;
  /**
   * Bindings whose state at the provider is in doubt, because a call may have reached it without being recorded, or a
   * comparison found otherwise. What is denied is said again; what is allowed is lifted, an entry there being our own.
   */
  readonly doubt?: readonly string[];
  /** The state that the call in doubt asked for. */
  readonly attempted?: string;
  /** Nobody waits for it: a re-evaluation, a comparison or the clock made it. What was just said goes first. */
  readonly backfill?: boolean;
  /** The state is told; it is to be asserted once more after a lift's deadline. */
  readonly again?: boolean;
  readonly failures?: number;
}

/** A mark as the projector makes it: lease and attempts are the worker's. */
export type NewMark = Pick<Mark, 'destination' | 'version' | 'due' | 'since' | 'backfill'>;

export interface Contact {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  readonly rev: number;
  /** Number of its last ledger entry. */
  readonly entries: number;
  readonly state: State;
  readonly pending: readonly StoredEvent[];
  /** Counts overflow documents ever begun since the last drain. */
  readonly overflow: number;
  /** True when `pending` may lack some of the overflow. */
  readonly more?: boolean;
  readonly marks: readonly Mark[];
  readonly told: Readonly<Record<string, Told>>;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing: boolean;
  readonly person?: string;
  readonly configuration?: string;
}

/** Longest (ms) an append may take: an opt-out link answers within 2 s, even when the database does not. */
const APPEND_MS = 1700;

/** Beyond this many pending events further ones go to documents of their own: long arrays slow every append. */
export const PENDING_LIMIT = 200;

const contactSchema = new Schema(
  {
    _id: { type: Buffer, required: true },
    type: String,
    country: String,
    rev: Number,
    entries: Number,
    state: Schema.Types.Mixed,
    pending: [Schema.Types.Mixed],
    overflow: Number,
    dirty: Date,
    wakeAt: Date,
    marks: [Schema.Types.Mixed],
    told: Schema.Types.Mixed,
    parked: Schema.Types.Mixed,
    dataKey: Buffer,
    address: Buffer,
    keyedOnly: Boolean,
    erasing: Boolean,
    person: String,
    configuration: String,
    feed: Number,
    feedScopes: [Schema.Types.Mixed],
    firstSeen: Date,
  },
  { collection: 'contacts', versionKey: false, minimize: false },
);
// What the projector and the sweeper look for is rare at any moment: sparse indexes stay small.
contactSchema.index({ dirty: 1 }, { sparse: true });
contactSchema.index({ wakeAt: 1 }, { sparse: true });
contactSchema.index({ 'marks.destination': 1, 'marks.backfill': 1, 'marks.due': 1 }, { sparse: true });
contactSchema.index({ erasing: 1 }, { sparse: true });
contactSchema.index({ person: 1 }, { sparse: true });
contactSchema.index({ feed: 1 }, { sparse: true });
contactSchema.index({ configuration: 1, _id: 1 });

const overflowSchema = new Schema(
  { _id: String, contact: Buffer, event: Schema.Types.Mixed },
  { collection: 'overflow', versionKey: false },
);
overflowSchema.index({ contact: 1 });

/** Every value of a mark's `backfill`, so that the index is used whole. */
const ANY_HASTE = [null, false, true];

interface Row {
  _id: unknown;
  [field: string]: unknown;
}

function eventFrom(row: Row): StoredEvent {
  const { _id, sealed, ...rest } = row;
  return { ...rest, id: String(rest.id), ...(sealed ? { sealed: bytesOf(sealed) } : {}) } as unknown as StoredEvent;
}

function contactFrom(row: Row): Contact {
  return {
    key: bytesOf(row._id),
    type: (row.type ?? 'email') as ContactType,
    rev: Number(row.rev ?? 0),
    entries: Number(row.entries ?? 0),
    state: (row.state ?? EMPTY_STATE) as State,
    pending: ((row.pending ?? []) as Row[]).map(eventFrom),
    overflow: Number(row.overflow ?? 0),
    marks: (row.marks ?? []) as Mark[],
    told: (row.told ?? {}) as Record<string, Told>,
    keyedOnly: row.keyedOnly === true,
    erasing: row.erasing === true,
    ...(row.country ? { country: String(row.country) } : {}),
    ...(row.dataKey ? { dataKey: bytesOf(row.dataKey) } : {}),
    ...(row.address ? { address: bytesOf(row.address) } : {}),
    ...(row.person ? { person: String(row.person) } : {}),
    ...(row.configuration ? { configuration: String(row.configuration) } : {}),
  };
}

/** One event to be appended to one contact. */
export interface Append {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  readonly event: StoredEvent;
}

/** Result of one append: `busy` means its id is pending already, or the pending array is full. */
export type AppendResult = 'appended' | 'busy' | Error;

function eventRow(event: StoredEvent): Record<string, unknown> {
  const { sealed, ...rest } = event;
  return sealed ? { ...rest, sealed: binary(sealed) } : { ...rest };
}

/** Result of projecting one contact. */
export interface Projection {
  readonly key: Buffer;
  readonly rev: number;
  readonly state: State;
  readonly entries: number;
  readonly movedIds: readonly string[];
  /** What the change is about, for the feed. */
  readonly scopes: readonly Scope[];
  /** The count of overflow that was read whole; absent when some of it is left. */
  readonly overflow: number | undefined;
  readonly marks: readonly NewMark[];
  readonly wakeAt?: number;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing: boolean;
  readonly configuration: string;
}

/** What a worker writes back for one contact and destination. */
export interface Settlement {
  readonly key: Buffer;
  readonly told?: Told;
  /** Remove the mark if it is still at this version. */
  readonly clearVersion?: number;
  /** Otherwise: the mark as it is left, and whether the lease ends. */
  readonly mark: {
    readonly due?: number;
    readonly release: boolean;
    readonly doubt?: readonly string[];
    readonly attempted?: string;
    readonly again?: boolean;
    readonly failures?: number;
  };
}

function markUpdate(mark: Settlement['mark']): [Record<string, ''> | undefined, Record<string, unknown>] {
  const set: Record<string, unknown> = {};
  if (mark.due !== undefined) set['marks.$.due'] = mark.due;
  if (mark.doubt !== undefined) set['marks.$.doubt'] = mark.doubt;
  if (mark.attempted !== undefined) set['marks.$.attempted'] = mark.attempted;
  if (mark.again !== undefined) set['marks.$.again'] = mark.again;
  if (mark.failures !== undefined) set['marks.$.failures'] = mark.failures;
  return [mark.release ? { 'marks.$.by': '' } : undefined, set];
}

/**
 * New marks laid over the ones that stand: a worker may have taken, tried or cleared a mark since the projector read it,
 * and what it wrote (lease, attempt) must not be lost, or two calls for one contact would be in flight.
 */
function mergedMarks(marks: readonly NewMark[]): unknown {
  const standing = { $ifNull: ['$marks', []] };
  const names = marks.map(({ destination }) => destination);
  const others = {
    $filter: { input: standing, as: 'm', cond: { $not: [{ $in: ['$$m.destination', { $literal: names }] }] } },
  };
  const merged = marks.map((mark) => ({
    $let: {
      vars: {
        old: {
          $ifNull: [
            {
              $arrayElemAt: [
                { $filter: { input: standing, as: 'm', cond: { $eq: ['$$m.destination', mark.destination] } } },
                0,
              ],
            },
            {},
          ],
        },
      },
      in: {
        $mergeObjects: [
          { $literal: mark },
          '$$old',
          { $literal: { version: mark.version, backfill: mark.backfill === true } },
          { $cond: [{ $gt: ['$$old.by', null] }, {}, { $literal: { due: mark.due } }] },
        ],
      },
    },
  }));
  return { $concatArrays: [others, merged] };
}

/** Every query to the contacts and their overflow. */
export function createContacts(connection: Connection) {
  const model = connection.model('Contact', contactSchema);
  const overflowModel = connection.model('Overflow', overflowSchema);
  const contacts = model.collection;
  const overflow = overflowModel.collection;
  const database = () => {
    if (!connection.db) throw new Error('the store is not connected');
    return connection.db;
  };

  return {
    models: [model, overflowModel] as const,

    /**
     * Appends events, each to its contact, in one command of many statements; creates contacts that are new. Durable
     * when it resolves. Throws when nothing is known of the outcome; per-event outcomes otherwise, in order.
     */
    async append(appends: readonly Append[]): Promise<AppendResult[]> {
      const dirty = new Date();
      const updates = appends.map(({ key, type, country, event }) => ({
        // Both conditions turn into a duplicate key when they fail, because the upsert then meets the contact's own _id.
        q: { _id: binary(key), [`pending.${PENDING_LIMIT - 1}`]: { $exists: false }, 'pending.id': { $ne: event.id } },
        u: {
          $push: { pending: eventRow(event) },
          $min: { dirty },
          $setOnInsert: {
            type,
            ...(country ? { country } : {}),
            rev: 0,
            entries: 0,
            keyedOnly: false,
            firstSeen: dirty,
          },
        },
        upsert: true,
      }));
      const answer = await database().command(
        { update: contacts.collectionName, updates, ordered: false, writeConcern: DURABLE },
        // A server that hangs must not keep a person waiting: the outcome is unknown then, and said so.
        { timeoutMS: APPEND_MS },
      );
      if (answer.writeConcernError) {
        throw Object.assign(new Error(String(answer.writeConcernError.errmsg)), { name: 'MongoWriteConcernError' });
      }
      const results: AppendResult[] = appends.map(() => 'appended');
      for (const fault of answer.writeErrors ?? []) {
        results[fault.index] =
          fault.code === 11000
            ? 'busy'
            : Object.assign(new Error(String(fault.errmsg)), { code: fault.code, name: 'MongoServerError' });
      }
      return results;
    },

    /** Keeps events of contacts whose pending array is full in documents of their own, then says so on the contacts. */
    async appendOverflow(appends: readonly Append[]): Promise<void> {
      await overflow.bulkWrite(
        appends.map(({ key, event }) => ({
          updateOne: {
            filter: { _id: `${key.toString('hex')}:${event.id}` as never },
            update: { $setOnInsert: { contact: binary(key), event: eventRow(event) } },
            upsert: true,
          },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
      // Only after the documents are there: a reader that sees the count finds them, and a drain in between leaves it.
      const keys = [...new Map(appends.map(({ key }) => [key.toString('hex'), key])).values()];
      await contacts.bulkWrite(
        keys.map((key) => ({
          updateOne: {
            filter: { _id: binary(key) as never },
            update: { $inc: { overflow: 1 }, $min: { dirty: new Date() } },
          },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    },

    /**
     * Contacts by key; those that do not exist are absent. Pending includes overflow: all of it, or at most
     * `mostOverflow` events a call, and then a contact of which more is left says so in `more`.
     */
    async find(
      keys: readonly Buffer[],
      fields?: Record<string, 0 | 1>,
      mostOverflow?: number,
    ): Promise<Map<string, Contact>> {
      const rows = await contacts
        .find(
          { _id: { $in: keys.map(binary) } as never },
          { promoteBuffers: true, ...(fields ? { projection: fields } : {}) },
        )
        .toArray();
      const found = new Map(rows.map((row) => [bytesOf(row._id).toString('hex'), contactFrom(row as Row)]));
      const hot = [...found.values()].filter(
        (contact) => contact.overflow > 0 || contact.pending.length >= PENDING_LIMIT,
      );
      if (hot.length > 0) {
        const moreRows = await overflow
          .find(
            { contact: { $in: hot.map((contact) => binary(contact.key)) } },
            mostOverflow === undefined ? {} : { limit: mostOverflow },
          )
          .toArray();
        const events = new Map<string, StoredEvent[]>(hot.map(({ key }) => [key.toString('hex'), []]));
        for (const row of moreRows) events.get(bytesOf(row.contact).toString('hex'))?.push(eventFrom(row.event as Row));
        const more = moreRows.length === mostOverflow;
        for (const contact of hot) {
          const id = contact.key.toString('hex');
          found.set(id, { ...contact, pending: [...contact.pending, ...(events.get(id) ?? [])], more });
        }
      }
      return found;
    },

    async get(key: Buffer): Promise<Contact | undefined> {
      return (await this.find([key])).get(key.toString('hex'));
    },

    /** Keys of contacts with pending events, oldest first. */
    async dirtyKeys(limit: number, before = new Date()): Promise<Buffer[]> {
      const rows = await contacts
        .find({ dirty: { $lte: before } }, { projection: { _id: 1 }, sort: { dirty: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => bytesOf(row._id));
    },

    /** How many contacts wait for projection, and since when the oldest does (ms). */
    async backlog(): Promise<{ count: number; oldest?: number }> {
      const [count, oldest] = await Promise.all([
        contacts.countDocuments({ dirty: { $exists: true } }, { limit: 100_000 }),
        contacts.findOne({ dirty: { $exists: true } }, { projection: { dirty: 1 }, sort: { dirty: 1 } }),
      ]);
      return oldest?.dirty instanceof Date ? { count, oldest: oldest.dirty.getTime() } : { count };
    },

    /**
     * The projector's one update a contact, conditional on the revision it read: new snapshot, marks, and the moved events
     * gone from pending, while whatever arrived meanwhile stays. Returns how many were still at their revision.
     */
    async project(projections: readonly Projection[]): Promise<number> {
      const operations = projections.map((p) => ({
        updateOne: {
          filter: { _id: binary(p.key), rev: p.rev } as never,
          update: [
            {
              $set: {
                state: { $literal: p.state },
                entries: p.entries,
                rev: p.rev + 1,
                marks: mergedMarks(p.marks),
                wakeAt: p.wakeAt === undefined ? '$$REMOVE' : new Date(p.wakeAt),
                keyedOnly: p.keyedOnly,
                erasing: p.erasing ? true : '$$REMOVE',
                configuration: p.configuration,
                // A number the feed's leader takes it away by: it only does so for the change it has seen.
                feed: p.rev + 1,
                feedScopes: { $setUnion: [{ $ifNull: ['$feedScopes', []] }, { $literal: p.scopes }] },
                ...(p.dataKey ? { dataKey: binary(p.dataKey) } : {}),
                ...(p.address ? { address: binary(p.address) } : {}),
                pending: {
                  $filter: {
                    input: '$pending',
                    as: 'e',
                    cond: { $not: [{ $in: ['$$e.id', { $literal: p.movedIds }] }] },
                  },
                },
                overflow: { $cond: [{ $eq: [{ $ifNull: ['$overflow', 0] }, p.overflow ?? -1] }, 0, '$overflow'] },
              },
            },
            {
              $set: {
                dirty: {
                  $cond: [
                    { $and: [{ $eq: [{ $size: '$pending' }, 0] }, { $eq: ['$overflow', 0] }] },
                    '$$REMOVE',
                    '$dirty',
                  ],
                },
              },
            },
          ],
        },
      }));
      const result = await contacts.bulkWrite(operations as never, { ordered: false, writeConcern: DURABLE });
      return result.matchedCount;
    },

    /** Drops overflow documents whose events are in the ledger. */
    async dropOverflow(key: Buffer, ids: readonly string[]): Promise<void> {
      await overflow.deleteMany({ _id: { $in: ids.map((id) => `${key.toString('hex')}:${id}`) } as never });
    },

    /** Overflow documents whose contact was not told of them: a crash between the two writes. */
    async adoptOverflow(): Promise<void> {
      const keys = await overflow.distinct('contact');
      for (const key of keys) {
        await contacts.updateOne(
          { _id: key as never, overflow: { $in: [0, null] } },
          { $inc: { overflow: 1 }, $min: { dirty: new Date() } },
        );
      }
    },

    /** Keys of contacts that something must be done about because time passed. */
    async awake(now: number, limit: number): Promise<Buffer[]> {
      const rows = await contacts
        .find({ wakeAt: { $lte: new Date(now) } }, { projection: { _id: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => bytesOf(row._id));
    },

    /** Keys after `after` whose state was last evaluated under another configuration. */
    async outdated(configuration: string, limit: number): Promise<Buffer[]> {
      const rows = await contacts
        .find(
          { configuration: { $ne: configuration }, entries: { $gt: 0 } },
          { projection: { _id: 1 }, limit, promoteBuffers: true },
        )
        .toArray();
      return rows.map((row) => bytesOf(row._id));
    },

    async countOutdated(configuration: string): Promise<number> {
      return contacts.countDocuments({ configuration: { $ne: configuration }, entries: { $gt: 0 } });
    },

    async count(): Promise<number> {
      return contacts.estimatedDocumentCount();
    },

    /** Contacts in key order after a key, for exports, reconciliation and long jobs. */
    async page(after: Buffer | undefined, limit: number, filter: Record<string, unknown> = {}): Promise<Contact[]> {
      const rows = await contacts
        .find({ ...filter, ...(after ? { _id: { $gt: binary(after) } } : {}) } as never, {
          sort: { _id: 1 },
          limit,
          promoteBuffers: true,
        })
        .toArray();
      const keys = rows.map((row) => bytesOf(row._id));
      const found = await this.find(keys);
      return keys.flatMap((key) => found.get(key.toString('hex')) ?? []);
    },

    async byPrefix(prefix: Buffer): Promise<Contact[]> {
      const from = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 0)]);
      const to = Buffer.concat([prefix, Buffer.alloc(16 - prefix.length, 255)]);
      const rows = await contacts
        .find(
          { _id: { $gte: binary(from), $lte: binary(to) } as never },
          { projection: { _id: 1 }, limit: 50, promoteBuffers: true },
        )
        .toArray();
      return [...(await this.find(rows.map((row) => bytesOf(row._id)))).values()];
    },

    /** Stores the person a contact belongs to; creates the contact when nobody has heard of it. */
    async setPerson(append: Omit<Append, 'event'>, person: string): Promise<void> {
      await contacts.updateOne(
        { _id: binary(append.key) as never },
        {
          $set: { person },
          $setOnInsert: {
            type: append.type,
            ...(append.country ? { country: append.country } : {}),
            rev: 0,
            entries: 0,
            keyedOnly: true,
            pending: [],
            firstSeen: new Date(),
          },
        },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Ends an erasure: no destination waits any more, so the key that opens the address and evidence goes. */
    async destroyData(key: Buffer): Promise<boolean> {
      const result = await contacts.updateOne(
        { _id: binary(key) as never, erasing: true, 'marks.0': { $exists: false }, 'pending.0': { $exists: false } },
        { $unset: { dataKey: '', address: '', erasing: '' }, $set: { keyedOnly: true }, $inc: { rev: 1 } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /**
     * An officer waits no longer: what destinations are still to be told of these erased contacts is given up, so that the
     * data can go. Returns the names of the destinations.
     */
    async abandonMarks(keys: readonly Buffer[]): Promise<string[]> {
      const filter = { _id: { $in: keys.map(binary) }, erasing: true } as never;
      const names = await contacts.distinct('marks.destination', filter);
      await contacts.updateMany(filter, { $set: { marks: [] } }, { writeConcern: DURABLE });
      return names.map(String);
    },

    async erasingKeys(limit: number): Promise<Buffer[]> {
      const rows = await contacts
        .find({ erasing: true, 'marks.0': { $exists: false } }, { projection: { _id: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => bytesOf(row._id));
    },

    /** Marks of a destination: how many, how many of them of a backfill, and since when the oldest waits (ms). */
    async waiting(destination: string): Promise<{ count: number; backfill: number; oldest?: number }> {
      const filter = { marks: { $elemMatch: { destination } } };
      const [count, backfill, rows] = await Promise.all([
        contacts.countDocuments(filter, { limit: 1_000_000 }),
        contacts.countDocuments({ marks: { $elemMatch: { destination, backfill: true } } }, { limit: 1_000_000 }),
        contacts
          .aggregate([
            { $match: filter },
            { $limit: 10_000 },
            { $unwind: '$marks' },
            { $match: { 'marks.destination': destination } },
            { $group: { _id: null, oldest: { $min: '$marks.since' } } },
          ])
          .toArray(),
      ]);
      const oldest = rows[0]?.oldest;
      return typeof oldest === 'number' ? { count, backfill, oldest } : { count, backfill };
    },

    async isDue(destination: string, now: number): Promise<boolean> {
      const row = await contacts.findOne(
        { marks: { $elemMatch: { destination, backfill: { $in: ANY_HASTE }, due: { $lte: now } } } },
        { projection: { _id: 1 } },
      );
      return row !== null;
    },

    /**
     * Takes marks under a lease that ends at `until` (ms). At most `limit`; none that another worker has. What was just
     * said goes before a backfill, however long that is.
     */
    async lease(destination: string, by: string, now: number, until: number, limit: number): Promise<Contact[]> {
      const due = { $elemMatch: { destination, due: { $lte: now } } };
      const rows: { _id: unknown }[] = [];
      for (const backfill of [[null, false], [true]]) {
        if (rows.length >= limit) break;
        const found = await contacts
          .find(
            { marks: { $elemMatch: { destination, backfill: { $in: backfill }, due: { $lte: now } } } },
            { projection: { _id: 1 }, limit: limit - rows.length, promoteBuffers: true },
          )
          .toArray();
        rows.push(...found);
      }
      if (rows.length === 0) return [];
      await contacts.updateMany(
        { _id: { $in: rows.map((row) => row._id) }, marks: due } as never,
        { $set: { 'marks.$.by': by, 'marks.$.due': until } },
        { writeConcern: DURABLE },
      );
      const keys = rows.map((row) => bytesOf(row._id));
      const found = await this.find(keys);
      return [...found.values()].filter((c) =>
        c.marks.some((mark) => mark.destination === destination && mark.by === by),
      );
    },

    /**
     * Writes changes to one destination's mark and told state, each only while the lease is still held. `clearVersion`
     * removes the mark if it is still at that version; otherwise the mark is set to `mark`.
     */
    async settle(destination: string, by: string, settlements: readonly Settlement[]): Promise<void> {
      if (settlements.length === 0) return;
      const operations = settlements.flatMap(({ key, told, clearVersion, mark }) => {
        const set: Record<string, unknown> = told ? { [`told.${destination}`]: told } : {};
        const held = { _id: binary(key) as never, marks: { $elemMatch: { destination, by } } };
        const cleared = {
          _id: binary(key) as never,
          marks: { $elemMatch: { destination, by, version: clearVersion } },
        };
        const [unset, kept] = markUpdate(mark);
        return [
          ...(clearVersion === undefined
            ? []
            : [
                {
                  updateOne: {
                    filter: cleared,
                    update: { $pull: { marks: { destination } }, ...(told ? { $set: set } : {}) },
                  },
                },
              ]),
          // Reached only when the mark is still there: it moved on meanwhile, or was not to be cleared.
          { updateOne: { filter: held, update: { $set: { ...set, ...kept }, ...(unset ? { $unset: unset } : {}) } } },
        ];
      });
      await contacts.bulkWrite(operations as never, { ordered: true, writeConcern: DURABLE });
    },

    /** An accepted job is done: what was accepted is in force. */
    async confirmTold(destination: string, binding: string, keys: readonly Buffer[]): Promise<void> {
      const status = `told.${destination}.bindings.${binding}.status`;
      await contacts.updateMany({ _id: { $in: keys.map(binary) }, [status]: 'accepted' } as never, {
        $set: { [status]: 'in_force' },
      });
    },

    /** Marks contacts as to be told again: the state of these bindings at the destination is in doubt. */
    async remark(
      destination: string,
      bindings: readonly string[],
      keys: readonly Buffer[],
      now: number,
    ): Promise<void> {
      if (keys.length === 0) return;
      const mark = { destination, due: now, since: now, doubt: bindings, backfill: true };
      await contacts.updateMany(
        { _id: { $in: keys.map(binary) }, marks: { $elemMatch: { destination } } } as never,
        { $addToSet: { 'marks.$.doubt': { $each: bindings } } } as never,
        { writeConcern: DURABLE },
      );
      await contacts.updateMany(
        { _id: { $in: keys.map(binary) }, marks: { $not: { $elemMatch: { destination } } } } as never,
        [
          {
            $set: {
              marks: {
                $concatArrays: [
                  { $ifNull: ['$marks', []] },
                  [{ $mergeObjects: [{ $literal: mark }, { version: '$rev' }] }],
                ],
              },
            },
          },
        ],
        { writeConcern: DURABLE },
      );
    },

    /** How many contacts a destination was ever told of. */
    async countTold(destination: string): Promise<number> {
      return contacts.countDocuments({ [`told.${destination}`]: { $exists: true } });
    },

    /** Contacts whose change the feed has not numbered yet. */
    async unnumbered(limit: number): Promise<{ key: Buffer; feed: number; scopes: Scope[] }[]> {
      const rows = await contacts
        .find({ feed: { $exists: true } }, { projection: { feed: 1, feedScopes: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => ({
        key: bytesOf(row._id),
        feed: Number(row.feed),
        scopes: (row.feedScopes ?? []) as Scope[],
      }));
    },

    async numbered(changes: readonly { readonly key: Buffer; readonly feed: number }[]): Promise<void> {
      await contacts.bulkWrite(
        changes.map(({ key, feed }) => ({
          updateOne: { filter: { _id: binary(key) as never, feed }, update: { $unset: { feed: '', feedScopes: '' } } },
        })),
        { ordered: false, writeConcern: DURABLE },
      );
    },

    collection: contacts,
    contactFrom: (row: unknown): Contact => contactFrom(row as Row),
  };
}

export type Contacts = ReturnType<typeof createContacts>;
