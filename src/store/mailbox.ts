import { type Connection, Schema, Types } from 'mongoose';
import { collectionSchema } from './schema.js';

/** Days a mail is kept; for development only, where mail is read on a page instead of being sent. */
const DAYS = 7;
/** Mails kept; older ones go. */
const MAX_MAILS = 1000;

export interface MailboxLine {
  readonly id: string;
  readonly at: Date;
  readonly to: string;
  readonly from: string;
  readonly subject: string;
}

export interface MailboxMessage extends MailboxLine {
  /** The whole message, RFC 5322. */
  readonly raw: Buffer;
}

interface MailboxRow extends Omit<MailboxMessage, 'id'> {
  readonly _id: Types.ObjectId;
}

const mailboxSchema = collectionSchema<MailboxRow>('mailbox', {
  _id: { type: Schema.Types.ObjectId, required: true },
  at: { type: Date, required: true },
  to: { type: String, required: true },
  from: { type: String, required: true },
  subject: { type: String, required: true },
  raw: { type: Buffer, required: true },
});
mailboxSchema.index({ at: 1 }, { expireAfterSeconds: DAYS * 86_400 });

/** Mail that was not sent because no mail server is set. */
export function createMailboxStore(connection: Connection, options: { readonly most?: number } = {}) {
  const model = connection.model('Mailbox', mailboxSchema);
  const most = options.most ?? MAX_MAILS;
  return {
    models: [model] as const,

    async keep(message: Omit<MailboxMessage, 'id'>): Promise<void> {
      await model.insertOne({ _id: new Types.ObjectId(), ...message });
      const oldest = await model.findOne({}, { _id: 1 }).sort({ _id: -1 }).skip(most).lean();
      if (oldest) await model.deleteMany({ _id: { $lte: oldest._id } });
    },

    /** Newest first. */
    async list(limit = 100): Promise<MailboxLine[]> {
      const rows = await model.find({}, { raw: 0 }).sort({ _id: -1 }).limit(limit).lean();
      return rows.map(({ _id, ...line }) => ({ id: _id.toHexString(), ...line }));
    },

    /** Takes out the mails to addresses that `isErased`. */
    async forget(isErased: (to: string) => boolean): Promise<void> {
      const erased = (await this.list(most)).filter(({ to }) => isErased(to));
      if (erased.length === 0) return;
      await model.deleteMany({ _id: { $in: erased.map(({ id }) => id) } });
    },

    async get(id: string): Promise<MailboxMessage | undefined> {
      if (!/^[0-9a-f]{24}$/.test(id)) return undefined;
      const row = await model.findById(id, { _id: 0 }).lean();
      return row ? { ...row, id } : undefined;
    },
  };
}

export type MailboxStore = ReturnType<typeof createMailboxStore>;
