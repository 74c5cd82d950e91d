import type { Connection } from 'mongoose';
import type { ContactType } from '../core/contact-point.js';
import type { State } from '../core/fold.js';
import type { Scope } from '../core/scope.js';
import { binary, bytesOf } from './binary.js';
import { ANSWER_TIMEOUT_MS, DURABLE, isDuplicate, stretched } from './connect.js';
import { contactAliases } from './contact-aliases.js';
import { contactErasure } from './contact-erasure.js';
import { contactPendingSyncs, mergedPendingSyncs } from './contact-pending-syncs.js';
import {
  type Contact,
  contactFrom,
  contactSchema,
  eventFrom,
  eventRow,
  type NewPendingSync,
  overflowSchema,
  type Row,
  type StoredEvent,
} from './contact-rows.js';

export type { Settlement } from './contact-pending-syncs.js';
export type { Contact, NewPendingSync, PendingSync, StoredEvent, SyncedBinding, SyncedState } from './contact-rows.js';
export { sharedWith, stateOf } from './contact-rows.js';

/** Beyond this many pending events further ones go to documents of their own: long arrays slow every append. */
const PENDING_LIMIT = 200;

/** One event to be appended to one contact. */
export interface Append {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  /** The group of spellings that its address belongs to. */
  readonly aliasGroup?: string;
  readonly event: StoredEvent;
}

/** Result of one append: `busy` means its id is pending already, or the pending array is full. */
export type AppendResult = 'appended' | 'busy' | Error;

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
  readonly pendingSyncs: readonly NewPendingSync[];
  readonly wakeAt?: number;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing: boolean;
  /** False when nothing holds otherwise than before: the feed has nothing to say. */
  readonly changed: boolean;
  readonly configuration: string;
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

  async function read(keys: readonly Buffer[], fields?: Record<string, 0 | 1>): Promise<Map<string, Contact>> {
    const rows = await contacts
      .find(
        { _id: { $in: keys.map(binary) } as never },
        { promoteBuffers: true, ...(fields ? { projection: { ...fields, rev: 1 } } : {}) },
      )
      .toArray();
    return new Map(rows.map((row) => [bytesOf(row._id).toString('hex'), contactFrom(row as Row)]));
  }

  /** Overflowing events by contact (hex), at most `limit` of them all; `isWhole` unless some may be left. */
  async function readOverflow(
    keys: readonly Buffer[],
    limit: number | undefined,
  ): Promise<{ events: Map<string, StoredEvent[]>; isWhole: boolean }> {
    const rows = await overflow
      .find({ contact: { $in: keys.map(binary) } }, limit === undefined ? {} : { limit })
      .toArray();
    const events = new Map<string, StoredEvent[]>(keys.map((key) => [key.toString('hex'), []]));
    for (const row of rows) events.get(bytesOf(row.contact).toString('hex'))?.push(eventFrom(row.event as Row));
    return { events, isWhole: rows.length !== limit };
  }

  const queries = {
    models: [model, overflowModel] as const,

    /**
     * Appends events, each to its contact, in one command of many statements; creates contacts that are new. Durable
     * when it resolves. Throws when nothing is known of the outcome; per-event outcomes otherwise, in order.
     */
    async append(appends: readonly Append[]): Promise<AppendResult[]> {
      const dirty = new Date();
      const updates = appends.map(({ key, type, country, aliasGroup, event }) => ({
        // Both conditions turn into a duplicate key when they fail, because the upsert then meets the contact's own _id.
        q: { _id: binary(key), [`pending.${PENDING_LIMIT - 1}`]: { $exists: false }, 'pending.id': { $ne: event.id } },
        u: {
          $push: { pending: eventRow(event) },
          $min: { dirty },
          ...(aliasGroup ? { $set: { aliasGroup } } : {}),
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
        { timeoutMS: stretched(ANSWER_TIMEOUT_MS) },
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

    /** As `find`, without the other contacts of their groups. */
    async findOwn(
      keys: readonly Buffer[],
      fields?: Record<string, 0 | 1>,
      mostOverflow?: number,
    ): Promise<Map<string, Contact>> {
      const found = await read(keys, fields);
      const hot = [...found.values()].filter(
        (contact) => contact.overflow > 0 || contact.pending.length >= PENDING_LIMIT,
      );
      if (hot.length === 0) return found;
      const hotKeys = hot.map(({ key }) => key);
      const { events, isWhole } = await readOverflow(hotKeys, mostOverflow);
      // The projector moves overflow into the snapshot and then drops it. Read after the overflow, a contact has whatever
      // the overflow lacks; read before it, an acknowledged opt-out could be in neither.
      const again = await read(hotKeys, fields);
      for (const { key, rev, overflow: count } of hot) {
        const id = key.toString('hex');
        const contact = again.get(id);
        if (!contact) continue;
        const pending = [...contact.pending, ...(events.get(id) ?? [])];
        // The count from before the overflow was read: it says nothing of documents that were written since.
        found.set(id, { ...contact, pending, overflow: count, more: !isWhole || contact.rev !== rev });
      }
      return found;
    },

    /**
     * Contacts by key; those that do not exist are absent. Pending includes overflow: all of it, or at most
     * `mostOverflow` events a call, and then a contact of which more is left says so in `more`. `others` has the other
     * spellings of a mailbox, where `aliasGroup` is among the fields.
     */
    async find(
      keys: readonly Buffer[],
      fields?: Record<string, 0 | 1>,
      mostOverflow?: number,
    ): Promise<Map<string, Contact>> {
      const found = await aliases.findShared(
        keys.map((key) => ({ key })),
        fields,
        mostOverflow,
      );
      return new Map(
        [...found].flatMap(([id, { contact, others }]): [string, Contact][] =>
          contact ? [[id, others.length > 0 ? { ...contact, others } : contact]] : [],
        ),
      );
    },

    async get(key: Buffer): Promise<Contact | undefined> {
      return (await this.find([key])).get(key.toString('hex'));
    },

    /** Keys of contacts with pending events, oldest first, after so many that were found impossible to project. */
    async dirtyKeys(limit: number, before = new Date(), skip = 0): Promise<Buffer[]> {
      const rows = await contacts
        .find(
          { dirty: { $lte: before } },
          { projection: { _id: 1 }, sort: { dirty: 1 }, skip, limit, promoteBuffers: true },
        )
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
                marks: mergedPendingSyncs(p.pendingSyncs),
                wakeAt: p.wakeAt === undefined ? '$$REMOVE' : new Date(p.wakeAt),
                keyedOnly: p.keyedOnly,
                erasing: p.erasing ? true : '$$REMOVE',
                configuration: p.configuration,
                touched: '$$REMOVE',
                // A number the feed's leader takes it away by: it only does so for the change it has seen.
                ...(p.changed
                  ? {
                      feed: p.rev + 1,
                      feedScopes: { $setUnion: [{ $ifNull: ['$feedScopes', []] }, { $literal: p.scopes }] },
                    }
                  : {}),
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
          projection: { _id: 1 },
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

    /**
     * Stores the person a contact belongs to, in the place of none or of one of `merged`; creates the contact when nobody has
     * heard of it. False when it belongs to somebody else.
     */
    async setPerson(append: Omit<Append, 'event'>, person: string, merged: readonly string[] = []): Promise<boolean> {
      try {
        await contacts.updateOne(
          { _id: binary(append.key) as never, person: { $in: [null, person, ...merged] } as never },
          {
            $set: { person },
            $setOnInsert: {
              type: append.type,
              ...(append.country ? { country: append.country } : {}),
              ...(append.aliasGroup ? { aliasGroup: append.aliasGroup } : {}),
              rev: 0,
              entries: 0,
              keyedOnly: true,
              pending: [],
              firstSeen: new Date(),
            },
          },
          { upsert: true, writeConcern: DURABLE },
        );
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
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
  const aliases = contactAliases(contacts, queries.findOwn);
  return { ...queries, ...aliases, ...contactPendingSyncs(contacts, queries.find), ...contactErasure(contacts) };
}

export type Contacts = ReturnType<typeof createContacts>;
