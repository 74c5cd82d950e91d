import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

const lookupSchema = new Schema({ hash: Buffer, contact: Buffer }, { collection: 'staff_lookup', versionKey: false });
lookupSchema.index({ hash: 1, contact: 1 }, { unique: true });
lookupSchema.index({ contact: 1 });

/** Postal contacts by the keyed hash of name and postal code: what a caller can say who has no number at hand. */
export function createStaffLookup(connection: Connection) {
  const model = connection.model('StaffLookup', lookupSchema);
  const lookup = model.collection;
  return {
    models: [model] as const,

    async remember(pairs: readonly { readonly hash: Buffer; readonly contact: Buffer }[]): Promise<void> {
      if (pairs.length === 0) return;
      await lookup.bulkWrite(
        pairs.map(({ hash, contact }) => {
          const row = { hash: binary(hash), contact: binary(contact) };
          return { updateOne: { filter: row, update: { $setOnInsert: row }, upsert: true } };
        }),
        { ordered: false, writeConcern: DURABLE },
      );
    },

    /** An erased contact is no longer found by name. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length > 0) await lookup.deleteMany({ contact: { $in: contacts.map(binary) } });
    },

    async find(hash: Buffer, limit = 20): Promise<Buffer[]> {
      const rows = await lookup.find({ hash: binary(hash) }, { limit, promoteBuffers: true }).toArray();
      return rows.map((row) => bytesOf(row.contact));
    },
  };
}

export type StaffLookup = ReturnType<typeof createStaffLookup>;
