import mongoose, { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';

/** Days a mail is kept; for development only, where mail is read on a page instead of being sent. */
const DAYS = 7;
/** Mails kept; older ones go. */
const MAX_MAILS = 1000;

const mailboxSchema = new Schema(
  { at: Date, to: String, from: String, subject: String, raw: Buffer },
  { collection: 'mailbox', versionKey: false },
);
mailboxSchema.index({ at: 1 }, { expireAfterSeconds: DAYS * 86_400 });

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

interface Row {
  _id: unknown;
  [field: string]: unknown;
}

function lineFrom(row: Row): MailboxLine {
  return {
    id: String(row._id),
    at: row.at instanceof Date ? row.at : new Date(0),
    to: String(row.to),
    from: String(row.from),
    subject: String(row.subject),
  };
}

/** Mail that was not sent because no mail server is set. */
export function createMailboxStore(connection: Connection, options: { readonly most?: number } = {}) {
  const model = connection.model('Mailbox', mailboxSchema);
  const mailbox = model.collection;
  const most = options.most ?? MAX_MAILS;
  return {
    models: [model] as const,

    async keep(message: Omit<MailboxMessage, 'id'>): Promise<void> {
      await mailbox.insertOne({ ...message, raw: binary(message.raw) });
      const [oldest] = await mailbox
        .find({}, { sort: { _id: -1 }, skip: most, limit: 1, projection: { _id: 1 } })
        .toArray();
      if (oldest) await mailbox.deleteMany({ _id: { $lte: oldest._id } });
    },

    /** Newest first. */
    async list(limit = 100): Promise<MailboxLine[]> {
      const rows = await mailbox.find({}, { sort: { _id: -1 }, limit, projection: { raw: 0 } }).toArray();
      return rows.map(lineFrom);
    },

    /** Takes out the mails to addresses that `isErased`. */
    async forget(isErased: (to: string) => boolean): Promise<void> {
      const erased = (await this.list(most)).filter(({ to }) => isErased(to));
      if (erased.length === 0) return;
      await mailbox.deleteMany({ _id: { $in: erased.map(({ id }) => new mongoose.Types.ObjectId(id)) } });
    },

    async get(id: string): Promise<MailboxMessage | undefined> {
      if (!/^[0-9a-f]{24}$/.test(id)) return undefined;
      const row = await mailbox.findOne({ _id: new mongoose.Types.ObjectId(id) });
      return row ? { ...lineFrom(row), raw: bytesOf(row.raw) } : undefined;
    },
  };
}

export type MailboxStore = ReturnType<typeof createMailboxStore>;
