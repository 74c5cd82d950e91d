import type { Connection } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import { collectionSchema, partSchema } from './schema.js';
import { rowsOf } from './stored.js';

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

const { toRow, fromRow } = rowsOf<ImportRecord, 'startedAt' | 'updatedAt' | 'finishedAt'>([
  'startedAt',
  'updatedAt',
  'finishedAt',
]);

const importSchema = collectionSchema<ReturnType<typeof toRow>>('imports', {
  _id: { type: String, required: true },
  list: { type: String, required: true },
  format: { type: String, required: true, enum: ['csv', 'ndjson'] },
  dryRun: { type: Boolean, required: true },
  by: { type: String, required: true },
  state: { type: String, required: true, enum: ['running', 'done', 'interrupted'] },
  rows: { type: Number, required: true },
  accepted: { type: Number, required: true },
  repeated: { type: Number, required: true },
  rejected: { type: Number, required: true },
  errors: {
    type: [
      partSchema<RowError>({
        row: { type: Number, required: true },
        field: { type: String, required: true },
        code: { type: String, required: true },
        message: { type: String, required: true },
      }),
    ],
    required: true,
  },
  fault: String,
  startedAt: { type: Date, required: true },
  updatedAt: { type: Date, required: true },
  finishedAt: Date,
});
importSchema.index({ startedAt: -1 });
importSchema.index({ list: 1, startedAt: -1 });

/** Days for which a batch of rows is known to be recorded. Later its rows are recognised one by one, by their events' ids. */
const BATCH_DAYS = 30;
const batchSchema = collectionSchema<{ readonly _id: string; readonly at: Date }>('import_batches', {
  _id: { type: String, required: true },
  at: { type: Date, required: true },
});
batchSchema.index({ at: 1 }, { expireAfterSeconds: BATCH_DAYS * 86_400 });

/** Imports of lists, and keyed digests of batches of rows that are recorded. */
export function createImportStore(connection: Connection, machine: Pick<Machine, 'now'>) {
  const model = connection.model('Import', importSchema);
  const batchModel = connection.model('ImportBatch', batchSchema);
  return {
    models: [model, batchModel] as const,

    /** Writes the record as it is now. */
    async put(record: ImportRecord): Promise<void> {
      const row = toRow(record);
      await model.replaceOne({ _id: row._id }, row, { upsert: true, writeConcern: DURABLE });
    },

    async get(id: string): Promise<ImportRecord | undefined> {
      const row = await model.findById(id).lean();
      return row ? fromRow(row) : undefined;
    },

    /** The latest first, of one list or of all. */
    async latest(list: string | undefined, limit: number): Promise<ImportRecord[]> {
      const filter = list === undefined ? {} : { list };
      return (await model.find(filter).sort({ startedAt: -1 }).limit(limit).lean()).map(fromRow);
    },

    /** Remembers that every row of a batch is recorded, durably. */
    async keepBatch(digest: string): Promise<void> {
      const row = { $setOnInsert: { at: new Date(machine.now()) } };
      await batchModel.updateOne({ _id: digest }, row, { upsert: true, writeConcern: DURABLE });
    },

    knowsBatch: async (digest: string): Promise<boolean> => (await batchModel.exists({ _id: digest })) !== null,
  };
}

export type ImportStore = ReturnType<typeof createImportStore>;
