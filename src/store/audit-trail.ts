import { type Connection, type QueryFilter, Schema, Types } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema } from './schema.js';

export const TRAIL_KINDS = ['look', 'change', 'export', 'session', 'refusal'] as const;
export type TrailKind = (typeof TRAIL_KINDS)[number];

/** What somebody of the staff did. */
export interface TrailRow {
  readonly at: Date;
  readonly user: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly kind: TrailKind;
  /** A code such as `person` or `call_recorded`. */
  readonly what: string;
  readonly contact?: Buffer;
  /** A code; what was written beside it is sealed in `note`. */
  readonly reason?: string;
  readonly note?: Buffer;
  /** Receipts, routes, counts: nothing personal. */
  readonly about?: string;
}

export interface TrailFilter {
  readonly user?: string | undefined;
  readonly kind?: TrailKind | undefined;
  readonly contact?: Buffer | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  /** Part of a name, a code or what it is about. */
  readonly search?: string | undefined;
}

interface StoredTrailRow extends TrailRow {
  readonly _id: Types.ObjectId;
}

const trailSchema = collectionSchema<StoredTrailRow>('audit_trail', {
  _id: { type: Schema.Types.ObjectId, required: true },
  at: { type: Date, required: true },
  user: { type: String, required: true },
  name: { type: String, required: true },
  roles: { type: [String], required: true },
  kind: { type: String, required: true, enum: TRAIL_KINDS },
  what: { type: String, required: true },
  contact: Buffer,
  reason: String,
  note: Buffer,
  about: String,
});
trailSchema.index({ at: 1 });
trailSchema.index({ user: 1, at: -1 });
trailSchema.index({ kind: 1, at: -1 });
trailSchema.index({ contact: 1, at: -1 }, { sparse: true });

function conditions(filter: TrailFilter): QueryFilter<StoredTrailRow> {
  const { user, kind, contact, from, to, search } = filter;
  const text = search?.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return {
    ...(user ? { user } : {}),
    ...(kind ? { kind } : {}),
    ...(contact ? { contact } : {}),
    ...(from || to ? { at: { ...(from ? { $gte: from } : {}), ...(to ? { $lt: to } : {}) } } : {}),
    ...(text
      ? { $or: ['name', 'what', 'about', 'user'].map((field) => ({ [field]: { $regex: text, $options: 'i' } })) }
      : {}),
  };
}

/** What staff did. Nothing here changes who did what; time removes it (`auditTrailMonths` of `policy.yaml`), an erasure what was written beside it. */
export function createTrailStore(connection: Connection) {
  const model = connection.model('TrailRow', trailSchema);
  return {
    models: [model] as const,

    /** Durable when it resolves: a page is shown only after the look at it is written down. */
    async add(row: TrailRow): Promise<void> {
      const document = { _id: new Types.ObjectId(), ...row, roles: [...row.roles] };
      await model.insertOne(document, { writeConcern: DURABLE });
    },

    async list(filter: TrailFilter, skip: number, limit: number, oldestFirst = false): Promise<TrailRow[]> {
      const order = oldestFirst ? 1 : -1;
      return model.find(conditions(filter), { _id: 0 }).sort({ at: order, _id: order }).skip(skip).limit(limit).lean();
    },

    /** Removes what is older; returns how many. In batches, so that nothing else waits. */
    async prune(before: Date): Promise<number> {
      let removed = 0;
      for (;;) {
        const rows = await model
          .find({ at: { $lt: before } }, { _id: 1 })
          .sort({ at: 1 })
          .limit(1000)
          .lean();
        if (rows.length === 0) return removed;
        const { deletedCount } = await model.deleteMany({ _id: { $in: rows.map(({ _id }) => _id) } });
        removed += deletedCount;
      }
    },

    /** Of erased contacts remain codes and times: what staff wrote in free words goes. */
    async forgetNotes(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await model.updateMany({ contact: { $in: contacts } }, { $unset: { note: '' } });
    },

    /** At most 100,000: beyond that nobody reads on. */
    count: async (filter: TrailFilter): Promise<number> => model.countDocuments(conditions(filter), { limit: 100_000 }),

    /** Everybody who is in the trail, by id. */
    async users(): Promise<{ id: string; name: string }[]> {
      const users = await model.aggregate<{ id: string; name: string }>([
        { $sort: { user: 1, at: -1 } },
        { $group: { _id: '$user', name: { $first: '$name' } } },
        { $limit: 500 },
        { $project: { _id: 0, id: '$_id', name: 1 } },
      ]);
      return users.sort((a, b) => a.name.localeCompare(b.name));
    },
  };
}

export type TrailStore = ReturnType<typeof createTrailStore>;
