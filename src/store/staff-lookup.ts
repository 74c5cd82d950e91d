import { type Connection, Schema, type Types } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';

interface LookupRow {
  readonly _id: Types.ObjectId;
  readonly hash: Buffer;
  readonly contact: Buffer;
}

const lookupSchema = collectionSchema<LookupRow>('staff_lookup', {
  _id: { type: Schema.Types.ObjectId, required: true },
  hash: { type: Buffer, required: true },
  contact: { type: Buffer, required: true },
});
lookupSchema.index({ hash: 1, contact: 1 }, { unique: true });
lookupSchema.index({ contact: 1 });

/** Postal contacts by the keyed hash of name and postal code: what a caller can say who has no number at hand. */
export function createStaffLookup(connection: Connection) {
  const model = connection.model('StaffLookup', lookupSchema);
  return {
    models: [model] as const,

    async remember(pairs: readonly { readonly hash: Buffer; readonly contact: Buffer }[]): Promise<void> {
      if (pairs.length === 0) return;
      await model.bulkWrite(
        pairs.map(({ hash, contact }) => ({
          updateOne: { filter: { hash, contact }, update: { $setOnInsert: { hash, contact } }, upsert: true },
        })),
        { ordered: false, throwOnValidationError: true, writeConcern: DURABLE },
      );
    },

    /** An erased contact is no longer found by name. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length > 0) await model.deleteMany({ contact: { $in: contacts } });
    },

    async find(hash: Buffer, limit = 20): Promise<Buffer[]> {
      const rows = await model.find({ hash }, { contact: 1 }).limit(limit).lean();
      return rows.map(({ contact }) => contact);
    },
  };
}

export type StaffLookup = ReturnType<typeof createStaffLookup>;
