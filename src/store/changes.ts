import { type Connection, Schema } from 'mongoose';
import type { Scope } from '../core/scope.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

/** Days for which a reader may be away and still go on where it was. */
export const FEED_DAYS = 90;

const changeSchema = new Schema(
  { _id: Number, contact: Buffer, at: Date, version: Number, scopes: [Schema.Types.Mixed] },
  { collection: 'changes', versionKey: false },
);
changeSchema.index({ at: 1 }, { expireAfterSeconds: FEED_DAYS * 86_400 });

/** Something about a contact changed; whoever cares asks for the decision. */
export interface Change {
  /** Position in the feed: 1, 2, 3 … without a gap. */
  readonly number: number;
  readonly contact: Buffer;
  readonly at: Date;
  readonly version: number;
  /** What the change is about. */
  readonly scopes: readonly Scope[];
}

/** The numbered changes. Numbers are given by one leader; two at once do no harm, because a number is taken only once. */
export function createChanges(connection: Connection) {
  const model = connection.model('Change', changeSchema);
  const changes = model.collection;
  const heads = connection.collection<{ _id: string; number: number }>('feed_head');
  return {
    models: [model] as const,

    async last(): Promise<number> {
      const [row] = await changes.find({}, { sort: { _id: -1 }, limit: 1, projection: { _id: 1 } }).toArray();
      return Math.max(Number(row?._id ?? 0), (await this.head()) ?? 0);
    },

    /** Adds changes from `first` on, in order. False when somebody else took a number first: read `last` again. */
    async add(
      first: number,
      list: readonly { key: Buffer; version: number; at: Date; scopes: readonly Scope[] }[],
    ): Promise<boolean> {
      try {
        await changes.insertMany(
          list.map(({ key, version, at, scopes }, index) => ({
            _id: (first + index) as never,
            contact: binary(key),
            at,
            version,
            scopes,
          })),
          { ordered: true, writeConcern: DURABLE },
        );
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    /** Everything up to this number is there for good and may be read. */
    async publish(number: number): Promise<void> {
      await heads.updateOne({ _id: 'feed' }, { $max: { number } }, { upsert: true, writeConcern: DURABLE });
    },

    async head(): Promise<number> {
      return (await heads.findOne({ _id: 'feed' }))?.number ?? 0;
    },

    /** Published changes after a number, and the oldest number that is still kept. */
    async after(number: number, limit: number): Promise<{ changes: Change[]; head: number; oldest: number }> {
      const head = await this.head();
      const rows = await changes
        .find({ _id: { $gt: number, $lte: head } as never }, { sort: { _id: 1 }, limit, promoteBuffers: true })
        .toArray();
      const [oldest] = await changes.find({}, { sort: { _id: 1 }, limit: 1, projection: { _id: 1 } }).toArray();
      return {
        head,
        oldest: Number(oldest?._id ?? head + 1),
        changes: rows.map((row) => ({
          number: Number(row._id),
          contact: bytesOf(row.contact),
          at: row.at instanceof Date ? row.at : new Date(0),
          version: Number(row.version),
          scopes: (row.scopes ?? []) as Scope[],
        })),
      };
    },
  };
}

export type Changes = ReturnType<typeof createChanges>;
