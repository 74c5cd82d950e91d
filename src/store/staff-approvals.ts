import { type Connection, Schema } from 'mongoose';
import { DURABLE } from './connect.js';
import { collectionSchema, partSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** What needs a second person: a lift on a caller's word, a list with readable addresses, an erasure where policy says so. */
const APPROVAL_KINDS = ['lift', 'export', 'erasure'] as const;
export type ApprovalKind = (typeof APPROVAL_KINDS)[number];
const APPROVAL_STATUSES = ['waiting', 'confirmed', 'refused', 'used'] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** Something asked for that somebody else confirms or refuses. */
export interface Approval {
  readonly id: string;
  readonly kind: ApprovalKind;
  readonly at: Date;
  readonly user: string;
  readonly userName: string;
  readonly contact?: Buffer;
  /** Codes only: scope, event type, what the list holds. */
  readonly details: Readonly<Record<string, unknown>>;
  /** Caller, verification, words, reason. Gone after an erasure of the contact. */
  readonly sealed?: Buffer;
  readonly status: ApprovalStatus;
  readonly until: Date;
  readonly decided?: { readonly at: Date; readonly user: string; readonly userName: string };
  /** Events it became. */
  readonly events?: readonly string[];
  /** Of a lift: whether the person was written to. */
  readonly notified?: string;
}

/** Days for which decided ones are listed; what they became is in the ledger and the audit trail. */
const APPROVAL_DAYS = 400;

const approvalSchema = collectionSchema<Stored<Approval>>('staff_approvals', {
  _id: { type: String, required: true },
  kind: { type: String, required: true, enum: APPROVAL_KINDS },
  at: { type: Date, required: true },
  user: { type: String, required: true },
  userName: { type: String, required: true },
  contact: Buffer,
  details: { type: Schema.Types.Mixed, required: true },
  sealed: Buffer,
  status: { type: String, required: true, enum: APPROVAL_STATUSES },
  until: { type: Date, required: true },
  decided: partSchema<NonNullable<Approval['decided']>>({
    at: { type: Date, required: true },
    user: { type: String, required: true },
    userName: { type: String, required: true },
  }),
  events: [String],
  notified: String,
});
approvalSchema.index({ at: -1 }, { expireAfterSeconds: APPROVAL_DAYS * 86_400 });
approvalSchema.index({ status: 1, at: -1 });
approvalSchema.index({ contact: 1 }, { sparse: true });

/** Every query to the approvals. */
export function createStaffApprovals(connection: Connection) {
  const model = connection.model('StaffApproval', approvalSchema);
  const { toRow, fromRow } = rowsOf<Approval>();
  return {
    models: [model] as const,

    async ask(approval: Omit<Approval, 'status' | 'decided' | 'events'>): Promise<void> {
      await model.insertOne(toRow({ ...approval, status: 'waiting' }), { writeConcern: DURABLE });
    },

    async get(id: string): Promise<Approval | undefined> {
      const row = await model.findById(id).lean();
      return row ? fromRow(row) : undefined;
    },

    /** Newest first; of one user, when one is given. */
    async list(filter: { readonly user?: string; readonly kind?: ApprovalKind }, limit = 2000): Promise<Approval[]> {
      const rows = await model.find(filter).sort({ at: -1 }).limit(limit).lean();
      return rows.map(fromRow);
    },

    countWaiting: async (now: Date): Promise<number> =>
      model.countDocuments({ status: 'waiting', until: { $gt: now } }),

    /** Moves one on from `from`. False when it is not there any more: somebody else was faster. */
    async move(
      id: string,
      from: ApprovalStatus,
      to: ApprovalStatus,
      fields: Partial<Pick<Approval, 'decided' | 'events' | 'sealed'>> = {},
    ): Promise<boolean> {
      const change = { $set: { status: to, ...fields } };
      const result = await model.updateOne({ _id: id, status: from }, change, { writeConcern: DURABLE });
      return result.modifiedCount === 1;
    },

    async notified(id: string, outcome: string): Promise<void> {
      await model.updateOne({ _id: id }, { $set: { notified: outcome } }, { writeConcern: DURABLE });
    },

    /** The erasure of a request that waits to be decided on. */
    async waitingErasure(request: string, now: Date): Promise<Approval | undefined> {
      const filter = { kind: 'erasure', status: 'waiting', 'details.request': request, until: { $gt: now } } as const;
      const row = await model.findOne(filter).lean();
      return row ? fromRow(row) : undefined;
    },

    /** Of erased contacts remain codes and times. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await model.updateMany({ contact: { $in: contacts } }, { $unset: { sealed: '' } });
    },
  };
}

export type StaffApprovals = ReturnType<typeof createStaffApprovals>;
