import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** A period of the ledger that is written in the background, and how far it has come. */
export interface AuditExport {
  readonly id: string;
  /** ms; first instant, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly by: string;
  readonly byName: string;
  readonly at: number;
  readonly state: 'waiting' | 'running' | 'ready' | 'failed';
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

const exportSchema = new Schema(
  {
    _id: String,
    from: Date,
    to: Date,
    by: String,
    byName: String,
    at: Date,
    state: String,
    first: Number,
    end: Number,
    size: Number,
    next: Number,
    chain: Buffer,
    erasures: [Number],
    chunks: Number,
    bytes: Number,
    restarts: Number,
    readyAt: Date,
    until: Date,
    fault: String,
    due: Date,
    lease: String,
  },
  { collection: 'audit_exports', versionKey: false },
);
exportSchema.index({ at: -1 });
exportSchema.index({ due: 1 }, { sparse: true });
exportSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

const chunkSchema = new Schema(
  { _id: String, export: String, bytes: Buffer, until: Date },
  { collection: 'audit_export_chunks', versionKey: false },
);
chunkSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

type Row = Record<string, unknown> & { _id: unknown };

function exportFrom(row: Row): AuditExport {
  const ms = (name: string) => {
    const value = row[name];
    return value instanceof Date ? { [name]: value.getTime() } : {};
  };
  const number = (name: string) => (typeof row[name] === 'number' ? { [name]: Number(row[name]) } : {});
  return {
    id: String(row._id),
    by: String(row.by),
    byName: String(row.byName),
    state: row.state as AuditExport['state'],
    erasures: (row.erasures ?? []) as number[],
    chunks: Number(row.chunks ?? 0),
    bytes: Number(row.bytes ?? 0),
    restarts: Number(row.restarts ?? 0),
    from: 0,
    to: 0,
    at: 0,
    ...ms('from'),
    ...ms('to'),
    ...ms('at'),
    ...ms('readyAt'),
    ...ms('until'),
    ...number('first'),
    ...number('end'),
    ...number('size'),
    ...number('next'),
    ...(row.chain ? { chain: bytesOf(row.chain) } : {}),
    ...(row.fault ? { fault: String(row.fault) } : {}),
  };
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
  const exports = model.collection;
  const chunks = chunkModel.collection;
  const id = (text: string): object => ({ _id: text });
  const BUFFERS = { promoteBuffers: true } as const;
  const found = (row: unknown) => (row ? exportFrom(row as Row) : undefined);

  return {
    models: [model, chunkModel] as const,

    async begin(wanted: Pick<AuditExport, 'id' | 'from' | 'to' | 'by' | 'byName' | 'at'>): Promise<void> {
      const { id: _id, from, to, at, ...rest } = wanted;
      await exports.insertOne(
        {
          ...id(_id),
          ...rest,
          from: new Date(from),
          to: new Date(to),
          at: new Date(at),
          due: new Date(at),
          state: 'waiting',
          erasures: [],
          chunks: 0,
          bytes: 0,
          restarts: 0,
        },
        { writeConcern: DURABLE },
      );
    },

    get: async (one: string) => found(await exports.findOne(id(one), BUFFERS)),

    async list(skip: number, limit: number): Promise<{ rows: AuditExport[]; total: number }> {
      const [rows, total] = await Promise.all([
        exports.find({}, { sort: { at: -1 }, skip, limit, ...BUFFERS }).toArray(),
        exports.countDocuments({}, { limit: 100_000 }),
      ]);
      return { rows: rows.map((row) => exportFrom(row as Row)), total };
    },

    /** The one that has waited longest, under a lease. */
    async take(lease: string, now: Date, until: Date): Promise<AuditExport | undefined> {
      return found(
        await exports.findOneAndUpdate(
          { due: { $lte: now } },
          { $set: { lease, due: until, state: 'running' } },
          { sort: { due: 1 }, returnDocument: 'after', ...BUFFERS },
        ),
      );
    },

    /** Writes how far it has come; false when the lease is another's. `due` absent: nothing is left to do. */
    async step(one: string, lease: string, step: ExportStep): Promise<boolean> {
      const { due, chain, erasures, ...rest } = step;
      const set = {
        ...rest,
        ...(chain ? { chain: binary(chain) } : {}),
        ...(erasures ? { erasures: [...erasures] } : {}),
      };
      const { matchedCount } = await exports.updateOne(
        { ...id(one), lease },
        due === undefined ? { $set: set, $unset: { due: '', lease: '' } } : { $set: { ...set, due } },
        { writeConcern: DURABLE },
      );
      return matchedCount === 1;
    },

    /** Gives the lease up, so that another goes on at once. */
    async release(one: string, lease: string, due: Date): Promise<void> {
      await exports.updateOne({ ...id(one), lease }, { $set: { due }, $unset: { lease: '' } });
    },

    /** The n-th piece of the file; the same again is the same. */
    async keepChunk(one: string, n: number, bytes: Buffer, until: Date): Promise<void> {
      await chunks.updateOne(
        id(`${one}/${n}`),
        { $set: { export: one, bytes: binary(bytes), until } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async chunk(one: string, n: number): Promise<Buffer | undefined> {
      const row = await chunks.findOne(id(`${one}/${n}`), BUFFERS);
      return row ? bytesOf(row.bytes) : undefined;
    },
  };
}

export type AuditExports = ReturnType<typeof createAuditExports>;
