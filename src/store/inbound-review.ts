import type { Connection } from 'mongoose';
import { DAY_MS } from '../core/calendar.js';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** What nobody looked at in three months is of no use to anybody, and names people. */
export const REVIEW_DAYS = 90;

const REVIEW_OUTCOMES = ['confirmed', 'dismissed'] as const;
type ReviewOutcome = (typeof REVIEW_OUTCOMES)[number];

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
  readonly outcome?: ReviewOutcome;
  readonly decidedBy?: string;
  readonly decidedAt?: Date;
  /** Ids of the events it turned into. */
  readonly events?: readonly string[];
}

export type NewReview = Omit<ReviewLine, 'waiting' | 'outcome' | 'decidedBy' | 'decidedAt' | 'events'> & {
  readonly sealed: Buffer;
};

interface ReviewRow extends Omit<Stored<ReviewLine>, 'waiting'> {
  /** Absent once it was decided, so that the index holds only those that wait. */
  readonly waiting?: true;
  readonly expiresAt: Date;
  /** Absent once it was dismissed, or its events have it. */
  readonly sealed?: Buffer;
}

const reviewSchema = collectionSchema<ReviewRow>('inbound_review', {
  _id: { type: String, required: true },
  kind: { type: String, required: true },
  contact: { type: Buffer, required: true },
  masked: { type: String, required: true },
  reason: String,
  why: { type: String, required: true },
  status: String,
  via: { type: String, required: true },
  receivedAt: { type: Date, required: true },
  expiresAt: { type: Date, required: true },
  waiting: Boolean,
  sealed: Buffer,
  outcome: { type: String, enum: REVIEW_OUTCOMES },
  decidedBy: String,
  decidedAt: Date,
  events: [String],
});
reviewSchema.index({ expiresAt: 1 }, { expireAfterSeconds: 0 });
reviewSchema.index({ waiting: 1, kind: 1, receivedAt: -1 }, { sparse: true });
reviewSchema.index({ contact: 1 });

const { toRow, fromRow } = rowsOf<Omit<ReviewLine, 'waiting'>>();

function lineFrom({ waiting, expiresAt: _expiresAt, sealed: _sealed, ...row }: ReviewRow): ReviewLine {
  return { ...fromRow(row), waiting: waiting === true };
}

/** Reports that came without proof, until a person decides or 90 days are over. */
export function createInboundReviewStore(connection: Connection) {
  const model = connection.model('InboundReview', reviewSchema);
  return {
    models: [model] as const,

    /** How many of a kind wait, counted up to `most`. */
    waiting: async (kind: string, most: number): Promise<number> =>
      model.countDocuments({ waiting: true, kind }, { limit: most }),

    /** Keeps one; false when it is known, decided or not. Durable when it resolves. */
    async insert({ sealed, ...line }: NewReview): Promise<boolean> {
      const expiresAt = new Date(line.receivedAt.getTime() + REVIEW_DAYS * DAY_MS);
      const row = { ...toRow(line), waiting: true, sealed, expiresAt } as const;
      try {
        await model.insertOne(row, { writeConcern: DURABLE });
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
      const { kind, before, limit } = options;
      const filter = {
        waiting: true,
        ...(kind === undefined ? {} : { kind }),
        ...(before === undefined ? {} : { receivedAt: { $lt: before } }),
      } as const;
      const rows = await model.find(filter, { sealed: 0 }).sort({ receivedAt: -1 }).limit(limit).lean();
      return rows.map(lineFrom);
    },

    async get(id: string): Promise<{ readonly line: ReviewLine; readonly sealed?: Buffer } | undefined> {
      const row = await model.findById(id).lean();
      if (!row) return undefined;
      return { line: lineFrom(row), ...(row.sealed ? { sealed: row.sealed } : {}) };
    },

    /** The first decision stands. False when there is another one already. */
    async decide(id: string, outcome: ReviewOutcome, by: string, at: Date): Promise<boolean> {
      const change = {
        $set: { outcome, decidedBy: by, decidedAt: at },
        // What was dismissed is about somebody of whom nothing is to be kept.
        $unset: { waiting: '', ...(outcome === 'dismissed' ? { sealed: '' } : {}) },
      };
      const { modifiedCount } = await model.updateOne({ _id: id, waiting: true }, change, { writeConcern: DURABLE });
      return modifiedCount === 1;
    },

    /** The events are durable: the facts are with them now. */
    async recorded(id: string, events: readonly string[]): Promise<void> {
      const change = { $set: { events }, $unset: { sealed: '' } };
      await model.updateOne({ _id: id }, change, { writeConcern: DURABLE });
    },

    /** Takes out everything about a contact, as its erasure asks. Returns how many. */
    async forget(contact: Buffer): Promise<number> {
      return (await model.deleteMany({ contact }, { writeConcern: DURABLE })).deletedCount;
    },

    /** The same for many. */
    async forgetAll(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await model.deleteMany({ contact: { $in: contacts } }, { writeConcern: DURABLE });
    },
  };
}

export type InboundReviewStore = ReturnType<typeof createInboundReviewStore>;
