import { type Connection, Schema } from 'mongoose';
import type { Scope } from '../core/scope.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';

/** Days for which a reader may be away and still go on where it was. */
export const FEED_DAYS = 90;

/**
 * A place in the feed. The epoch is random and new for each batch of changes: after a restore of an older backup the same
 * numbers are given again, by a database that does not know of the former ones, and only the epoch tells them apart.
 */
export interface FeedPosition {
  /** 1, 2, 3 … without a gap; 0 is the beginning. */
  readonly number: number;
  /** Eight hex digits; empty for changes from before there were epochs, and at the beginning. */
  readonly epoch: string;
}

export const FEED_START: FeedPosition = { number: 0, epoch: '' };

/**
 * Whether a reader can go on after a position. `foreign`: the feed never gave it, or did before an older backup was restored.
 * `expired`: changes after it are no longer kept.
 */
export type PositionState = 'known' | 'foreign' | 'expired';

/** Something about a contact changed; whoever cares asks for the decision. */
export interface Change extends FeedPosition {
  readonly contact: Buffer;
  readonly at: Date;
  readonly version: number;
  /** What the change is about. */
  readonly scopes: readonly Scope[];
}

interface ChangeRow extends Omit<Change, 'number' | 'epoch'> {
  /** Its number. */
  readonly _id: number;
  /** Absent in changes from before there were epochs. */
  readonly epoch?: string;
}

const changeSchema = collectionSchema<ChangeRow>('changes', {
  _id: { type: Number, required: true },
  epoch: String,
  contact: { type: Buffer, required: true },
  at: { type: Date, required: true },
  version: { type: Number, required: true },
  scopes: { type: [Schema.Types.Mixed], required: true },
});
changeSchema.index({ at: 1 }, { expireAfterSeconds: FEED_DAYS * 86_400 });

interface HeadRow {
  readonly _id: 'feed';
  readonly number: number;
  /** Has the epoch of `number`, unless a process from before there were epochs moved the head. */
  readonly last?: FeedPosition;
}

const headSchema = collectionSchema<HeadRow>('feed_head', {
  _id: { type: String, required: true, enum: ['feed'] },
  number: { type: Number, required: true },
  // MongoDB compares it as it is: its number first.
  last: Schema.Types.Mixed,
});

function changeFrom({ _id, epoch = '', ...row }: ChangeRow): Change {
  return { number: _id, epoch, ...row };
}

/** @param first the oldest published change that is kept, of those at the position and after it */
function positionState(position: FeedPosition, head: FeedPosition, first: Change | undefined): PositionState {
  if (position.number > head.number) return 'foreign';
  const there = [first, head].find((one) => one?.number === position.number);
  if (there) return there.epoch === position.epoch ? 'known' : 'foreign';
  return first?.number === position.number + 1 ? 'known' : 'expired';
}

/** The numbered changes. Numbers are given by one leader; two at once do no harm, because a number is taken only once. */
export function createChanges(connection: Connection) {
  const model = connection.model('Change', changeSchema);
  const raw = connection.collection<ChangeRow>('changes');
  const heads = connection.model('FeedHead', headSchema);

  return {
    models: [model, heads] as const,

    /** The highest number that is given, published or not. */
    async last(): Promise<number> {
      const newest = await model.findOne({}, { _id: 1 }).sort({ _id: -1 }).lean();
      return Math.max(newest?._id ?? 0, (await this.head()).number);
    },

    /** Adds changes from `first` on, in order. Raw: docs/decisions/raw-commands.md. False when somebody else took a number first: read `last` again. */
    async add(
      { number: first, epoch }: FeedPosition,
      list: readonly { key: Buffer; version: number; at: Date; scopes: readonly Scope[] }[],
    ): Promise<boolean> {
      try {
        await raw.insertMany(
          list.map(({ key, version, at, scopes }, index) => ({
            _id: first + index,
            epoch,
            contact: key,
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

    /** Everything up to this position is there for good and may be read. */
    async publish({ number, epoch }: FeedPosition): Promise<void> {
      // MongoDB compares documents field by field in their order: the number decides.
      const change = { $max: { number, last: { number, epoch } } };
      await heads.updateOne({ _id: 'feed' }, change, { upsert: true, writeConcern: DURABLE });
    },

    async head(): Promise<FeedPosition> {
      const row = await heads.findById('feed').lean();
      if (!row) return FEED_START;
      return { number: row.number, epoch: row.last?.number === row.number ? row.last.epoch : '' };
    },

    /** Published changes after a position, and whether one can go on after it; from the oldest that is kept without one. */
    async after(
      position: FeedPosition | undefined,
      limit: number,
    ): Promise<{ changes: Change[]; head: FeedPosition; state: PositionState }> {
      const from = position ?? FEED_START;
      const head = await this.head();
      // The position's own change is read too, because it has the epoch.
      const rows = await model
        .find({ _id: { $gte: from.number, $lte: head.number } })
        .sort({ _id: 1 })
        .limit(limit + 1)
        .lean();
      const found = rows.map(changeFrom);
      return {
        head,
        changes: found.filter(({ number }) => number > from.number).slice(0, limit),
        state: position ? positionState(position, head, found[0]) : 'known',
      };
    },
  };
}

export type Changes = ReturnType<typeof createChanges>;
