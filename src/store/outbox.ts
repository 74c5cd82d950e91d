import type { Connection, Model } from 'mongoose';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** A mail to be kept until it is sent; what names a person is sealed. */
export interface OutboxMail {
  readonly id: string;
  /** Key of the contact it goes to. */
  readonly contact: Buffer | undefined;
  readonly template: string;
  readonly language: string;
  readonly brand: string;
  readonly sealed: Buffer;
  readonly created: Date;
}

/** A mail taken under a lease. */
export interface LeasedMail extends Omit<OutboxMail, 'contact'> {
  /** The lease: only its holder may settle the mail. */
  readonly by: string;
  /** This attempt counted. */
  readonly attempts: number;
}

/** A mail that was given up, as operators see it. */
export interface ParkedMail {
  readonly id: string;
  readonly template: string;
  readonly reason: string;
  readonly attempts: number;
  readonly at: Date;
}

/**
 * A mail waits with `due`, is being sent with `due` as the end of a lease, is parked with `parkedAt`, and leaves an empty
 * document with `sentAt` behind, so that its id stays known.
 */
interface OutboxRow extends Partial<Omit<Stored<OutboxMail>, '_id' | 'template' | 'created' | 'contact'>> {
  readonly _id: string;
  readonly template: string;
  readonly contact?: Buffer;
  readonly forgotten?: true;
  readonly created: Date;
  readonly due?: Date;
  /** The lease. */
  readonly by?: string;
  readonly attempts: number;
  readonly reason?: string;
  readonly parkedAt?: Date;
  readonly sentAt?: Date;
}

const outboxSchema = collectionSchema<OutboxRow>('outbox', {
  _id: { type: String, required: true },
  template: { type: String, required: true },
  language: String,
  brand: String,
  contact: Buffer,
  forgotten: Boolean,
  sealed: Buffer,
  created: { type: Date, required: true },
  due: Date,
  by: String,
  attempts: { type: Number, required: true },
  reason: String,
  parkedAt: Date,
  sentAt: Date,
});
outboxSchema.index({ due: 1 }, { sparse: true });
outboxSchema.index({ contact: 1 }, { sparse: true });
// Seven days: longer than any retry of whoever wrote the mail, and a week to put a mail server right.
outboxSchema.index({ sentAt: 1 }, { expireAfterSeconds: 7 * 86_400 });
outboxSchema.index({ parkedAt: 1 }, { expireAfterSeconds: 7 * 86_400 });

interface QuotaRow {
  readonly _id: string;
  readonly mail: string;
  readonly at: Date;
}

const quotaSchema = collectionSchema<QuotaRow>('mail_quota', {
  _id: { type: String, required: true },
  mail: { type: String, required: true },
  at: { type: Date, required: true },
});
// A slot counts for its own day; two days are that day everywhere.
quotaSchema.index({ at: 1 }, { expireAfterSeconds: 2 * 86_400 });

/** A mail with all that a mail has that was not sent yet. */
function leasedFrom(row: OutboxRow): LeasedMail {
  const { _id, template, language, brand, sealed, created, by, attempts } = row;
  if (sealed === undefined || language === undefined || brand === undefined || by === undefined)
    throw new TypeError('a mail without content is due');
  return { id: _id, template, language, brand, sealed, created, by, attempts };
}

/** Every query to the outbox and its quotas. */
export function createOutboxStore(connection: Connection) {
  const outbox = connection.model<OutboxRow>('Outbox', outboxSchema);
  const quota = connection.model<QuotaRow>('MailQuota', quotaSchema);
  return { models: [outbox, quota] as const, ...keeping(outbox, quota), ...sending(outbox), ...operating(outbox) };
}

export type OutboxStore = ReturnType<typeof createOutboxStore>;

const { toRow } = rowsOf<OutboxMail>();

function keeping(model: Model<OutboxRow>, quota: Model<QuotaRow>) {
  return {
    knows: async (mail: string): Promise<boolean> => (await model.exists({ _id: mail })) !== null,

    /** What became of a mail; undefined seven days after it was sent or given up. */
    async outcome(mail: string): Promise<{ state: 'waiting' | 'sent' | 'parked'; reason?: string } | undefined> {
      const row = await model.findById(mail, { sealed: 0 }).lean();
      if (!row) return undefined;
      const state = row.sentAt ? 'sent' : row.parkedAt ? 'parked' : 'waiting';
      return { state, ...(row.reason ? { reason: row.reason } : {}) };
    },

    /** Keeps a mail, due at once. False when its id is known. Durable when it resolves. */
    async insert(mail: OutboxMail): Promise<boolean> {
      const { contact, ...row } = toRow(mail);
      const stored = { ...row, ...(contact ? { contact } : {}), due: mail.created, attempts: 0 };
      try {
        await model.insertOne(stored, { writeConcern: DURABLE });
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    /**
     * Takes one of a key's slots of a day for a mail: each slot is a document of its own, so no two mails can have the
     * same. A mail that has a slot already (its writer crashed before `insert`, or runs twice) keeps it.
     */
    async takeSlot(key: string, day: string, perDay: number, mail: string, at: Date): Promise<boolean> {
      for (let n = 0; n < perDay; n++) {
        const slot = `${key}:${day}:${n}`;
        try {
          await quota.insertOne({ _id: slot, mail, at }, { writeConcern: DURABLE });
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
        }
        const current = await quota.findById(slot).lean();
        if (current?.mail === mail) return true;
      }
      return false;
    },
  };
}

function sending(model: Model<OutboxRow>) {
  return {
    /** The mail that has been due longest, under a lease until `until`. */
    async take(by: string, now: Date, until: Date): Promise<LeasedMail | undefined> {
      const change = { $set: { due: until, by }, $inc: { attempts: 1 } };
      const options = { sort: { due: 1 }, returnDocument: 'after' } as const;
      const row = await model.findOneAndUpdate({ due: { $lte: now } }, change, options).lean();
      return row ? leasedFrom(row) : undefined;
    },

    /** The mail was taken by the mail server: address and values go at once. False when the lease was lost. */
    async sent(mail: LeasedMail, at: Date): Promise<boolean> {
      const { modifiedCount } = await model.updateOne(
        { _id: mail.id, by: mail.by },
        { $set: { sentAt: at }, $unset: { contact: '', sealed: '', due: '', by: '', language: '', brand: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    async retry(mail: LeasedMail, due: Date, reason: string): Promise<void> {
      await model.updateOne({ _id: mail.id, by: mail.by }, { $set: { due, reason }, $unset: { by: '' } });
    },

    async park(mail: LeasedMail, at: Date, reason: string): Promise<void> {
      await model.updateOne(
        { _id: mail.id, by: mail.by },
        [
          { $set: { parkedAt: at, reason: { $literal: reason } } },
          { $set: { sealed: { $cond: [{ $eq: ['$forgotten', true] }, '$$REMOVE', '$sealed'] } } },
          { $unset: ['due', 'by'] },
        ],
        { updatePipeline: true, writeConcern: DURABLE },
      );
    },
  };
}

function operating(model: Model<OutboxRow>) {
  return {
    /**
     * Mails to erased contacts: one that was given up goes at once, one that still waits (the answer to the erasure may be
     * among them) when it is sent or given up.
     */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      const filter = { contact: { $in: contacts } };
      await model.updateMany(filter, { $set: { forgotten: true } }, { writeConcern: DURABLE });
      await model.updateMany(
        { ...filter, parkedAt: { $exists: true } },
        { $unset: { sealed: '' } },
        { writeConcern: DURABLE },
      );
    },

    /** Mails that were given up, newest first. */
    async parked(limit = 100): Promise<ParkedMail[]> {
      const rows = await model
        .find({ parkedAt: { $exists: true } }, { template: 1, reason: 1, attempts: 1, parkedAt: 1 })
        .sort({ parkedAt: -1 })
        .limit(limit)
        .lean();
      return rows.map(({ _id, template, reason = '', attempts, parkedAt = new Date(0) }) => ({
        id: _id,
        template,
        reason,
        attempts,
        at: parkedAt,
      }));
    },

    /** Makes parked mails due again, all or those of one reason; their three days begin anew. Returns how many. */
    async release(now: Date, reason?: string): Promise<number> {
      const { modifiedCount } = await model.updateMany(
        { parkedAt: { $exists: true }, sealed: { $exists: true }, ...(reason === undefined ? {} : { reason }) },
        { $set: { due: now, created: now, attempts: 0 }, $unset: { parkedAt: '', reason: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount;
    },

    /** Mails not yet sent, those being sent included, and the oldest one's age by its creation. */
    async waiting(): Promise<{ readonly count: number; readonly oldest?: Date }> {
      const unsent = { due: { $exists: true } };
      const [count, first] = await Promise.all([
        model.countDocuments(unsent),
        model.findOne(unsent, { created: 1 }).sort({ created: 1 }).lean(),
      ]);
      return { count, ...(first ? { oldest: first.created } : {}) };
    },
  };
}
