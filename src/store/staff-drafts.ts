import type { Connection } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** What somebody of the staff typed into a form, sealed. */
interface StaffDraft {
  readonly id: string;
  readonly user: string;
  readonly sealed: Buffer;
  readonly until: Date;
}

const draftSchema = collectionSchema<Stored<StaffDraft>>('staff_drafts', {
  _id: { type: String, required: true },
  user: { type: String, required: true },
  sealed: { type: Buffer, required: true },
  until: { type: Date, required: true },
});
draftSchema.index({ until: 1 }, { expireAfterSeconds: 0 });
draftSchema.index({ user: 1 });

/** What staff typed into a form that was not accepted: sealed, of one user, gone within the hour. */
export function createStaffDrafts(connection: Connection) {
  const model = connection.model('StaffDraft', draftSchema);
  const { toRow } = rowsOf<StaffDraft>();
  return {
    models: [model] as const,

    async keep(draft: StaffDraft): Promise<void> {
      await model.insertOne(toRow(draft), { writeConcern: DURABLE });
    },

    async get(user: string, id: string, now: Date): Promise<Buffer | undefined> {
      return (await model.findOne({ _id: id, user, until: { $gt: now } }).lean())?.sealed;
    },

    count: async (user: string): Promise<number> => model.countDocuments({ user }),
  };
}

export type StaffDrafts = ReturnType<typeof createStaffDrafts>;
