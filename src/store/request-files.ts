import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** A file that belongs to a request. Name and content are sealed under the request's key. */
export interface RequestFile {
  readonly id: string;
  readonly request: string;
  readonly at: Date;
  readonly by: string;
  readonly byName?: string;
  /** Media type, as its bytes say. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  readonly name: Buffer;
  /** Pieces that the content lies in; absent of a file that was kept in one. */
  readonly chunks?: number;
  /** Key of the pieces, sealed under the request's. */
  readonly key?: Buffer;
}

const fileSchema = new Schema(
  {
    _id: String,
    request: String,
    at: Date,
    by: String,
    byName: String,
    type: String,
    size: Number,
    name: Buffer,
    chunks: Number,
    key: Buffer,
    sealed: Buffer,
  },
  { collection: 'request_files', versionKey: false },
);
fileSchema.index({ request: 1, at: 1 });

/** A piece of a file. One that no request has taken by `until` goes: its upload was broken off. */
const chunkSchema = new Schema(
  { _id: String, file: String, sealed: Buffer, until: Date },
  { collection: 'request_file_chunks', versionKey: false },
);
chunkSchema.index({ file: 1 });
chunkSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

type Row = Record<string, unknown>;

function fileFrom(row: Row): RequestFile {
  return {
    id: String(row._id),
    request: String(row.request),
    at: row.at instanceof Date ? row.at : new Date(0),
    by: String(row.by),
    type: String(row.type),
    size: Number(row.size),
    name: bytesOf(row.name),
    ...(row.byName ? { byName: String(row.byName) } : {}),
    ...(row.key ? { key: bytesOf(row.key), chunks: Number(row.chunks) } : {}),
  };
}

/** Every query to the files of requests. */
export function createRequestFiles(connection: Connection) {
  const model = connection.model('RequestFile', fileSchema);
  const chunkModel = connection.model('RequestFileChunk', chunkSchema);
  const files = model.collection;
  const chunks = chunkModel.collection;
  const placeOf = (file: string, at: number): string => `${file}/${at}`;

  return {
    models: [model, chunkModel] as const,

    /** Keeps a piece of a file that no request has yet, until a request takes the file. Durable when it resolves. */
    async keepChunk(file: string, at: number, sealed: Buffer, until: Date): Promise<void> {
      await chunks.insertOne(
        { _id: placeOf(file, at) as never, file, sealed: binary(sealed), until },
        { writeConcern: DURABLE },
      );
    },

    /** Drops the pieces of files that no request has taken. */
    async dropUntaken(uploads: readonly string[]): Promise<void> {
      await chunks.deleteMany({ file: { $in: [...uploads] }, until: { $exists: true } });
    },

    /** Gives a file whose pieces are kept to its request. Durable when it resolves; false when pieces are gone. */
    async keep(file: RequestFile): Promise<boolean> {
      const { id, name, key, ...rest } = file;
      const { matchedCount } = await chunks.updateMany(
        { file: id },
        { $unset: { until: '' } },
        { writeConcern: DURABLE },
      );
      if (matchedCount !== file.chunks) return false;
      await files.insertOne(
        { ...rest, _id: id as never, name: binary(name), ...(key ? { key: binary(key) } : {}) },
        { writeConcern: DURABLE },
      );
      return true;
    },

    /** Without contents, oldest first. */
    async ofRequest(request: string): Promise<RequestFile[]> {
      const rows = await files
        .find({ request }, { sort: { at: 1 }, projection: { sealed: 0 }, promoteBuffers: true })
        .toArray();
      return rows.map((row) => fileFrom(row as Row));
    },

    count: (request: string): Promise<number> => files.countDocuments({ request }),

    /** A file of this very request: an id alone opens nothing. `sealed` of one that was kept in one piece. */
    async get(request: string, id: string): Promise<{ file: RequestFile; sealed?: Buffer } | undefined> {
      const row = await files.findOne({ _id: id, request } as never, { promoteBuffers: true });
      if (!row) return undefined;
      return { file: fileFrom(row as Row), ...(row.sealed ? { sealed: bytesOf(row.sealed) } : {}) };
    },

    async chunk(file: string, at: number): Promise<Buffer | undefined> {
      const row = await chunks.findOne({ _id: placeOf(file, at) } as never, { promoteBuffers: true });
      return row ? bytesOf(row.sealed) : undefined;
    },

    async removeAll(request: string): Promise<void> {
      const ids = await files.distinct('_id', { request });
      await chunks.deleteMany({ file: { $in: ids.map(String) } }, { writeConcern: DURABLE });
      await files.deleteMany({ request }, { writeConcern: DURABLE });
    },
  };
}

export type RequestFiles = ReturnType<typeof createRequestFiles>;
