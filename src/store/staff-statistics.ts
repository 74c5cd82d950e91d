import { type Connection, Schema } from 'mongoose';
import { DURABLE } from './connect.js';

/** Counters of one UTC day. `told` holds, by destination, how many were told within each bucket of seconds. */
export interface DayStatistics {
  /** `2026-03-03` */
  readonly day: string;
  /** Denials by the kind of source they came through. */
  readonly denials: Readonly<Record<string, number>>;
  /** Grants likewise. */
  readonly grants: Readonly<Record<string, number>>;
  readonly told: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Answers to why people stopped, by reason and then by `brand channel`. */
  readonly reasons: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Days for which counters are kept. */
const STATISTICS_DAYS = 800;

const daySchema = new Schema(
  {
    _id: String,
    at: Date,
    denials: Schema.Types.Mixed,
    grants: Schema.Types.Mixed,
    told: Schema.Types.Mixed,
    reasons: Schema.Types.Mixed,
  },
  { collection: 'statistics', versionKey: false },
);
daySchema.index({ at: 1 }, { expireAfterSeconds: STATISTICS_DAYS * 86_400 });

const CURSOR = 'cursor';
interface CursorRow {
  _id: string;
  next: number;
}

/** What was counted in leaves of the log, by day. */
export type Counted = ReadonlyMap<
  string,
  { readonly denials: Readonly<Record<string, number>>; readonly grants: Readonly<Record<string, number>> }
>;

/** Small counters by day, so that no chart ever reads contacts. */
export function createStaffStatistics(connection: Connection) {
  const model = connection.model('StatisticsDay', daySchema);
  const days = model.collection;
  const cursors = connection.collection<CursorRow>('statistics_cursor');

  const increments = (prefix: string, counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([name, count]) => [`${prefix}.${name}`, count] as const);

  return {
    models: [model] as const,

    /** The leaf of the log to count next. */
    async next(): Promise<number> {
      return (await cursors.findOne({ _id: CURSOR }))?.next ?? 0;
    },

    /**
     * Adds what was counted in leaves `from` to `to` (exclusive) and moves the cursor on, both or neither: false when
     * somebody else has counted from there already.
     */
    async add(from: number, to: number, counted: Counted): Promise<boolean> {
      if (from === 0) await cursors.updateOne({ _id: CURSOR }, { $setOnInsert: { next: 0 } }, { upsert: true });
      const session = await connection.startSession();
      try {
        return await session.withTransaction(
          async () => {
            const moved = await cursors.updateOne(
              { _id: CURSOR, next: from },
              { $set: { next: to } },
              { session: session as never },
            );
            if (moved.modifiedCount !== 1) return false;
            for (const [day, { denials, grants }] of counted) {
              const $inc = Object.fromEntries([...increments('denials', denials), ...increments('grants', grants)]);
              if (Object.keys($inc).length === 0) continue;
              await days.updateOne(
                { _id: day } as never,
                { $inc, $setOnInsert: { at: new Date(day) } },
                { upsert: true, session: session as never },
              );
            }
            return true;
          },
          { writeConcern: { w: 'majority' } },
        );
      } finally {
        await session.endSession();
      }
    },

    /** Counts how many a destination was told of, by bucket of seconds. */
    async told(day: string, destination: string, buckets: Readonly<Record<string, number>>): Promise<void> {
      await days.updateOne(
        { _id: day } as never,
        { $inc: Object.fromEntries(increments(`told.${destination}`, buckets)), $setOnInsert: { at: new Date(day) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Counts one answer to why somebody stopped. */
    async stopReason(day: string, brand: string, channel: string, reason: string): Promise<void> {
      await days.updateOne(
        { _id: day } as never,
        { $inc: { [`reasons.${reason}.${brand} ${channel}`]: 1 }, $setOnInsert: { at: new Date(day) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Counters from a day on, oldest first; days on which nothing happened are absent. */
    async since(day: string): Promise<DayStatistics[]> {
      const rows = await days.find({ at: { $gte: new Date(day) } }, { sort: { at: 1 } }).toArray();
      return rows.map((row) => ({
        day: String(row._id),
        denials: (row.denials ?? {}) as DayStatistics['denials'],
        grants: (row.grants ?? {}) as DayStatistics['grants'],
        told: (row.told ?? {}) as DayStatistics['told'],
        reasons: (row.reasons ?? {}) as DayStatistics['reasons'],
      }));
    },
  };
}

export type StaffStatistics = ReturnType<typeof createStaffStatistics>;
