import { type Connection, Schema } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';

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

/** Counters that nobody counted yet are absent. */
type DayRow = Partial<Omit<DayStatistics, 'day'>> & { readonly _id: string; readonly at: Date };

const daySchema = collectionSchema<DayRow>('statistics', {
  _id: { type: String, required: true },
  at: { type: Date, required: true },
  denials: Schema.Types.Mixed,
  grants: Schema.Types.Mixed,
  told: Schema.Types.Mixed,
  reasons: Schema.Types.Mixed,
});
daySchema.index({ at: 1 }, { expireAfterSeconds: STATISTICS_DAYS * 86_400 });

const CURSOR = 'cursor';
const cursorSchema = collectionSchema<{ readonly _id: typeof CURSOR; readonly next: number }>('statistics_cursor', {
  _id: { type: String, required: true, enum: [CURSOR] },
  next: { type: Number, required: true },
});

/** What was counted in leaves of the log, by day. */
export type Counted = ReadonlyMap<
  string,
  { readonly denials: Readonly<Record<string, number>>; readonly grants: Readonly<Record<string, number>> }
>;

const NO_COUNTERS = { denials: {}, grants: {}, told: {}, reasons: {} };

const increments = (prefix: string, counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([name, count]) => [`${prefix}.${name}`, count] as const);

/** Small counters by day, so that no chart ever reads contacts. */
export function createStaffStatistics(connection: Connection) {
  const model = connection.model('StatisticsDay', daySchema);
  const cursors = connection.model('StatisticsCursor', cursorSchema);
  const increase = (day: string, $inc: Readonly<Record<string, number>>) =>
    model.updateOne(
      { _id: day },
      { $inc, $setOnInsert: { at: new Date(day) } },
      { upsert: true, writeConcern: DURABLE },
    );

  return {
    models: [model, cursors] as const,

    /** The leaf of the log to count next. */
    async next(): Promise<number> {
      return (await cursors.findById(CURSOR).lean())?.next ?? 0;
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
            const moved = await cursors.updateOne({ _id: CURSOR, next: from }, { $set: { next: to } }, { session });
            if (moved.modifiedCount !== 1) return false;
            for (const [day, { denials, grants }] of counted) {
              const $inc = Object.fromEntries([...increments('denials', denials), ...increments('grants', grants)]);
              if (Object.keys($inc).length === 0) continue;
              const change = { $inc, $setOnInsert: { at: new Date(day) } };
              await model.updateOne({ _id: day }, change, { upsert: true, session });
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
      await increase(day, Object.fromEntries(increments(`told.${destination}`, buckets)));
    },

    /** Counts one answer to why somebody stopped. */
    async stopReason(day: string, brand: string, channel: string, reason: string): Promise<void> {
      await increase(day, { [`reasons.${reason}.${brand} ${channel}`]: 1 });
    },

    /** Counters from a day on, oldest first; days on which nothing happened are absent. */
    async since(day: string): Promise<DayStatistics[]> {
      const rows = await model
        .find({ at: { $gte: new Date(day) } }, { at: 0 })
        .sort({ at: 1 })
        .lean();
      return rows.map(({ _id, ...counters }) => ({ day: _id, ...NO_COUNTERS, ...counters }));
    },
  };
}

export type StaffStatistics = ReturnType<typeof createStaffStatistics>;
