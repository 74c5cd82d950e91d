import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

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

const trailSchema = new Schema(
  {
    at: Date,
    user: String,
    name: String,
    roles: [String],
    kind: String,
    what: String,
    contact: Buffer,
    reason: String,
    note: Buffer,
    about: String,
  },
  { collection: 'audit_trail', versionKey: false },
);
trailSchema.index({ at: 1 });
trailSchema.index({ user: 1, at: -1 });
trailSchema.index({ kind: 1, at: -1 });
trailSchema.index({ contact: 1, at: -1 }, { sparse: true });

type Stored = Record<string, unknown>;

function rowFrom(row: Stored): TrailRow {
  return {
    at: row.at instanceof Date ? row.at : new Date(0),
    user: String(row.user),
    name: String(row.name),
    roles: (row.roles ?? []) as string[],
    kind: row.kind as TrailKind,
    what: String(row.what),
    ...(row.contact ? { contact: bytesOf(row.contact) } : {}),
    ...(row.reason ? { reason: String(row.reason) } : {}),
    ...(row.note ? { note: bytesOf(row.note) } : {}),
    ...(row.about ? { about: String(row.about) } : {}),
  };
}

function conditions(filter: TrailFilter): Record<string, unknown> {
  const { user, kind, contact, from, to, search } = filter;
  const text = search?.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return {
    ...(user ? { user } : {}),
    ...(kind ? { kind } : {}),
    ...(contact ? { contact: binary(contact) } : {}),
    ...(from || to ? { at: { ...(from ? { $gte: from } : {}), ...(to ? { $lt: to } : {}) } } : {}),
    ...(text
      ? { $or: ['name', 'what', 'about', 'user'].map((field) => ({ [field]: { $regex: text, $options: 'i' } })) }
      : {}),
  };
}

/** What staff did. Nothing here changes who did what; time removes it (`auditTrailMonths` of `policy.yaml`), an erasure what was written beside it. */
export function createTrailStore(connection: Connection) {
  const model = connection.model('TrailRow', trailSchema);
  const trail = model.collection;
  return {
    models: [model] as const,

    /** Durable when it resolves: a page is shown only after the look at it is written down. */
    async add(row: TrailRow): Promise<void> {
      const { contact, note, ...rest } = row;
      await trail.insertOne(
        {
          ...rest,
          roles: [...rest.roles],
          ...(contact ? { contact: binary(contact) } : {}),
          ...(note ? { note: binary(note) } : {}),
        },
        { writeConcern: DURABLE },
      );
    },

    async list(filter: TrailFilter, skip: number, limit: number, oldestFirst = false): Promise<TrailRow[]> {
      const order = oldestFirst ? 1 : -1;
      const rows = await trail
        .find(conditions(filter), { sort: { at: order, _id: order }, skip, limit, promoteBuffers: true })
        .toArray();
      return rows.map(rowFrom);
    },

    /** Removes what is older; returns how many. In batches, so that nothing else waits. */
    async prune(before: Date): Promise<number> {
      let removed = 0;
      for (;;) {
        const rows = await trail
          .find({ at: { $lt: before } }, { projection: { _id: 1 }, sort: { at: 1 }, limit: 1000 })
          .toArray();
        if (rows.length === 0) return removed;
        const { deletedCount } = await trail.deleteMany({ _id: { $in: rows.map(({ _id }) => _id) } });
        removed += deletedCount;
      }
    },

    /** Takes off an index by which the database itself removed entries after a fixed time: the rule may say longer. */
    async dropFixedEnd(): Promise<void> {
      const indexes = await trail.indexes();
      for (const { name, key, expireAfterSeconds } of indexes) {
        if (name !== undefined && key.at === -1 && expireAfterSeconds !== undefined) await trail.dropIndex(name);
      }
    },

    /** Of erased contacts remain codes and times: what staff wrote in free words goes. */
    async forgetNotes(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await trail.updateMany({ contact: { $in: contacts.map(binary) } }, { $unset: { note: '' } });
    },

    /** At most 100,000: beyond that nobody reads on. */
    count: (filter: TrailFilter): Promise<number> => trail.countDocuments(conditions(filter), { limit: 100_000 }),

    /** Everybody who is in the trail, by id. */
    async users(): Promise<{ id: string; name: string }[]> {
      const rows = await trail
        .aggregate([
          { $sort: { user: 1, at: -1 } },
          { $group: { _id: '$user', name: { $first: '$name' } } },
          { $limit: 500 },
        ])
        .toArray();
      return rows
        .map((row) => ({ id: String(row._id), name: String(row.name) }))
        .sort((a, b) => a.name.localeCompare(b.name));
    },
  };
}

export type TrailStore = ReturnType<typeof createTrailStore>;
