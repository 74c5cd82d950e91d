import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** A letter as it went out. Who, when and what kind stays as long as the record of the request; the words have an end. */
export interface StoredLetter {
  readonly id: string;
  readonly request: string;
  readonly kind: string;
  /** ms */
  readonly at: number;
  readonly way: 'mail' | 'print';
  /** User id of staff, or `system`. */
  readonly by: string;
  readonly language: string;
  readonly brand: string;
  /** Subject, HTML, text and PDF, without a working link; absent once they were forgotten. */
  readonly sealed?: Buffer;
  /** The mail as it goes out, with its link and address; only until the outbox has it. */
  readonly outgoing?: Buffer;
  readonly printed?: { readonly at: number; readonly by: string };
}

const letterSchema = new Schema(
  {
    _id: String,
    request: String,
    kind: String,
    at: Date,
    way: String,
    by: String,
    language: String,
    brand: String,
    waits: Date,
    printedAt: Date,
    printedBy: String,
  },
  { collection: 'letters', versionKey: false },
);
letterSchema.index({ request: 1, at: 1 });
letterSchema.index({ way: 1, printedAt: 1, at: 1 });
letterSchema.index({ waits: 1 }, { sparse: true });

const contentSchema = new Schema(
  { _id: String, request: String, contact: Buffer, sealed: Buffer, outgoing: Buffer, until: Date },
  { collection: 'letter_contents', versionKey: false },
);
contentSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
contentSchema.index({ request: 1 });
contentSchema.index({ contact: 1 }, { sparse: true });

type Row = Record<string, unknown> & { _id: unknown };

function letterFrom(row: Row, content?: Record<string, unknown> | null): StoredLetter {
  return {
    id: String(row._id),
    request: String(row.request),
    kind: String(row.kind),
    at: row.at instanceof Date ? row.at.getTime() : 0,
    way: row.way === 'print' ? 'print' : 'mail',
    by: String(row.by),
    language: String(row.language),
    brand: String(row.brand),
    ...(content?.sealed ? { sealed: bytesOf(content.sealed) } : {}),
    ...(content?.outgoing ? { outgoing: bytesOf(content.outgoing) } : {}),
    ...(row.printedAt instanceof Date ? { printed: { at: row.printedAt.getTime(), by: String(row.printedBy) } } : {}),
  };
}

/** Letters, and apart from them their words, which time or an erasure takes away. */
export function createLetterStore(connection: Connection) {
  const model = connection.model('Letter', letterSchema);
  const contentModel = connection.model('LetterContent', contentSchema);
  const letters = model.collection;
  const contents = contentModel.collection;
  const id = (text: string): object => ({ _id: text });

  return {
    models: [model, contentModel] as const,

    /** Keeps a letter; one that is there already stays. Words first: a letter without them would be one nobody sent. */
    async keep(letter: StoredLetter, contact: Buffer | undefined, until: Date): Promise<void> {
      const { id: _id, sealed, outgoing, at, printed: _printed, ...rest } = letter;
      await contents.updateOne(
        id(_id),
        {
          $setOnInsert: {
            request: letter.request,
            until,
            ...(sealed ? { sealed: binary(sealed) } : {}),
            ...(outgoing ? { outgoing: binary(outgoing) } : {}),
            ...(contact ? { contact: binary(contact) } : {}),
          },
        },
        { upsert: true, writeConcern: DURABLE },
      );
      await letters.updateOne(
        id(_id),
        { $setOnInsert: { ...rest, at: new Date(at), ...(letter.way === 'mail' ? { waits: new Date(at) } : {}) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async get(letter: string): Promise<StoredLetter | undefined> {
      const row = await letters.findOne(id(letter));
      if (!row) return undefined;
      const content = await contents.findOne(id(letter), { promoteBuffers: true });
      return letterFrom(row, content);
    },

    /** Of a request, oldest first, without their words. */
    async ofRequest(request: string): Promise<StoredLetter[]> {
      const rows = await letters.find({ request }, { sort: { at: 1, _id: 1 } }).toArray();
      return rows.map((row) => letterFrom(row));
    },

    /** The outbox has it: the working link goes. */
    async handedOver(letter: string): Promise<void> {
      await contents.updateOne(id(letter), { $unset: { outgoing: '' } }, { writeConcern: DURABLE });
      await letters.updateOne(id(letter), { $unset: { waits: '' } }, { writeConcern: DURABLE });
    },

    /** Letters by mail that were kept before a time and never reached the outbox. */
    async leftBehind(before: Date): Promise<StoredLetter[]> {
      const rows = await letters.find({ waits: { $lt: before } }, { limit: 100 }).toArray();
      return Promise.all(rows.map(async (row) => (await this.get(String(row._id))) ?? letterFrom(row)));
    },

    /** Letters for paper: those nobody printed, or all, oldest of the waiting first, newest of all first. */
    async toPrint(
      all: boolean,
      skip: number,
      limit: number,
      newestFirst = all,
    ): Promise<{ rows: StoredLetter[]; total: number }> {
      const filter = { way: 'print', ...(all ? {} : { printedAt: { $exists: false } }) };
      const [rows, total] = await Promise.all([
        letters.find(filter, { sort: { at: newestFirst ? -1 : 1, _id: newestFirst ? -1 : 1 }, skip, limit }).toArray(),
        letters.countDocuments(filter, { limit: 100_000 }),
      ]);
      return { rows: rows.map((row) => letterFrom(row)), total };
    },

    /** True for the first who says so. */
    async printed(letter: string, at: Date, by: string): Promise<boolean> {
      const { modifiedCount } = await letters.updateOne(
        { ...id(letter), way: 'print', printedAt: { $exists: false } },
        { $set: { printedAt: at, printedBy: by } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    /** The words of every letter of a request go. */
    async forgetRequest(request: string): Promise<void> {
      await contents.deleteMany({ request }, { writeConcern: DURABLE });
    },

    /** The words of letters to erased contacts go. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await contents.deleteMany({ contact: { $in: contacts.map(binary) } }, { writeConcern: DURABLE });
    },
  };
}

export type LetterStore = ReturnType<typeof createLetterStore>;
