import { type Connection, Schema } from 'mongoose';
import { DAY_MS } from '../core/calendar.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

/** What nobody looked at in three months is of no use to anybody, and names people. */
export const REVIEW_DAYS = 90;

const reviewSchema = new Schema(
  {
    _id: String,
    kind: String,
    contact: Buffer,
    masked: String,
    reason: String,
    why: String,
    status: String,
    via: String,
    receivedAt: Date,
    expiresAt: Date,
    waiting: Boolean,
    sealed: Buffer,
    outcome: String,
    decidedBy: String,
    decidedAt: Date,
    events: [String],
  },
  { collection: 'inbound_review', versionKey: false },
);
reviewSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
reviewSchema.index({ waiting: 1, kind: 1, receivedAt: -1 }, { sparse: true });
reviewSchema.index({ contact: 1 });

/** One report that waits for a person, without what names anybody. */
export interface ReviewLine {
  readonly id: string;
  readonly kind: string;
  readonly contact: Buffer;
  /** `a•••@example.com` */
  readonly masked: string;
  readonly reason?: string;
  /** Why it was not recorded. */
  readonly why: string;
  /** Enhanced status code, RFC 3463. */
  readonly status?: string;
  readonly via: string;
  readonly receivedAt: Date;
  readonly waiting: boolean;
  readonly outcome?: 'confirmed' | 'dismissed';
  readonly decidedBy?: string;
  readonly decidedAt?: Date;
  /** Ids of the events it turned into. */
  readonly events?: readonly string[];
}

export type NewReview = Omit<ReviewLine, 'waiting' | 'outcome' | 'decidedBy' | 'decidedAt' | 'events'> & {
  readonly sealed: Buffer;
};

interface Row {
  _id: unknown;
  [field: string]: unknown;
}

function lineFrom(row: Row): ReviewLine {
  const text = (name: string): Record<string, string> => (row[name] === undefined ? {} : { [name]: String(row[name]) });
  return {
    id: String(row._id),
    kind: String(row.kind),
    contact: bytesOf(row.contact),
    masked: String(row.masked),
    why: String(row.why),
    via: String(row.via),
    receivedAt: row.receivedAt instanceof Date ? row.receivedAt : new Date(0),
    waiting: row.waiting === true,
    ...text('reason'),
    ...text('status'),
    ...(row.outcome === 'confirmed' || row.outcome === 'dismissed' ? { outcome: row.outcome } : {}),
    ...text('decidedBy'),
    ...(row.decidedAt instanceof Date ? { decidedAt: row.decidedAt } : {}),
    ...(Array.isArray(row.events) ? { events: row.events.map(String) } : {}),
  };
}

/** Reports that came without proof, until a person decides or 90 days are over. */
export function createInboundReviewStore(connection: Connection) {
  const model = connection.model('InboundReview', reviewSchema);
  const review = model.collection;
  const byId = (id: string): object => ({ _id: id });

  return {
    models: [model] as const,

    /** How many of a kind wait, counted up to `most`. */
    waiting: (kind: string, most: number): Promise<number> =>
      review.countDocuments({ waiting: true, kind }, { limit: most }),

    /** Keeps one; false when it is known, decided or not. Durable when it resolves. */
    async insert({ id, contact, sealed, ...fields }: NewReview): Promise<boolean> {
      try {
        await review.insertOne(
          {
            ...byId(id),
            ...fields,
            contact: binary(contact),
            sealed: binary(sealed),
            waiting: true,
            expiresAt: new Date(fields.receivedAt.getTime() + REVIEW_DAYS * DAY_MS),
          },
          { writeConcern: DURABLE },
        );
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    /** Those that wait, newest first; `before` goes on from the last one seen. */
    async list(options: {
      readonly kind?: string;
      readonly before?: Date;
      readonly limit: number;
    }): Promise<ReviewLine[]> {
      const rows = await review
        .find(
          {
            waiting: true,
            ...(options.kind === undefined ? {} : { kind: options.kind }),
            ...(options.before === undefined ? {} : { receivedAt: { $lt: options.before } }),
          },
          { sort: { receivedAt: -1 }, limit: options.limit, projection: { sealed: 0 }, promoteBuffers: true },
        )
        .toArray();
      return rows.map(lineFrom);
    },

    async get(id: string): Promise<{ readonly line: ReviewLine; readonly sealed?: Buffer } | undefined> {
      const row = await review.findOne(byId(id), { promoteBuffers: true });
      if (!row) return undefined;
      return { line: lineFrom(row), ...(row.sealed === undefined ? {} : { sealed: bytesOf(row.sealed) }) };
    },

    /** The first decision stands. False when there is another one already. */
    async decide(id: string, outcome: 'confirmed' | 'dismissed', by: string, at: Date): Promise<boolean> {
      const { modifiedCount } = await review.updateOne(
        { ...byId(id), waiting: true },
        {
          $set: { outcome, decidedBy: by, decidedAt: at },
          // What was dismissed is about somebody of whom nothing is to be kept.
          $unset: { waiting: '', ...(outcome === 'dismissed' ? { sealed: '' } : {}) },
        },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    /** The events are durable: the facts are with them now. */
    async recorded(id: string, events: readonly string[]): Promise<void> {
      await review.updateOne(
        byId(id),
        { $set: { events: [...events] }, $unset: { sealed: '' } },
        { writeConcern: DURABLE },
      );
    },

    /** Takes out everything about a contact, as its erasure asks. Returns how many. */
    async forget(contact: Buffer): Promise<number> {
      const { deletedCount } = await review.deleteMany({ contact: binary(contact) }, { writeConcern: DURABLE });
      return deletedCount;
    },

    /** The same for many. */
    async forgetAll(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await review.deleteMany({ contact: { $in: contacts.map(binary) } }, { writeConcern: DURABLE });
    },
  };
}

export type InboundReviewStore = ReturnType<typeof createInboundReviewStore>;
