import { type Connection, Schema } from 'mongoose';
import type { ContactType } from '../core/contact-point.js';
import {
  CLOSED_STATES,
  OPEN_STATES,
  type RequestKind,
  type RequestState,
  type RequestWay,
  type ReviewOutcome,
  type VerificationWay,
} from '../core/request.js';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';

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

export interface RequestFilter {
  readonly open?: boolean | undefined;
  readonly state?: RequestState | undefined;
  readonly kind?: RequestKind | undefined;
  readonly assignee?: string | undefined;
  /** Due before this. */
  readonly dueBefore?: Date | undefined;
  /** Received from this on, and before that. */
  readonly receivedFrom?: Date | undefined;
  readonly receivedTo?: Date | undefined;
  /** Hashes of words of names: all of them must be there. */
  readonly names?: readonly Buffer[] | undefined;
  /** Start of a reference. */
  readonly reference?: string | undefined;
  readonly contact?: Buffer | undefined;
  /** Taken down by. */
  readonly by?: string | undefined;
}

const requestSchema = new Schema(
  {
    _id: String,
    rev: Number,
    kind: String,
    state: String,
    way: String,
    jurisdiction: String,
    brand: String,
    language: String,
    receivedAt: Date,
    firstDue: Date,
    due: Date,
    contacts: [Schema.Types.Mixed],
    closedAt: Date,
    assignee: Schema.Types.Mixed,
    dataKey: Buffer,
    personal: Buffer,
    history: [Schema.Types.Mixed],
  },
  { collection: 'requests', versionKey: false, strict: false },
);
requestSchema.index({ state: 1, due: 1 });
requestSchema.index({ 'contacts.key': 1 });
requestSchema.index({ closedAt: 1 }, { sparse: true });
requestSchema.index({ due: 1, _id: 1 });
requestSchema.index({ receivedAt: 1, _id: 1 });
requestSchema.index({ names: 1 }, { sparse: true });
requestSchema.index({ 'letters.kind': 1 }, { sparse: true });

type Row = Record<string, unknown>;

const sealedText = <T extends { readonly text?: Buffer }>(item: T) =>
  item.text ? { ...item, text: binary(item.text) } : { ...item };

function contactRows(contacts: readonly RequestContact[]) {
  return contacts.map(({ key, type, verified }) => ({ key: binary(key), type, verified }));
}

function rowOf(fields: Row): Row {
  const { contacts, letters, personal, names, ...rest } = fields as RequestFields & Row & { names?: readonly Buffer[] };
  return {
    ...rest,
    ...(contacts ? { contacts: contactRows(contacts) } : {}),
    ...(letters ? { letters: letters.map(sealedText) } : {}),
    ...(personal ? { personal: binary(personal) } : {}),
    ...(names ? { names: names.map(binary) } : {}),
  };
}

function withText<T>(item: Row): T {
  return (item.text ? { ...item, text: bytesOf(item.text) } : item) as T;
}

function recordFrom(row: Row): RequestRecord {
  const { _id, contacts, letters, history, dataKey, personal, names: _names, ...rest } = row;
  return {
    ...(rest as unknown as RequestRecord),
    id: String(_id),
    contacts: ((contacts ?? []) as Row[]).map(({ key, type, verified }) => ({
      key: bytesOf(key),
      type: type as ContactType,
      verified: verified === true,
    })),
    letters: ((letters ?? []) as Row[]).map((item) => withText<DueLetter>(item)),
    history: ((history ?? []) as Row[]).map((item) => withText<RequestEntry>(item)),
    ...(dataKey ? { dataKey: bytesOf(dataKey) } : {}),
    ...(personal ? { personal: bytesOf(personal) } : {}),
  };
}

function conditions(filter: RequestFilter): Row {
  const { open, state, kind, assignee, dueBefore, reference, contact, by, names } = filter;
  const { receivedFrom, receivedTo } = filter;
  const states = state ? [state] : open === undefined ? undefined : open ? OPEN_STATES : CLOSED_STATES;
  return {
    ...(states ? { state: { $in: [...states] } } : {}),
    ...(kind ? { kind } : {}),
    ...(assignee === undefined ? {} : assignee === '' ? { assignee: null } : { 'assignee.id': assignee }),
    ...(receivedFrom || receivedTo
      ? { receivedAt: { ...(receivedFrom ? { $gte: receivedFrom } : {}), ...(receivedTo ? { $lt: receivedTo } : {}) } }
      : {}),
    ...(names && names.length > 0 ? { names: { $all: names.map(binary) } } : {}),
    ...(dueBefore ? { due: { $lt: dueBefore } } : {}),
    ...(reference ? { _id: { $regex: `^q_${reference.replace(/[^0-9a-z-]/g, '')}` } } : {}),
    ...(contact ? { 'contacts.key': binary(contact) } : {}),
    ...(by ? { history: { $elemMatch: { what: 'received', by } } } : {}),
  };
}

/** Every query to the requests. What a request was is never overwritten unseen: each change adds an entry of its history. */
export function createRequestStore(connection: Connection) {
  const model = connection.model('RightsRequest', requestSchema);
  const requests = model.collection;
  const byId = (id: string, more: Row = {}) => ({ _id: id, ...more }) as never;

  return {
    models: [model] as const,

    /** Durable when it resolves. */
    async insert(record: Omit<RequestRecord, 'rev'>): Promise<void> {
      const { id, history, dataKey, ...rest } = record;
      await requests.insertOne(
        {
          ...rowOf(rest as unknown as Row),
          _id: id as never,
          rev: 0,
          history: history.map(sealedText),
          ...(dataKey ? { dataKey: binary(dataKey) } : {}),
        },
        { writeConcern: DURABLE },
      );
    },

    async get(id: string): Promise<RequestRecord | undefined> {
      const row = await requests.findOne(byId(id), { promoteBuffers: true });
      return row ? recordFrom(row as Row) : undefined;
    },

    /**
     * Changes a request that is still as it was read. False when somebody else was faster: nothing was changed then.
     */
    async change(
      record: Pick<RequestRecord, 'id' | 'rev'>,
      fields: RequestFields,
      entries: readonly RequestEntry[],
    ): Promise<boolean> {
      const result = await requests.updateOne(
        byId(record.id, { rev: record.rev }),
        {
          $set: rowOf(fields),
          $inc: { rev: 1 },
          $push: { history: { $each: entries.map(sealedText) } },
        } as never,
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /** Writes an alert down once. False when it was there. */
    async raise(id: string, alert: string, entry: RequestEntry): Promise<boolean> {
      const result = await requests.updateOne(
        byId(id, { 'alerts.id': { $ne: alert } }),
        { $push: { alerts: { id: alert, at: entry.at }, history: sealedText(entry) }, $inc: { rev: 1 } } as never,
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /** By due date, those that are due first, first; or by day of receipt, or the other way round. */
    async list(
      filter: RequestFilter,
      skip: number,
      limit: number,
      { by = 'due', descending = false }: { readonly by?: string; readonly descending?: boolean } = {},
    ): Promise<RequestRecord[]> {
      const field = by === 'received' ? 'receivedAt' : 'due';
      const direction = descending ? -1 : 1;
      const rows = await requests
        .find(conditions(filter), { sort: { [field]: direction, _id: direction }, skip, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    count: (filter: RequestFilter): Promise<number> => requests.countDocuments(conditions(filter)),

    async ofContacts(keys: readonly Buffer[], limit = 100): Promise<RequestRecord[]> {
      const rows = await requests
        .find({ 'contacts.key': { $in: keys.map(binary) } }, { sort: { receivedAt: -1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    /** What the clock needs of every open request, in order of id, a page at a time. */
    async open(after: string, limit: number): Promise<RequestRecord[]> {
      const rows = await requests
        .find({ state: { $in: [...OPEN_STATES] }, _id: { $gt: after } } as never, {
          sort: { _id: 1 },
          limit,
          promoteBuffers: true,
          projection: { history: 0 },
        })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    /** Those that cannot be found by name yet. */
    async unnamed(limit: number): Promise<RequestRecord[]> {
      const rows = await requests
        .find({ names: { $exists: false }, personal: { $exists: true } }, { limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    /** Not a change of the request: it is only found by more. */
    async name(id: string, names: readonly Buffer[]): Promise<void> {
      await requests.updateOne(byId(id, { personal: { $exists: true } }), { $set: { names: names.map(binary) } });
    },

    /** Requests with letters that should have gone before this. */
    async unsent(before: Date, limit: number): Promise<RequestRecord[]> {
      const rows = await requests
        .find({ 'letters.kind': { $exists: true }, 'letters.at': { $lt: before } }, { limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    async closedBefore(before: Date, limit: number): Promise<RequestRecord[]> {
      const rows = await requests
        .find({ closedAt: { $lte: before } }, { sort: { closedAt: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => recordFrom(row as Row));
    },

    /** The end of a record whose time is over. */
    async purge(record: Pick<RequestRecord, 'id' | 'rev'>): Promise<boolean> {
      const { deletedCount } = await requests.deleteOne(byId(record.id, { rev: record.rev }), {
        writeConcern: DURABLE,
      });
      return deletedCount === 1;
    },

    /** Destroys the key of what is personal in a closed request; codes and times stay. Durable when it resolves. */
    async forget(id: string, entry: RequestEntry): Promise<void> {
      await requests.updateOne(
        byId(id, { state: { $in: [...CLOSED_STATES] }, dataKey: { $exists: true } }),
        {
          $unset: { dataKey: '', personal: '', names: '' },
          $push: { history: sealedText(entry) },
          $inc: { rev: 1 },
        } as never,
        { writeConcern: DURABLE },
      );
    },
  };
}

export type RequestStore = ReturnType<typeof createRequestStore>;
