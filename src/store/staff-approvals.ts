import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

/** What needs a second person: a lift on a caller's word, a list with readable addresses, an erasure where policy says so. */
export type ApprovalKind = 'lift' | 'export' | 'erasure';
export type ApprovalStatus = 'waiting' | 'confirmed' | 'refused' | 'used';

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

const approvalSchema = new Schema(
  {
    _id: String,
    kind: String,
    at: Date,
    user: String,
    userName: String,
    contact: Buffer,
    details: Schema.Types.Mixed,
    sealed: Buffer,
    status: String,
    until: Date,
    decided: Schema.Types.Mixed,
    events: [String],
    notified: String,
  },
  { collection: 'staff_approvals', versionKey: false },
);
approvalSchema.index({ at: -1 }, { expireAfterSeconds: APPROVAL_DAYS * 86_400 });
approvalSchema.index({ status: 1, at: -1 });
approvalSchema.index({ contact: 1 }, { sparse: true });

type Row = Record<string, unknown> & { decided?: Approval['decided'] };

function approvalFrom(row: Row): Approval {
  return {
    id: String(row._id),
    kind: row.kind as ApprovalKind,
    at: row.at instanceof Date ? row.at : new Date(0),
    user: String(row.user),
    userName: String(row.userName),
    details: (row.details ?? {}) as Record<string, unknown>,
    status: row.status as ApprovalStatus,
    until: row.until instanceof Date ? row.until : new Date(0),
    ...(row.contact ? { contact: bytesOf(row.contact) } : {}),
    ...(row.sealed ? { sealed: bytesOf(row.sealed) } : {}),
    ...(row.decided ? { decided: row.decided } : {}),
    ...(row.notified ? { notified: String(row.notified) } : {}),
    ...(Array.isArray(row.events) && row.events.length > 0 ? { events: row.events.map(String) } : {}),
  };
}

/** Every query to the approvals. */
export function createStaffApprovals(connection: Connection) {
  const model = connection.model('StaffApproval', approvalSchema);
  const approvals = model.collection;
  return {
    models: [model] as const,

    async ask(approval: Omit<Approval, 'status' | 'decided' | 'events'>): Promise<void> {
      const { id, contact, sealed, ...rest } = approval;
      await approvals.insertOne(
        {
          _id: id as never,
          ...rest,
          status: 'waiting',
          ...(sealed ? { sealed: binary(sealed) } : {}),
          ...(contact ? { contact: binary(contact) } : {}),
        },
        { writeConcern: DURABLE },
      );
    },

    async get(id: string): Promise<Approval | undefined> {
      const row = await approvals.findOne({ _id: id } as never, { promoteBuffers: true });
      return row ? approvalFrom(row as Row) : undefined;
    },

    /** Newest first; of one user, when one is given. */
    async list(filter: { readonly user?: string; readonly kind?: ApprovalKind }, limit = 2000): Promise<Approval[]> {
      const rows = await approvals.find({ ...filter }, { sort: { at: -1 }, limit, promoteBuffers: true }).toArray();
      return rows.map((row) => approvalFrom(row as Row));
    },

    countWaiting: (now: Date): Promise<number> => approvals.countDocuments({ status: 'waiting', until: { $gt: now } }),

    /** Moves one on from `from`. False when it is not there any more: somebody else was faster. */
    async move(
      id: string,
      from: ApprovalStatus,
      to: ApprovalStatus,
      { sealed, ...fields }: Partial<Pick<Approval, 'decided' | 'events' | 'sealed'>> = {},
    ): Promise<boolean> {
      const result = await approvals.updateOne(
        { _id: id, status: from } as never,
        { $set: { status: to, ...fields, ...(sealed ? { sealed: binary(sealed) } : {}) } } as never,
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    async notified(id: string, outcome: string): Promise<void> {
      await approvals.updateOne({ _id: id } as never, { $set: { notified: outcome } }, { writeConcern: DURABLE });
    },

    /** The erasure of a request that waits to be decided on. */
    async waitingErasure(request: string, now: Date): Promise<Approval | undefined> {
      const row = await approvals.findOne(
        { kind: 'erasure', status: 'waiting', 'details.request': request, until: { $gt: now } },
        { promoteBuffers: true },
      );
      return row ? approvalFrom(row as Row) : undefined;
    },

    /** Of erased contacts remain codes and times. */
    async forget(contacts: readonly Buffer[]): Promise<void> {
      if (contacts.length === 0) return;
      await approvals.updateMany({ contact: { $in: contacts.map(binary) } }, { $unset: { sealed: '' } });
    },
  };
}

export type StaffApprovals = ReturnType<typeof createStaffApprovals>;
