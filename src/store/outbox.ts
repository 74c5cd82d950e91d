import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

/**
 * A mail waits with `due`, is being sent with `due` as the end of a lease, is parked with `parkedAt`, and leaves an empty
 * document with `sentAt` behind, so that its id stays known.
 */
const outboxSchema = new Schema(
  {
    _id: String,
    template: String,
    language: String,
    brand: String,
    contact: Buffer,
    forgotten: Boolean,
    sealed: Buffer,
    created: Date,
    due: Date,
    by: String,
    attempts: Number,
    reason: String,
    parkedAt: Date,
    sentAt: Date,
  },
  { collection: 'outbox', versionKey: false },
);
outboxSchema.index({ due: 1 }, { sparse: true });
outboxSchema.index({ contact: 1 }, { sparse: true });
// Seven days: longer than any retry of whoever wrote the mail, and a week to put a mail server right.
outboxSchema.index({ sentAt: 1 }, { expireAfterSeconds: 7 * 86_400 });
outboxSchema.index({ parkedAt: 1 }, { expireAfterSeconds: 7 * 86_400 });

const quotaSchema = new Schema(
  { _id: String, mail: String, at: Date },
  { collection: 'mail_quota', versionKey: false },
);
// A slot counts for its own day; two days are that day everywhere.
quotaSchema.index({ at: 1 }, { expireAfterSeconds: 2 * 86_400 });

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

interface Row {
  _id: unknown;
  [field: string]: unknown;
}

function dateOf(value: unknown): Date {
  if (value instanceof Date) return value;
  throw new TypeError('expected a date');
}

function leasedFrom(row: Row): LeasedMail {
  return {
    id: String(row._id),
    template: String(row.template),
    language: String(row.language),
    brand: String(row.brand),
    sealed: bytesOf(row.sealed),
    created: dateOf(row.created),
    by: String(row.by),
    attempts: Number(row.attempts),
  };
}

/** Every query to the outbox and its quotas. */
export function createOutboxStore(connection: Connection) {
  const model = connection.model('Outbox', outboxSchema);
  const quotaModel = connection.model('MailQuota', quotaSchema);
  const outbox = model.collection;
  const quota = quotaModel.collection;
  // Ids are texts here; the driver's types know ObjectIds only.
  const id = (text: string): object => ({ _id: text });

  return {
    models: [model, quotaModel] as const,

    async knows(mail: string): Promise<boolean> {
      return (await outbox.findOne(id(mail), { projection: { _id: 1 } })) !== null;
    },

    /** What became of a mail; undefined seven days after it was sent or given up. */
    async outcome(mail: string): Promise<{ state: 'waiting' | 'sent' | 'parked'; reason?: string } | undefined> {
      const row = await outbox.findOne(id(mail), { projection: { sealed: 0 } });
      if (!row) return undefined;
      const state = row.sentAt ? 'sent' : row.parkedAt ? 'parked' : 'waiting';
      return { state, ...(row.reason ? { reason: String(row.reason) } : {}) };
    },

    /** Keeps a mail, due at once. False when its id is known. Durable when it resolves. */
    async insert(mail: OutboxMail): Promise<boolean> {
      const { id: _id, contact, sealed, ...rest } = mail;
      try {
        await outbox.insertOne(
          {
            ...rest,
            ...id(_id),
            ...(contact ? { contact: binary(contact) } : {}),
            sealed: binary(sealed),
            due: mail.created,
            attempts: 0,
          },
          { writeConcern: DURABLE },
        );
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
          await quota.insertOne({ ...id(slot), mail, at }, { writeConcern: DURABLE });
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
        }
        const taken = await quota.findOne(id(slot));
        if (taken?.mail === mail) return true;
      }
      return false;
    },

    /** The mail that has been due longest, under a lease until `until`. */
    async take(by: string, now: Date, until: Date): Promise<LeasedMail | undefined> {
      const row = await outbox.findOneAndUpdate(
        { due: { $lte: now } },
        { $set: { due: until, by }, $inc: { attempts: 1 } },
        { sort: { due: 1 }, returnDocument: 'after' },
      );
      return row ? leasedFrom(row) : undefined;
    },

    /** The mail was taken by the mail server: address and values go at once. False when the lease was lost. */
    async sent(mail: LeasedMail, at: Date): Promise<boolean> {
      const { modifiedCount } = await outbox.updateOne(
        { ...id(mail.id), by: mail.by },
        { $set: { sentAt: at }, $unset: { contact: '', sealed: '', due: '', by: '', language: '', brand: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount === 1;
    },

    async retry(mail: LeasedMail, due: Date, reason: string): Promise<void> {
      await outbox.updateOne({ ...id(mail.id), by: mail.by }, { $set: { due, reason }, $unset: { by: '' } });
    },

    async park(mail: LeasedMail, at: Date, reason: string): Promise<void> {
      await outbox.updateOne(
        { ...id(mail.id), by: mail.by },
        [
          { $set: { parkedAt: at, reason: { $literal: reason } } },
          { $set: { sealed: { $cond: [{ $eq: ['$forgotten', true] }, '$$REMOVE', '$sealed'] } } },
          { $unset: ['due', 'by'] },
        ],
        { writeConcern: DURABLE },
      );
    },

    /**
     * Mails to erased contacts: one that was given up goes at once, one that still waits (the answer to the erasure may be
     * among them) when it is sent or given up.
     */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      const filter = { contact: { $in: contacts.map(binary) } };
      await outbox.updateMany(filter, { $set: { forgotten: true } }, { writeConcern: DURABLE });
      await outbox.updateMany(
        { ...filter, parkedAt: { $exists: true } },
        { $unset: { sealed: '' } },
        { writeConcern: DURABLE },
      );
    },

    /** Mails that were given up, newest first. */
    async parked(limit = 100): Promise<ParkedMail[]> {
      const rows = await outbox
        .find({ parkedAt: { $exists: true } }, { sort: { parkedAt: -1 }, limit, projection: { sealed: 0 } })
        .toArray();
      return rows.map((row) => ({
        id: String(row._id),
        template: String(row.template),
        reason: String(row.reason),
        attempts: Number(row.attempts),
        at: dateOf(row.parkedAt),
      }));
    },

    /** Makes parked mails due again, all or those of one reason; their three days begin anew. Returns how many. */
    async release(now: Date, reason?: string): Promise<number> {
      const { modifiedCount } = await outbox.updateMany(
        { parkedAt: { $exists: true }, sealed: { $exists: true }, ...(reason === undefined ? {} : { reason }) },
        { $set: { due: now, created: now, attempts: 0 }, $unset: { parkedAt: '', reason: '' } },
        { writeConcern: DURABLE },
      );
      return modifiedCount;
    },

    /** Mails not yet sent, those being sent included, and the oldest one's age by its creation. */
    async waiting(): Promise<{ readonly count: number; readonly oldest?: Date }> {
      const count = await outbox.countDocuments({ due: { $exists: true } });
      const [first] = await outbox
        .find({ due: { $exists: true } }, { sort: { created: 1 }, limit: 1, projection: { created: 1 } })
        .toArray();
      return { count, ...(first ? { oldest: dateOf(first.created) } : {}) };
    },
  };
}

export type OutboxStore = ReturnType<typeof createOutboxStore>;
