import { type Connection, Schema } from 'mongoose';
import { DURABLE } from './connect.js';

/** What was wrong with one row. Nothing of the row is in it: an address would outlive its erasure. */
export interface RowError {
  readonly row: number;
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

export interface ImportCounts {
  readonly rows: number;
  readonly accepted: number;
  readonly repeated: number;
  readonly rejected: number;
}

/** An import of a list: how far it came and what was wrong. The list itself is not kept. */
export interface ImportRecord extends ImportCounts {
  readonly id: string;
  readonly list: string;
  readonly format: 'csv' | 'ndjson';
  readonly dryRun: boolean;
  /** Id of the API key that sent it. */
  readonly by: string;
  readonly state: 'running' | 'done' | 'interrupted';
  readonly errors: readonly RowError[];
  /** What ended it before its end. */
  readonly fault?: string;
  /** ms */
  readonly startedAt: number;
  readonly updatedAt: number;
  readonly finishedAt?: number;
}

const importSchema = new Schema(
  {
    _id: String,
    list: String,
    format: String,
    dryRun: Boolean,
    by: String,
    state: String,
    rows: Number,
    accepted: Number,
    repeated: Number,
    rejected: Number,
    errors: [Schema.Types.Mixed],
    fault: String,
    startedAt: Date,
    updatedAt: Date,
    finishedAt: Date,
  },
  { collection: 'imports', versionKey: false, suppressReservedKeysWarning: true },
);
importSchema.index({ startedAt: -1 });
importSchema.index({ list: 1, startedAt: -1 });

/** Days for which a batch of rows is known to be recorded. Later its rows are recognised one by one, by their events' ids. */
const BATCH_DAYS = 30;
const batchSchema = new Schema({ _id: String, at: Date }, { collection: 'import_batches', versionKey: false });
batchSchema.index({ at: 1 }, { expireAfterSeconds: BATCH_DAYS * 86_400 });

type Row = Record<string, unknown> & { _id: unknown };

function importFrom(row: Row): ImportRecord {
  const ms = (value: unknown) => (value instanceof Date ? value.getTime() : 0);
  return {
    id: String(row._id),
    list: String(row.list),
    format: row.format === 'ndjson' ? 'ndjson' : 'csv',
    dryRun: row.dryRun === true,
    by: String(row.by),
    state: row.state as ImportRecord['state'],
    rows: Number(row.rows),
    accepted: Number(row.accepted),
    repeated: Number(row.repeated),
    rejected: Number(row.rejected),
    errors: (row.errors ?? []) as RowError[],
    startedAt: ms(row.startedAt),
    updatedAt: ms(row.updatedAt),
    ...(row.fault ? { fault: String(row.fault) } : {}),
    ...(row.finishedAt ? { finishedAt: ms(row.finishedAt) } : {}),
  };
}

/** Imports of lists, and keyed digests of batches of rows that are recorded. */
export function createImportStore(connection: Connection) {
  const model = connection.model('Import', importSchema);
  const batchModel = connection.model('ImportBatch', batchSchema);
  const id = (text: string): object => ({ _id: text });
  return {
    models: [model, batchModel] as const,

    /** Writes the record as it is now. */
    async put(record: ImportRecord): Promise<void> {
      const { id: one, startedAt, updatedAt, finishedAt, errors, ...rest } = record;
      await model.collection.replaceOne(
        id(one),
        {
          ...rest,
          errors: [...errors],
          startedAt: new Date(startedAt),
          updatedAt: new Date(updatedAt),
          ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt) }),
        },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async get(one: string): Promise<ImportRecord | undefined> {
      const row = await model.collection.findOne(id(one));
      return row ? importFrom(row as Row) : undefined;
    },

    /** The latest first, of one list or of all. */
    async latest(list: string | undefined, limit: number): Promise<ImportRecord[]> {
      const rows = await model.collection
        .find(list === undefined ? {} : { list }, { sort: { startedAt: -1 }, limit })
        .toArray();
      return rows.map((row) => importFrom(row as Row));
    },

    /** Remembers that every row of a batch is recorded, durably. */
    async keepBatch(digest: string): Promise<void> {
      await batchModel.collection.updateOne(
        id(digest),
        { $setOnInsert: { at: new Date() } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async knowsBatch(digest: string): Promise<boolean> {
      return (await batchModel.collection.findOne(id(digest), { projection: { _id: 1 } })) !== null;
    },
  };
}

export type ImportStore = ReturnType<typeof createImportStore>;
