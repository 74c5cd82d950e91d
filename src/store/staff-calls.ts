import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

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
  readonly confirmation: 'none' | 'queued' | 'failed';
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

const callSchema = new Schema(
  {
    _id: String,
    at: Date,
    user: String,
    userName: String,
    contact: Buffer,
    contactType: String,
    wish: String,
    brand: String,
    events: [String],
    wholePerson: Boolean,
    confirmation: String,
    caller: String,
    verification: String,
    undone: Schema.Types.Mixed,
  },
  { collection: 'staff_calls', versionKey: false },
);
callSchema.index({ at: -1 }, { expireAfterSeconds: CALL_DAYS * 86_400 });
callSchema.index({ contact: 1, at: -1 });
callSchema.index({ user: 1, at: -1 });

type Row = Record<string, unknown> & { undone?: StaffCall['undone'] };

function callFrom(row: Row): StaffCall {
  return {
    id: String(row._id),
    at: row.at instanceof Date ? row.at : new Date(0),
    user: String(row.user),
    userName: String(row.userName),
    contact: bytesOf(row.contact),
    contactType: String(row.contactType),
    wish: String(row.wish),
    brand: String(row.brand),
    events: (row.events ?? []) as string[],
    wholePerson: row.wholePerson === true,
    confirmation: row.confirmation as StaffCall['confirmation'],
    caller: String(row.caller),
    verification: String(row.verification),
    ...(row.undone ? { undone: row.undone } : {}),
  };
}

function conditions({ from, to, user, wish, contact, undone }: CallFilter): Record<string, unknown> {
  return {
    ...(from || to ? { at: { ...(from ? { $gte: from } : {}), ...(to ? { $lt: to } : {}) } } : {}),
    ...(user === undefined ? {} : { user }),
    ...(wish === undefined ? {} : { wish }),
    ...(contact ? { contact: binary(contact) } : {}),
    ...(undone === undefined ? {} : { undone: { $exists: undone } }),
  };
}

/** Every query to the calls. */
export function createStaffCalls(connection: Connection) {
  const model = connection.model('StaffCall', callSchema);
  const calls = model.collection;
  const byId = (id: string) => ({ _id: id }) as never;
  return {
    models: [model] as const,

    /** Keeps a call; the same id again changes nothing. */
    async keep(call: StaffCall): Promise<void> {
      const { id, contact, undone: _undone, ...rest } = call;
      await calls.updateOne(
        byId(id),
        { $setOnInsert: { ...rest, events: [...rest.events], contact: binary(contact) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    async get(id: string): Promise<StaffCall | undefined> {
      const row = await calls.findOne(byId(id), { promoteBuffers: true });
      return row ? callFrom(row as Row) : undefined;
    },

    async list(filter: CallFilter, skip: number, limit: number, oldestFirst = false): Promise<StaffCall[]> {
      const order = oldestFirst ? 1 : -1;
      const rows = await calls
        .find(conditions(filter), { sort: { at: order, _id: order }, skip, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => callFrom(row as Row));
    },

    /** At most 100,000: beyond that nobody reads on. */
    count: (filter: CallFilter): Promise<number> => calls.countDocuments(conditions(filter), { limit: 100_000 }),

    /** Everybody who took calls, by id. */
    async users(): Promise<{ id: string; name: string }[]> {
      const rows = await calls
        .aggregate([
          { $sort: { user: 1, at: -1 } },
          { $group: { _id: '$user', name: { $first: '$userName' } } },
          { $sort: { name: 1 } },
          { $limit: 500 },
        ])
        .toArray();
      return rows.map(({ _id, name }) => ({ id: String(_id), name: String(name) }));
    },

    /** Writes down that it was undone. False when somebody else was faster. */
    async markUndone(id: string, undone: NonNullable<StaffCall['undone']>): Promise<boolean> {
      const result = await calls.updateOne(
        { _id: id, undone: { $exists: false } } as never,
        { $set: { undone: { ...undone, events: [...undone.events] } } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },
  };
}

export type StaffCalls = ReturnType<typeof createStaffCalls>;
