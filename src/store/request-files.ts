import type { Connection } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

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

interface FileRow extends Stored<RequestFile> {
  /** The content of a file that was kept in one piece. */
  readonly sealed?: Buffer;
}

const fileSchema = collectionSchema<FileRow>('request_files', {
  _id: { type: String, required: true },
  request: { type: String, required: true },
  at: { type: Date, required: true },
  by: { type: String, required: true },
  byName: String,
  type: { type: String, required: true },
  size: { type: Number, required: true },
  name: { type: Buffer, required: true },
  chunks: Number,
  key: Buffer,
  sealed: Buffer,
});
fileSchema.index({ request: 1, at: 1 });

/** A piece of a file. One that no request has taken by `until` goes: its upload was broken off. */
interface ChunkRow {
  readonly _id: string;
  readonly file: string;
  readonly sealed: Buffer;
  readonly until?: Date;
}

const chunkSchema = collectionSchema<ChunkRow>('request_file_chunks', {
  _id: { type: String, required: true },
  file: { type: String, required: true },
  sealed: { type: Buffer, required: true },
  until: Date,
});
chunkSchema.index({ file: 1 });
chunkSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

const { toRow, fromRow } = rowsOf<RequestFile>();
const placeOf = (file: string, at: number): string => `${file}/${at}`;

/** Every query to the files of requests. */
export function createRequestFiles(connection: Connection) {
  const files = connection.model('RequestFile', fileSchema);
  const chunks = connection.model('RequestFileChunk', chunkSchema);

  return {
    models: [files, chunks] as const,

    /** Keeps a piece of a file that no request has yet, until a request takes the file. Durable when it resolves. */
    async keepChunk(file: string, at: number, sealed: Buffer, until: Date): Promise<void> {
      await chunks.insertOne({ _id: placeOf(file, at), file, sealed, until }, { writeConcern: DURABLE });
    },

    /** Drops the pieces of files that no request has taken. */
    async dropUntaken(uploads: readonly string[]): Promise<void> {
      await chunks.deleteMany({ file: { $in: uploads }, until: { $exists: true } });
    },

    /** Gives a file whose pieces are kept to its request. Durable when it resolves; false when pieces are gone. */
    async keep(file: RequestFile): Promise<boolean> {
      const keepPieces = { $unset: { until: '' } };
      const { matchedCount } = await chunks.updateMany({ file: file.id }, keepPieces, { writeConcern: DURABLE });
      if (matchedCount !== file.chunks) return false;
      await files.insertOne(toRow(file), { writeConcern: DURABLE });
      return true;
    },

    /** Without contents, oldest first. */
    async ofRequest(request: string): Promise<RequestFile[]> {
      const rows = await files.find({ request }, { sealed: 0 }).sort({ at: 1 }).lean();
      return rows.map(fromRow);
    },

    count: async (request: string): Promise<number> => files.countDocuments({ request }),

    /** A file of this very request: an id alone opens nothing. `sealed` of one that was kept in one piece. */
    async get(request: string, id: string): Promise<{ file: RequestFile; sealed?: Buffer } | undefined> {
      const found = await files.findOne({ _id: id, request }).lean();
      if (!found) return undefined;
      const { sealed, ...row } = found;
      return { file: fromRow(row), ...(sealed ? { sealed } : {}) };
    },

    chunk: async (file: string, at: number): Promise<Buffer | undefined> =>
      (await chunks.findById(placeOf(file, at)).lean())?.sealed,

    async removeAll(request: string): Promise<void> {
      const ids = await files.distinct('_id', { request });
      await chunks.deleteMany({ file: { $in: ids } }, { writeConcern: DURABLE });
      await files.deleteMany({ request }, { writeConcern: DURABLE });
    },
  };
}

export type RequestFiles = ReturnType<typeof createRequestFiles>;
