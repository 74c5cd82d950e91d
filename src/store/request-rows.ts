import { Schema } from 'mongoose';
import { CONTACT_TYPES, type ContactType } from '../core/contact-point.js';
import {
  REQUEST_KINDS,
  REQUEST_STATES,
  REQUEST_WAYS,
  REVIEW_OUTCOMES,
  type RequestKind,
  type RequestState,
  type RequestWay,
  type ReviewOutcome,
  VERIFICATION_WAYS,
  type VerificationWay,
} from '../core/request.js';
import { collectionSchema, partSchema } from './schema.js';
import { rowsOf, type Stored } from './stored.js';

/** A contact that a request is about: a keyed hash. Its address, as given, is in the sealed part. */
export interface RequestContact {
  readonly key: Buffer;
  readonly type: ContactType;
  /** Shown to be the person's, or known to belong to one that was. */
  readonly verified: boolean;
}

/** One thing that happened to a request. Entries are only ever added. */
export interface RequestEntry {
  readonly at: Date;
  /** `staff <id>`, `person`, `agent`, `system` or `key:<id>`. */
  readonly by: string;
  readonly byName?: string;
  /** A code: an action, `received`, `letter`, `note`, `message`, `alert`, … */
  readonly what: string;
  /** Codes, ids and counts: nothing personal. */
  readonly facts?: Readonly<Record<string, string>>;
  /** Free words, under the request's own key. */
  readonly text?: Buffer;
}

/** A letter that is to go; what makes it lasting is that it stands here until it went. */
export interface DueLetter {
  readonly kind: string;
  readonly at: Date;
  readonly reason?: string;
  /** Explanation, under the request's own key. */
  readonly text?: Buffer;
}

/** A person's exercise of a right. Codes and times are open; what names or tells of the person is sealed. */
export interface RequestRecord {
  readonly id: string;
  readonly rev: number;
  readonly kind: RequestKind;
  readonly state: RequestState;
  readonly way: RequestWay;
  readonly jurisdiction: string;
  readonly brand: string;
  readonly language: string;
  readonly receivedAt: Date;
  /** Last ms of the first period, and of the one that counts now. */
  readonly firstDue: Date;
  readonly due: Date;
  readonly acknowledgedAt?: Date;
  readonly extendedAt?: Date;
  readonly extensionReason?: string;
  readonly contacts: readonly RequestContact[];
  readonly byAgent: boolean;
  /** Of an agent: the file that shows the authority, and when the person said yes. */
  readonly authority?: string;
  readonly confirmedAt?: Date;
  readonly verifiedAt?: Date;
  readonly verifiedBy?: VerificationWay;
  readonly assignee?: { readonly id: string; readonly name: string };
  readonly denialReason?: string;
  readonly refusalReason?: string;
  readonly outcome?: ReviewOutcome;
  /** Ids of the events it became. */
  readonly receipts: readonly string[];
  readonly package?: string;
  readonly overriddenAt?: Date;
  readonly closedAt?: Date;
  readonly unread: boolean;
  readonly letters: readonly DueLetter[];
  readonly alerts: readonly { readonly id: string; readonly at: Date }[];
  /** Wrapped; gone when what was personal is forgotten. */
  readonly dataKey?: Buffer;
  readonly personal?: Buffer;
  /** Keyed hashes of the words of its names; absent in those of before, until the watch has made them. */
  readonly names?: readonly Buffer[];
  readonly history: readonly RequestEntry[];
}

/** What a change may set. */
export type RequestFields = Partial<
  Pick<
    RequestRecord,
    | 'state'
    | 'due'
    | 'firstDue'
    | 'acknowledgedAt'
    | 'extendedAt'
    | 'extensionReason'
    | 'contacts'
    | 'authority'
    | 'confirmedAt'
    | 'verifiedAt'
    | 'verifiedBy'
    | 'assignee'
    | 'denialReason'
    | 'refusalReason'
    | 'outcome'
    | 'receipts'
    | 'package'
    | 'overriddenAt'
    | 'closedAt'
    | 'unread'
    | 'letters'
    | 'personal'
  >
>;

export type RequestRow = Stored<RequestRecord>;

const contactSchema = partSchema<RequestContact>({
  key: { type: Buffer, required: true },
  type: { type: String, required: true, enum: CONTACT_TYPES },
  verified: { type: Boolean, required: true },
});

const entrySchema = partSchema<RequestEntry>({
  at: { type: Date, required: true },
  by: { type: String, required: true },
  byName: String,
  what: { type: String, required: true },
  facts: Schema.Types.Mixed,
  text: Buffer,
});

const letterSchema = partSchema<DueLetter>({
  kind: { type: String, required: true },
  at: { type: Date, required: true },
  reason: String,
  text: Buffer,
});

export const requestSchema = collectionSchema<RequestRow>('requests', {
  _id: { type: String, required: true },
  rev: { type: Number, required: true },
  kind: { type: String, required: true, enum: REQUEST_KINDS },
  state: { type: String, required: true, enum: REQUEST_STATES },
  way: { type: String, required: true, enum: REQUEST_WAYS },
  jurisdiction: { type: String, required: true },
  brand: { type: String, required: true },
  language: { type: String, required: true },
  receivedAt: { type: Date, required: true },
  firstDue: { type: Date, required: true },
  due: { type: Date, required: true },
  acknowledgedAt: Date,
  extendedAt: Date,
  extensionReason: String,
  contacts: { type: [contactSchema], required: true },
  byAgent: { type: Boolean, required: true },
  authority: String,
  confirmedAt: Date,
  verifiedAt: Date,
  verifiedBy: { type: String, enum: VERIFICATION_WAYS },
  assignee: partSchema<NonNullable<RequestRecord['assignee']>>({
    id: { type: String, required: true },
    name: { type: String, required: true },
  }),
  denialReason: String,
  refusalReason: String,
  outcome: { type: String, enum: REVIEW_OUTCOMES },
  receipts: { type: [String], required: true },
  package: String,
  overriddenAt: Date,
  closedAt: Date,
  unread: { type: Boolean, required: true },
  letters: { type: [letterSchema], required: true },
  alerts: {
    type: [
      partSchema<RequestRecord['alerts'][number]>({
        id: { type: String, required: true },
        at: { type: Date, required: true },
      }),
    ],
    required: true,
  },
  dataKey: Buffer,
  personal: Buffer,
  names: [Buffer],
  history: { type: [entrySchema], required: true },
});
requestSchema.index({ state: 1, due: 1 });
requestSchema.index({ 'contacts.key': 1 });
requestSchema.index({ closedAt: 1 }, { sparse: true });
requestSchema.index({ due: 1, _id: 1 });
requestSchema.index({ receivedAt: 1, _id: 1 });
requestSchema.index({ names: 1 }, { sparse: true });
requestSchema.index({ 'letters.kind': 1 }, { sparse: true });

const { toRow, fromRow } = rowsOf<RequestRecord>();

/** What requests of earlier versions lack, and the history where a query leaves it out. */
const ABSENT = { receipts: [], letters: [], alerts: [], history: [], byAgent: false, unread: false } as const;

export { toRow as requestRow };

/** A request without the hashes of its names, which are only for finding it. */
export function recordFrom({ names: _names, ...row }: Omit<RequestRow, 'history'>): RequestRecord {
  return fromRow({ ...ABSENT, ...row });
}
