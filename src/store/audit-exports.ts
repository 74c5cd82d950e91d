import type { Connection } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

const EXPORT_STATES = ['waiting', 'running', 'ready', 'failed'] as const;

/** A period of the ledger that is written in the background, and how far it has come. */
export interface AuditExport {
  readonly id: string;
  /** ms; first instant, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly by: string;
  readonly byName: string;
  readonly at: number;
  readonly state: (typeof EXPORT_STATES)[number];
  /** Set when it begins: leaves `first` to `end`, proofs to the checkpoint of `size` leaves. */
  readonly first?: number;
  readonly end?: number;
  readonly size?: number;
  /** The next leaf to be written. */
  readonly next?: number;
  /** SHA-256 over the lines so far. */
  readonly chain?: Buffer;
  /** Later erasures that name leaves of it. */
  readonly erasures: readonly number[];
  readonly chunks: number;
  readonly bytes: number;
  /** How often it was begun again, because somebody was erased meanwhile. */
  readonly restarts: number;
  readonly readyAt?: number;
  readonly until?: number;
  readonly fault?: string;
}

const EXPORT_TIMES = ['from', 'to', 'at', 'readyAt', 'until'] as const;
const { toRow, fromRow } = rowsOf<AuditExport, (typeof EXPORT_TIMES)[number]>(EXPORT_TIMES);

interface ExportRow extends Stored<AuditExport, (typeof EXPORT_TIMES)[number]> {
  /** When somebody is to go on with it: the end of the lease while somebody has it; absent once nothing is left to do. */
  readonly due?: Date;
  readonly lease?: string;
}

const exportSchema = collectionSchema<ExportRow>('audit_exports', {
  _id: { type: String, required: true },
  from: { type: Date, required: true },
  to: { type: Date, required: true },
  by: { type: String, required: true },
  byName: { type: String, required: true },
  at: { type: Date, required: true },
  state: { type: String, required: true, enum: EXPORT_STATES },
  first: Number,
  end: Number,
  size: Number,
  next: Number,
  chain: Buffer,
  erasures: { type: [Number], required: true },
  chunks: { type: Number, required: true },
  bytes: { type: Number, required: true },
  restarts: { type: Number, required: true },
  readyAt: Date,
  until: Date,
  fault: String,
  due: Date,
  lease: String,
});
exportSchema.index({ at: -1 });
exportSchema.index({ due: 1 }, { sparse: true });
exportSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

interface ChunkRow {
  readonly _id: string;
  readonly export: string;
  readonly bytes: Buffer;
  readonly until: Date;
}

const chunkSchema = collectionSchema<ChunkRow>('audit_export_chunks', {
  _id: { type: String, required: true },
  export: { type: String, required: true },
  bytes: { type: Buffer, required: true },
  until: { type: Date, required: true },
});
chunkSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

function exportFrom({ due: _due, lease: _lease, ...row }: ExportRow): AuditExport {
  return fromRow(row);
}

/** What a step of an export changes. */
export type ExportStep = Partial<
  Pick<
    AuditExport,
    'state' | 'first' | 'end' | 'size' | 'next' | 'chain' | 'erasures' | 'chunks' | 'bytes' | 'restarts' | 'fault'
  >
> & { readonly readyAt?: Date; readonly until?: Date; readonly due?: Date };

/** Exports of the ledger, and their bytes, packed. Time removes both. */
export function createAuditExports(connection: Connection) {
  const model = connection.model('AuditExport', exportSchema);
  const chunkModel = connection.model('AuditExportChunk', chunkSchema);
  return {
    models: [model, chunkModel] as const,

    async begin(wanted: Pick<AuditExport, 'id' | 'from' | 'to' | 'by' | 'byName' | 'at'>): Promise<void> {
      const none = { erasures: [], chunks: 0, bytes: 0, restarts: 0 };
      const row = toRow({ ...wanted, ...none, state: 'waiting' });
      await model.insertOne({ ...row, due: row.at }, { writeConcern: DURABLE });
    },

    async get(id: string): Promise<AuditExport | undefined> {
      const row = await model.findById(id).lean();
      return row ? exportFrom(row) : undefined;
    },

    async list(skip: number, limit: number): Promise<{ rows: AuditExport[]; total: number }> {
      const [rows, total] = await Promise.all([
        model.find().sort({ at: -1 }).skip(skip).limit(limit).lean(),
        model.countDocuments({}, { limit: 100_000 }),
      ]);
      return { rows: rows.map(exportFrom), total };
    },

    /** The one that has waited longest, under a lease. */
    async take(lease: string, now: Date, until: Date): Promise<AuditExport | undefined> {
      const change = { $set: { lease, due: until, state: 'running' } };
      const options = { sort: { due: 1 }, returnDocument: 'after' } as const;
      const row = await model.findOneAndUpdate({ due: { $lte: now } }, change, options).lean();
      return row ? exportFrom(row) : undefined;
    },

    /** Writes how far it has come; false when the lease is another's. `due` absent: nothing is left to do. */
    async step(id: string, lease: string, step: ExportStep): Promise<boolean> {
      const { due, ...set } = step;
      const { matchedCount } = await model.updateOne(
        { _id: id, lease },
        due === undefined ? { $set: set, $unset: { due: '', lease: '' } } : { $set: { ...set, due } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Gives the lease up, so that another goes on at once. */
    async release(id: string, lease: string, due: Date): Promise<void> {
      await model.updateOne({ _id: id, lease }, { $set: { due }, $unset: { lease: '' } });
    },

    /** The n-th piece of the file; the same again is the same. */
    async keepChunk(id: string, n: number, bytes: Buffer, until: Date): Promise<void> {
      const change = { $set: { export: id, bytes, until } };
      await chunkModel.updateOne({ _id: `${id}/${n}` }, change, { upsert: true, writeConcern: DURABLE });
    },

    chunk: async (id: string, n: number): Promise<Buffer | undefined> =>
      (await chunkModel.findById(`${id}/${n}`).lean())?.bytes,
  };
}

export type AuditExports = ReturnType<typeof createAuditExports>;
