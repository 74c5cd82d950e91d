import type { Connection, QueryFilter } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema, partSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

const CONFIRMATIONS = ['none', 'queued', 'failed'] as const;

/**
 * A call that somebody took, in codes only: who called by name and what they said is evidence of its events, under the
 * contact's own key, so that an erasure reaches it.
 */
export interface StaffCall {
  readonly id: string;
  readonly at: Date;
  readonly user: string;
  readonly userName: string;
  readonly contact: Buffer;
  readonly contactType: string;
  /** Code of what the caller wanted, and the brand it is for (`*` for all). */
  readonly wish: string;
  readonly brand: string;
  /** Ids of the events it became, the first is read out. */
  readonly events: readonly string[];
  /** True when it reached all contacts of a person. */
  readonly wholePerson: boolean;
  readonly confirmation: (typeof CONFIRMATIONS)[number];
  readonly caller: string;
  readonly verification: string;
  readonly undone?: {
    readonly at: Date;
    readonly user: string;
    readonly userName: string;
    readonly events: readonly string[];
  };
}

/** Which calls a list shows; all that are given must fit. */
export interface CallFilter {
  readonly from?: Date | undefined;
  /** Before this. */
  readonly to?: Date | undefined;
  readonly user?: string | undefined;
  readonly wish?: string | undefined;
  readonly contact?: Buffer | undefined;
  readonly undone?: boolean | undefined;
}

/** Days for which calls are listed. The events they became stay in the ledger. */
const CALL_DAYS = 400;

type CallRow = Stored<StaffCall>;

const callSchema = collectionSchema<CallRow>('staff_calls', {
  _id: { type: String, required: true },
  at: { type: Date, required: true },
  user: { type: String, required: true },
  userName: { type: String, required: true },
  contact: { type: Buffer, required: true },
  contactType: { type: String, required: true },
  wish: { type: String, required: true },
  brand: { type: String, required: true },
  events: { type: [String], required: true },
  wholePerson: { type: Boolean, required: true },
  confirmation: { type: String, required: true, enum: CONFIRMATIONS },
  caller: { type: String, required: true },
  verification: { type: String, required: true },
  undone: partSchema<NonNullable<StaffCall['undone']>>({
    at: { type: Date, required: true },
    user: { type: String, required: true },
    userName: { type: String, required: true },
    events: { type: [String], required: true },
  }),
});
callSchema.index({ at: -1 }, { expireAfterSeconds: CALL_DAYS * 86_400 });
callSchema.index({ contact: 1, at: -1 });
callSchema.index({ user: 1, at: -1 });

function conditions({ from, to, user, wish, contact, undone }: CallFilter): QueryFilter<CallRow> {
  return {
    ...(from || to ? { at: { ...(from ? { $gte: from } : {}), ...(to ? { $lt: to } : {}) } } : {}),
    ...(user === undefined ? {} : { user }),
    ...(wish === undefined ? {} : { wish }),
    ...(contact ? { contact } : {}),
    ...(undone === undefined ? {} : { undone: { $exists: undone } }),
  };
}

/** Every query to the calls. */
export function createStaffCalls(connection: Connection) {
  const model = connection.model('StaffCall', callSchema);
  const { toRow, fromRow } = rowsOf<StaffCall>();
  return {
    models: [model] as const,

    /** Keeps a call; the same id again changes nothing. */
    async keep(call: StaffCall): Promise<void> {
      const { _id, undone: _undone, ...row } = toRow(call);
      await model.updateOne({ _id }, { $setOnInsert: row }, { upsert: true, writeConcern: DURABLE });
    },

    async get(id: string): Promise<StaffCall | undefined> {
      const row = await model.findById(id).lean();
      return row ? fromRow(row) : undefined;
    },

    async list(filter: CallFilter, skip: number, limit: number, oldestFirst = false): Promise<StaffCall[]> {
      const order = oldestFirst ? 1 : -1;
      const rows = await model.find(conditions(filter)).sort({ at: order, _id: order }).skip(skip).limit(limit).lean();
      return rows.map(fromRow);
    },

    /** At most 100,000: beyond that nobody reads on. */
    count: async (filter: CallFilter): Promise<number> => model.countDocuments(conditions(filter), { limit: 100_000 }),

    /** Everybody who took calls, by id. */
    users: (): Promise<{ id: string; name: string }[]> =>
      model.aggregate<{ id: string; name: string }>([
        { $sort: { user: 1, at: -1 } },
        { $group: { _id: '$user', name: { $first: '$userName' } } },
        { $sort: { name: 1 } },
        { $limit: 500 },
        { $project: { _id: 0, id: '$_id', name: 1 } },
      ]),

    /** Writes down that it was undone. False when somebody else was faster. */
    async markUndone(id: string, undone: NonNullable<StaffCall['undone']>): Promise<boolean> {
      const filter = { _id: id, undone: { $exists: false } };
      const result = await model.updateOne(filter, { $set: { undone } }, { writeConcern: DURABLE });
      return result.modifiedCount === 1;
    },
  };
}

export type StaffCalls = ReturnType<typeof createStaffCalls>;
