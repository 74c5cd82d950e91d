import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

const draftSchema = new Schema(
  { _id: String, user: String, sealed: Buffer, until: Date },
  { collection: 'staff_drafts', versionKey: false },
);
draftSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
draftSchema.index({ user: 1 });

/** What staff typed into a form that was not taken: sealed, of one user, gone within the hour. */
export function createStaffDrafts(connection: Connection) {
  const model = connection.model('StaffDraft', draftSchema);
  return {
    models: [model] as const,

    async keep(draft: { id: string; user: string; sealed: Buffer; until: Date }): Promise<void> {
      const { id, user, sealed, until } = draft;
      await model.collection.insertOne(
        { _id: id as never, user, sealed: binary(sealed), until },
        { writeConcern: DURABLE },
      );
    },

    async get(user: string, id: string, now: Date): Promise<Buffer | undefined> {
      const row = await model.collection.findOne(
        { _id: id as never, user, until: { $gt: now } },
        { promoteBuffers: true },
      );
      return row ? bytesOf(row.sealed) : undefined;
    },

    count: (user: string): Promise<number> => model.collection.countDocuments({ user }),
  };
}

export type StaffDrafts = ReturnType<typeof createStaffDrafts>;
