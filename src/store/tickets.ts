import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE, isDuplicate } from './connect.js';

const usedSchema = new Schema({ _id: String, until: Date }, { collection: 'used_links', versionKey: false });
usedSchema.index({ until: 1 }, { expireAfterSeconds: 0 });

const confirmationSchema = new Schema(
  { _id: String, contact: Buffer, sealed: Buffer, details: Schema.Types.Mixed, until: Date, confirmed: String },
  { collection: 'confirmations', versionKey: false },
);
confirmationSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
confirmationSchema.index({ contact: 1 });

/** A sign-up that waits for its confirmation. */
export interface Confirmation {
  readonly id: string;
  readonly contact: Buffer;
  /** Private part (evidence), under the ingest key. */
  readonly sealed?: Buffer;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Links that may be used once, and sign-ups that wait. */
export function createTickets(connection: Connection) {
  const used = connection.model('UsedLink', usedSchema);
  const confirmations = connection.model('Confirmation', confirmationSchema);
  return {
    models: [used, confirmations] as const,

    /** True for the first who uses it. */
    async useOnce(id: string, until: number): Promise<boolean> {
      try {
        await used.collection.insertOne({ _id: id as never, until: new Date(until) }, { writeConcern: DURABLE });
        return true;
      } catch (error) {
        if (isDuplicate(error)) return false;
        throw error;
      }
    },

    async isUsed(id: string): Promise<boolean> {
      return (await used.collection.findOne({ _id: id as never })) !== null;
    },

    async keepConfirmation(confirmation: Confirmation, until: number): Promise<void> {
      const { id, contact, sealed, details } = confirmation;
      await confirmations.collection.updateOne(
        { _id: id as never },
        {
          $setOnInsert: {
            contact: binary(contact),
            details,
            until: new Date(until),
            ...(sealed ? { sealed: binary(sealed) } : {}),
          },
        },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    /** Sign-ups of erased contacts that wait: evidence and link go at once. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await confirmations.collection.deleteMany({ contact: { $in: contacts.map(binary) } }, { writeConcern: DURABLE });
    },

    async confirmation(id: string): Promise<Confirmation | undefined> {
      const row = await confirmations.collection.findOne({ _id: id as never }, { promoteBuffers: true });
      if (!row) return undefined;
      return {
        id,
        contact: bytesOf(row.contact),
        details: row.details as Record<string, unknown>,
        ...(row.sealed ? { sealed: bytesOf(row.sealed) } : {}),
      };
    },
  };
}

export type Tickets = ReturnType<typeof createTickets>;
