import type { Connection } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

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

/** What stays as long as the record of the request. */
type LetterLine = Omit<StoredLetter, 'sealed' | 'outgoing' | 'printed'>;
interface LetterRow extends Stored<LetterLine, 'at'> {
  /** Of a letter by mail, until the outbox has it. */
  readonly waits?: Date;
  readonly printedAt?: Date;
  readonly printedBy?: string;
}
interface ContentRow extends Pick<StoredLetter, 'request' | 'sealed' | 'outgoing'> {
  readonly _id: string;
  readonly contact?: Buffer;
  readonly until: Date;
}

const letterSchema = collectionSchema<LetterRow>('letters', {
  _id: { type: String, required: true },
  request: { type: String, required: true },
  kind: { type: String, required: true },
  at: { type: Date, required: true },
  way: { type: String, required: true, enum: ['mail', 'print'] },
  by: { type: String, required: true },
  language: { type: String, required: true },
  brand: { type: String, required: true },
  waits: Date,
  printedAt: Date,
  printedBy: String,
});
letterSchema.index({ request: 1, at: 1 });
letterSchema.index({ way: 1, printedAt: 1, at: 1 });
letterSchema.index({ waits: 1 }, { sparse: true });

const contentSchema = collectionSchema<ContentRow>('letter_contents', {
  _id: { type: String, required: true },
  request: { type: String, required: true },
  contact: Buffer,
  sealed: Buffer,
  outgoing: Buffer,
  until: { type: Date, required: true },
});
contentSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
contentSchema.index({ request: 1 });
contentSchema.index({ contact: 1 }, { sparse: true });

const { toRow, fromRow } = rowsOf<LetterLine, 'at'>(['at']);

function letterFrom(row: LetterRow, content?: ContentRow | null): StoredLetter {
  const { waits: _waits, printedAt, printedBy = '', ...line } = row;
  return {
    ...fromRow(line),
    ...(content?.sealed ? { sealed: content.sealed } : {}),
    ...(content?.outgoing ? { outgoing: content.outgoing } : {}),
    ...(printedAt ? { printed: { at: printedAt.getTime(), by: printedBy } } : {}),
  };
}

/** Letters, and apart from them their words, which time or an erasure takes away. */
export function createLetterStore(connection: Connection) {
  const model = connection.model('Letter', letterSchema);
  const contents = connection.model('LetterContent', contentSchema);
  return {
    models: [model, contents] as const,

    /** Keeps a letter; one that is there already stays. Words first: a letter without them would be one nobody sent. */
    async keep(letter: StoredLetter, contact: Buffer | undefined, until: Date): Promise<void> {
      const { sealed, outgoing, printed: _printed, ...line } = letter;
      const content = {
        request: letter.request,
        until,
        ...(sealed ? { sealed } : {}),
        ...(outgoing ? { outgoing } : {}),
        ...(contact ? { contact } : {}),
      };
      const { _id, ...row } = toRow(line);
      const options = { upsert: true, writeConcern: DURABLE };
      await contents.updateOne({ _id }, { $setOnInsert: content }, options);
      const waits = letter.way === 'mail' ? { waits: row.at } : {};
      await model.updateOne({ _id }, { $setOnInsert: { ...row, ...waits } }, options);
    },

    async get(letter: string): Promise<StoredLetter | undefined> {
      const row = await model.findById(letter).lean();
      return row ? letterFrom(row, await contents.findById(letter).lean()) : undefined;
    },

    /** Of a request, oldest first, without their words. */
    async ofRequest(request: string): Promise<StoredLetter[]> {
      const rows = await model.find({ request }).sort({ at: 1, _id: 1 }).lean();
      return rows.map((row) => letterFrom(row));
    },

    /** The outbox has it: the working link goes. */
    async handedOver(letter: string): Promise<void> {
      await contents.updateOne({ _id: letter }, { $unset: { outgoing: '' } }, { writeConcern: DURABLE });
      await model.updateOne({ _id: letter }, { $unset: { waits: '' } }, { writeConcern: DURABLE });
    },

    /** Letters by mail that were kept before a time and never reached the outbox. */
    async leftBehind(before: Date): Promise<StoredLetter[]> {
      const rows = await model
        .find({ waits: { $lt: before } })
        .limit(100)
        .lean();
      const found = await contents.find({ _id: { $in: rows.map(({ _id }) => _id) } }).lean();
      const byId = new Map(found.map((content) => [content._id, content]));
      return rows.map((row) => letterFrom(row, byId.get(row._id)));
    },

    /** Letters for paper: those nobody printed, or all, oldest of the waiting first, newest of all first. */
    async toPrint(
      all: boolean,
      skip: number,
      limit: number,
      newestFirst = all,
    ): Promise<{ rows: StoredLetter[]; total: number }> {
      const filter = { way: 'print', ...(all ? {} : { printedAt: { $exists: false } }) } as const;
      const direction = newestFirst ? -1 : 1;
      const [rows, total] = await Promise.all([
        model.find(filter).sort({ at: direction, _id: direction }).skip(skip).limit(limit).lean(),
        model.countDocuments(filter, { limit: 100_000 }),
      ]);
      return { rows: rows.map((row) => letterFrom(row)), total };
    },

    /** True for the first who says so. */
    async printed(letter: string, at: Date, by: string): Promise<boolean> {
      const { modifiedCount } = await model.updateOne(
        { _id: letter, way: 'print', printedAt: { $exists: false } },
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
      await contents.deleteMany({ contact: { $in: contacts } }, { writeConcern: DURABLE });
    },
  };
}

export type LetterStore = ReturnType<typeof createLetterStore>;
