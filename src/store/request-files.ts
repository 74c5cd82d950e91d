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
  /** Media type, as its first bytes say. */
  readonly type: string;
  /** Bytes. */
  readonly size: number;
  readonly name: Buffer;
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
    sealed: Buffer,
  },
  { collection: 'request_files', versionKey: false },
);
fileSchema.index({ request: 1, at: 1 });

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
  };
}

/** Every query to the files of requests. */
export function createRequestFiles(connection: Connection) {
  const model = connection.model('RequestFile', fileSchema);
  const files = model.collection;
  return {
    models: [model] as const,

    /** Durable when it resolves. */
    async keep(file: RequestFile, sealed: Buffer): Promise<void> {
      const { id, name, ...rest } = file;
      await files.insertOne(
        { ...rest, _id: id as never, name: binary(name), sealed: binary(sealed) },
        { writeConcern: DURABLE },
      );
    },

    /** Without contents, oldest first. */
    async ofRequest(request: string): Promise<RequestFile[]> {
      const rows = await files
        .find({ request }, { sort: { at: 1 }, projection: { sealed: 0 }, promoteBuffers: true })
        .toArray();
      return rows.map((row) => fileFrom(row as Row));
    },

    count: (request: string): Promise<number> => files.countDocuments({ request }),

    /** A file of this very request: an id alone opens nothing. */
    async get(request: string, id: string): Promise<{ file: RequestFile; sealed: Buffer } | undefined> {
      const row = await files.findOne({ _id: id, request } as never, { promoteBuffers: true });
      return row ? { file: fileFrom(row as Row), sealed: bytesOf(row.sealed) } : undefined;
    },

    async removeAll(request: string): Promise<void> {
      await files.deleteMany({ request }, { writeConcern: DURABLE });
    },
  };
}

export type RequestFiles = ReturnType<typeof createRequestFiles>;
