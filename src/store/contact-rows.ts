import { type Collection, type Model, Schema } from 'mongoose';
import { CONTACT_TYPES, type ContactType } from '../core/contact-point.js';
import type { ContactEvent } from '../core/event.js';
import { EMPTY_STATE, type State } from '../core/fold.js';
import type { Scope } from '../core/scope.js';
import type { NewPendingSync, PendingSync, SyncedState } from '../core/sync-state.js';
import { collectionSchema, partSchema } from './schema.js';

/** An event as stored: what is personal in it is sealed. */
export interface StoredEvent extends ContactEvent {
  /** Brand and campaign of the link it came through. */
  readonly link?: { readonly brand: string; readonly campaign?: string };
  /** Id and version of the notice a consent was given under. */
  readonly notice?: { readonly id: string; readonly version: string };
  readonly reach?: 'person';
  /** Address, evidence and the writer's own id: under the ingest key while pending, under the contact's data key in the ledger. */
  readonly sealed?: Buffer;
}

export interface Contact {
  readonly key: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  readonly rev: number;
  /** Number of its last ledger entry. */
  readonly entries: number;
  readonly state: State;
  readonly pending: readonly StoredEvent[];
  /** Counts overflow documents ever begun since the last drain. */
  readonly overflow: number;
  /** True when `pending` may lack some of the overflow. */
  readonly more?: boolean;
  readonly pendingSyncs: readonly PendingSync[];
  readonly synced: Readonly<Record<string, SyncedState>>;
  /** What its data key will be made of; gone once that is there. */
  readonly keySeed?: Buffer;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing: boolean;
  readonly person?: string;
  readonly configuration?: string;
  /** ms; when time next changes what holds, known since the last projection. */
  readonly wakeAt?: number;
  /** The group of spellings it belongs to. */
  readonly aliasGroup?: string;
  /** The other contacts of its group; absent where the group was not asked for. */
  readonly others?: readonly Contact[];
  /** Something was said for another spelling since it was last projected. */
  readonly touched: boolean;
}

/** A pending sync as stored: `by` is its `leaseOwner`, `doubt` its `uncertainBindings`, `again` its `reassert`. */
interface PendingSyncRow extends NewPendingSync {
  readonly by?: string;
  readonly doubt?: readonly string[];
  readonly attempted?: string;
  readonly again?: boolean;
  readonly failures?: number;
}

/** A contact as stored: the snapshot, what is pending, pending syncs (`marks`) and what destinations have (`told`). */
export interface ContactRow {
  readonly _id: Buffer;
  readonly type: ContactType;
  readonly country?: string;
  readonly rev: number;
  readonly entries: number;
  /** Absent until the first projection. */
  readonly state?: State;
  readonly pending?: readonly StoredEvent[];
  readonly overflow?: number;
  /** Since when it waits for the projector. */
  readonly dirty?: Date;
  readonly wakeAt?: Date;
  readonly marks?: readonly PendingSyncRow[];
  readonly told?: Readonly<Record<string, SyncedState>>;
  readonly keySeed?: Buffer;
  readonly dataKey?: Buffer;
  readonly address?: Buffer;
  readonly keyedOnly: boolean;
  readonly erasing?: true;
  /** An officer sees to its erasure. */
  readonly officer?: true;
  readonly person?: string;
  readonly aliasGroup?: string;
  readonly touched?: true;
  readonly configuration?: string;
  /** Revision of a change that the feed has not numbered yet, and what it is about. */
  readonly feed?: number;
  readonly feedScopes?: readonly Scope[];
  readonly firstSeen: Date;
}

const pendingSyncSchema = partSchema<PendingSyncRow>({
  destination: { type: String, required: true },
  version: { type: Number, required: true },
  due: { type: Number, required: true },
  since: { type: Number, required: true },
  backfill: Boolean,
  by: String,
  doubt: [String],
  attempted: String,
  again: Boolean,
  failures: Number,
});

export const contactSchema = collectionSchema<ContactRow>('contacts', {
  _id: { type: Buffer, required: true },
  type: { type: String, required: true, enum: CONTACT_TYPES },
  country: String,
  rev: { type: Number, required: true },
  entries: { type: Number, required: true },
  // Snapshot and events are core's unions: the fold checks them.
  state: Schema.Types.Mixed,
  pending: [Schema.Types.Mixed],
  overflow: Number,
  dirty: Date,
  wakeAt: Date,
  marks: [pendingSyncSchema],
  told: Schema.Types.Mixed,
  keySeed: Buffer,
  dataKey: Buffer,
  address: Buffer,
  keyedOnly: { type: Boolean, required: true },
  erasing: Boolean,
  officer: Boolean,
  person: String,
  aliasGroup: String,
  touched: Boolean,
  configuration: String,
  feed: Number,
  feedScopes: [Schema.Types.Mixed],
  firstSeen: { type: Date, required: true },
});
// What the projector and the sweeper look for is rare at any moment: sparse indexes stay small.
contactSchema.index({ dirty: 1 }, { sparse: true });
contactSchema.index({ wakeAt: 1 }, { sparse: true });
contactSchema.index({ 'marks.destination': 1, 'marks.backfill': 1, 'marks.due': 1 }, { sparse: true });
contactSchema.index({ erasing: 1 }, { sparse: true });
contactSchema.index({ person: 1 }, { sparse: true });
contactSchema.index({ aliasGroup: 1 }, { sparse: true });
contactSchema.index({ feed: 1 }, { sparse: true });
contactSchema.index({ configuration: 1, _id: 1 });

/** An event beyond those that a contact holds itself. */
export interface OverflowRow {
  /** Key (hex) of the contact and id of the event. */
  readonly _id: string;
  readonly contact: Buffer;
  readonly event: StoredEvent;
}

export const overflowSchema = collectionSchema<OverflowRow>('overflow', {
  _id: { type: String, required: true },
  contact: { type: Buffer, required: true },
  event: { type: Schema.Types.Mixed, required: true },
});
overflowSchema.index({ contact: 1 });

/** Contacts and their overflow: through the model, and raw where docs/decisions/raw-commands.md says so. */
export interface ContactCollections {
  readonly model: Model<ContactRow>;
  readonly raw: Collection<ContactRow>;
  readonly overflow: Model<OverflowRow>;
  readonly rawOverflow: Collection<OverflowRow>;
  /** Beyond this many pending events further ones go to documents of their own: long arrays slow every append. */
  readonly pendingLimit: number;
}

function pendingSyncFrom({ by, doubt, again, ...rest }: PendingSyncRow): PendingSync {
  return {
    ...rest,
    ...(by === undefined ? {} : { leaseOwner: by }),
    ...(doubt === undefined ? {} : { uncertainBindings: doubt }),
    ...(again === undefined ? {} : { reassert: again }),
  };
}

/** A contact of any version, whole or only with some of its fields. */
export function contactFrom(row: Partial<ContactRow> & Pick<ContactRow, '_id'>): Contact {
  return {
    key: row._id,
    type: row.type ?? 'email',
    rev: row.rev ?? 0,
    entries: row.entries ?? 0,
    state: row.state ?? EMPTY_STATE,
    pending: row.pending ?? [],
    overflow: row.overflow ?? 0,
    pendingSyncs: (row.marks ?? []).map(pendingSyncFrom),
    synced: row.told ?? {},
    keyedOnly: row.keyedOnly === true,
    erasing: row.erasing === true,
    touched: row.touched === true,
    ...(row.country ? { country: row.country } : {}),
    ...(row.keySeed ? { keySeed: row.keySeed } : {}),
    ...(row.dataKey ? { dataKey: row.dataKey } : {}),
    ...(row.address ? { address: row.address } : {}),
    ...(row.person ? { person: row.person } : {}),
    ...(row.aliasGroup ? { aliasGroup: row.aliasGroup } : {}),
    ...(row.configuration ? { configuration: row.configuration } : {}),
    ...(row.wakeAt ? { wakeAt: row.wakeAt.getTime() } : {}),
  };
}
