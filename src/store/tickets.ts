import { type Connection, Schema } from 'mongoose';
import { DURABLE, isDuplicate } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

const usedSchema = collectionSchema<{ readonly _id: string; readonly until: Date }>('used_links', {
  _id: { type: String, required: true },
  until: { type: Date, required: true },
});
usedSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

/** A sign-up that waits for its confirmation. */
export interface Confirmation {
  readonly id: string;
  readonly contact: Buffer;
  /** Private part (evidence), under the ingest key. */
  readonly sealed?: Buffer;
  readonly details: Readonly<Record<string, unknown>>;
}

const confirmationSchema = collectionSchema<Stored<Confirmation> & { readonly until: Date }>('confirmations', {
  _id: { type: String, required: true },
  contact: { type: Buffer, required: true },
  sealed: Buffer,
  details: { type: Schema.Types.Mixed, required: true },
  until: { type: Date, required: true },
});
confirmationSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
confirmationSchema.index({ contact: 1 });

/** Links that may be used once, and sign-ups that wait. */
export function createTickets(connection: Connection) {
  const used = connection.model('UsedLink', usedSchema);
  const confirmations = connection.model('Confirmation', confirmationSchema);
  const { toRow, fromRow } = rowsOf<Confirmation>();
  return {
    models: [used, confirmations] as const,

    /** True for the first who uses it. */
    async useOnce(id: string, until: number): Promise<boolean> {
      try {
        await used.insertOne({ _id: id, until: new Date(until) }, { writeConcern: DURABLE });
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    async isUsed(id: string): Promise<boolean> {
      return (await used.exists({ _id: id })) !== null;
    },

    async keepConfirmation(confirmation: Confirmation, until: number): Promise<void> {
      const { _id, ...row } = toRow(confirmation);
      await confirmations.updateOne(
        { _id },
        { $setOnInsert: { ...row, until: new Date(until) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Sign-ups of erased contacts that wait: evidence and link go at once. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await confirmations.deleteMany({ contact: { $in: contacts } }, { writeConcern: DURABLE });
    },

    async confirmation(id: string): Promise<Confirmation | undefined> {
      const row = await confirmations.findById(id, { until: 0, confirmed: 0 }).lean();
      return row ? fromRow(row) : undefined;
    },
  };
}

export type Tickets = ReturnType<typeof createTickets>;
