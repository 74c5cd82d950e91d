import { type ClientSession, type Connection, mongo } from 'mongoose';
import { type Contact, type ContactCollections, contactFrom } from './contact-rows.js';

/**
 * A moment of the database: writes up to it are a prefix of all that were ever acknowledged. Of two the later one is the
 * greater.
 */
export type Moment = bigint;

export interface ResumeToken {
  readonly _data: string;
}

export interface WatchedContact {
  readonly key: Buffer;
  /** The group of spellings that it has been put into. */
  readonly aliasGroup?: string;
}

export interface WatchedChanges {
  /** Contacts of which something that decisions go by has changed, once for each change. */
  readonly contacts: readonly WatchedContact[];
  /** When (ms, by the database's clock) the oldest of them was written. */
  readonly oldest: number | undefined;
  /** Every change up to this moment has been given. */
  readonly until: Moment;
  /** From where another watch can go on. */
  readonly token: ResumeToken;
}

export interface ContactWatch {
  /** When it began: what changes from then on is given. */
  readonly from: Moment;
  /** The next changes, or none when there are none for so long (ms). Throws when it cannot be gone on with. */
  next(waitMs: number): Promise<WatchedChanges>;
  close(): Promise<void>;
}

/** What decisions go by. `PLAIN_FIELDS` and this list together are all fields of a contact. */
const PLAIN_FIELDS = { type: 1, country: 1, state: 1, pending: 1, overflow: 1, aliasGroup: 1 } as const;
/** Fields that no decision goes by: changes of these alone are left out by the database. */
export const FIELDS_WITHOUT_MEANING = [
  'rev',
  'entries',
  'dirty',
  'wakeAt',
  'marks',
  'told',
  'keySeed',
  'dataKey',
  'address',
  'keyedOnly',
  'erasing',
  'officer',
  'person',
  'touched',
  'configuration',
  'feed',
  'feedScopes',
  'firstSeen',
] as const;
/** Contacts of one batch of a scan. */
const SCAN_BATCH = 1000;

const namesOf = (list: unknown) => ({ $map: { input: list, in: '$$this.k' } });
const orNone = (field: string) => ({ $ifNull: [`$updateDescription.${field}`, []] });
const changedFields = {
  $concatArrays: [
    namesOf({ $objectToArray: { $ifNull: ['$updateDescription.updatedFields', {}] } }),
    orNone('removedFields'),
    { $map: { input: orNone('truncatedArrays'), in: '$$this.field' } },
  ],
};
/** `pending.3.id` belongs to `pending`. */
const changedTopFields = { $map: { input: changedFields, in: { $arrayElemAt: [{ $split: ['$$this', '.'] }, 0] } } };
const PIPELINE = [
  {
    $match: {
      $expr: {
        $or: [
          { $ne: ['$operationType', 'update'] },
          { $not: { $setIsSubset: [changedTopFields, [...FIELDS_WITHOUT_MEANING]] } },
        ],
      },
    },
  },
  {
    $project: {
      operationType: 1,
      key: '$documentKey._id',
      aliasGroup: { $ifNull: ['$updateDescription.updatedFields.aliasGroup', '$fullDocument.aliasGroup'] },
      wallTime: 1,
    },
  },
];
/** Changes of contacts; anything else (the collection is dropped) ends a watch. */
const CHANGES: ReadonlySet<string> = new Set(['insert', 'update', 'replace', 'delete']);

interface ChangeRow {
  readonly _id: ResumeToken;
  readonly operationType: string;
  readonly key?: Buffer;
  readonly aliasGroup?: string | null;
  readonly wallTime?: Date;
}
interface CursorReply {
  readonly cursor: {
    readonly id: mongo.Long;
    readonly firstBatch?: readonly ChangeRow[];
    readonly nextBatch?: readonly ChangeRow[];
    readonly postBatchResumeToken: ResumeToken;
  };
}

/** There is no going on: the collection is another one now. */
export class WatchEnded extends Error {}

/** Each token begins with its time: a byte for the type, then seconds and a number within the second. */
function momentOfToken({ _data: data }: ResumeToken): Moment {
  if (!/^82[0-9A-F]{16}/i.test(data)) throw new Error('the database gives tokens of an unknown form');
  return BigInt(`0x${data.slice(2, 18)}`);
}

const momentOf = (time: mongo.Timestamp): Moment => (BigInt(time.t) << 32n) | BigInt(time.i);
const timeOf = (moment: Moment): mongo.Timestamp =>
  new mongo.Timestamp({ t: Number(moment >> 32n), i: Number(moment & 0xffffffffn) });

/** Reading along with the contacts: raw, docs/decisions/raw-commands.md. */
export function contactWatch(connection: Connection, { raw }: Pick<ContactCollections, 'raw'>) {
  const database = () => {
    if (!connection.db) throw new Error('the store is not connected');
    return connection.db;
  };

  /** Reads see at least what was there at the moment. */
  async function reading<T>(since: Moment, work: (session: ClientSession) => Promise<T>): Promise<T> {
    const session = connection.getClient().startSession({ causalConsistency: true });
    try {
      session.advanceOperationTime(timeOf(since));
      return await work(session);
    } finally {
      await session.endSession();
    }
  }

  return {
    /** A moment not before that of anything acknowledged until now. */
    async presentMoment(): Promise<Moment> {
      const reply = await database().command({
        find: raw.collectionName,
        filter: { _id: null },
        limit: 1,
        readConcern: { level: 'majority' },
      });
      return momentOf(reply.operationTime);
    },

    /** Begins to watch from now on, or after `after`. Throws where the database has no change streams, or none so old. */
    async watch(after?: ResumeToken): Promise<ContactWatch> {
      const session = connection.getClient().startSession({ causalConsistency: false });
      // A command has nothing of the connection's options: keys come as Buffers only where that is asked for.
      const options = { session, promoteLongs: false, promoteBuffers: true } as const;
      const command = async (document: object): Promise<CursorReply> =>
        (await database().command(document, options)) as CursorReply;
      try {
        const { cursor } = await command({
          aggregate: raw.collectionName,
          pipeline: [{ $changeStream: after ? { resumeAfter: after } : {} }, ...PIPELINE],
          cursor: { batchSize: 0 },
        });
        // The first token is of the moment from which on changes are given, which may be still to come.
        const first = cursor.postBatchResumeToken;
        const from = momentOfToken(first) - 1n;
        return {
          from,
          async next(waitMs) {
            const reply = await command({ getMore: cursor.id, collection: raw.collectionName, maxTimeMS: waitMs });
            const { nextBatch = [], postBatchResumeToken, id } = reply.cursor;
            const odd = nextBatch.find(({ operationType }) => !CHANGES.has(operationType));
            if (odd) throw new WatchEnded(`the watch of contacts ended: ${odd.operationType}`);
            if (id.isZero()) throw new Error('the watch of contacts was closed');
            const times = nextBatch.flatMap(({ wallTime }) => (wallTime ? [wallTime.getTime()] : []));
            const moment = momentOfToken(postBatchResumeToken);
            // A token of a change says that this change was given, and not that others of its very moment were.
            const isOfChange = nextBatch.at(-1)?._id._data === postBatchResumeToken._data;
            const isFirst = postBatchResumeToken._data === first._data;
            return {
              contacts: nextBatch.flatMap(({ key, aliasGroup }) =>
                key ? [{ key, ...(aliasGroup ? { aliasGroup } : {}) }] : [],
              ),
              token: postBatchResumeToken,
              oldest: times.length > 0 ? Math.min(...times) : undefined,
              until: isOfChange || isFirst ? moment - 1n : moment,
            };
          },
          async close() {
            await database()
              .command({ killCursors: raw.collectionName, cursors: [cursor.id] }, { session })
              .catch(() => undefined);
            await session.endSession();
          },
        };
      } catch (error) {
        await session.endSession();
        throw error;
      }
    },

    /** All contacts with what decisions go by, as they were at the moment or later. */
    async *scan(since: Moment): AsyncGenerator<Contact[]> {
      const session = connection.getClient().startSession({ causalConsistency: true });
      try {
        session.advanceOperationTime(timeOf(since));
        const cursor = raw.find(
          {},
          { projection: PLAIN_FIELDS, batchSize: SCAN_BATCH, session, readConcern: { level: 'majority' } },
        );
        while (await cursor.hasNext()) yield cursor.readBufferedDocuments().map(contactFrom);
      } finally {
        await session.endSession();
      }
    },

    /** Contacts by key, as `scan` gives them. */
    async reread(keys: readonly Buffer[], since: Moment): Promise<Contact[]> {
      return reading(since, async (session) => {
        const found = raw.find(
          { _id: { $in: [...keys] } },
          { projection: PLAIN_FIELDS, session, readConcern: { level: 'majority' } },
        );
        return (await found.toArray()).map(contactFrom);
      });
    },
  };
}
