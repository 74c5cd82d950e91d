import type { Connection, Model, QueryFilter } from 'mongoose';
import { CLOSED_STATES, OPEN_STATES, type RequestKind, type RequestState } from '../core/request.js';
import { DURABLE } from './connect.js';
import {
  type RequestEntry,
  type RequestFields,
  type RequestRecord,
  type RequestRow,
  recordFrom,
  requestRow,
  requestSchema,
} from './request-rows.js';

export type { DueLetter, RequestContact, RequestEntry, RequestFields, RequestRecord } from './request-rows.js';

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

/** Every query to the requests. What a request was is never overwritten unseen: each change adds an entry of its history. */
export function createRequestStore(connection: Connection) {
  const model = connection.model<RequestRow>('RightsRequest', requestSchema);
  return { models: [model] as const, ...requestReads(model), ...requestChanges(model) };
}

export type RequestStore = ReturnType<typeof createRequestStore>;

function conditions(filter: RequestFilter): QueryFilter<RequestRow> {
  const { open, state, kind, assignee, dueBefore, reference, contact, by, names } = filter;
  const { receivedFrom, receivedTo } = filter;
  const states = state ? [state] : open === undefined ? undefined : open ? OPEN_STATES : CLOSED_STATES;
  return {
    ...(states ? { state: { $in: states } } : {}),
    ...(kind ? { kind } : {}),
    ...(assignee === undefined ? {} : assignee === '' ? { assignee: null } : { 'assignee.id': assignee }),
    ...(receivedFrom || receivedTo
      ? { receivedAt: { ...(receivedFrom ? { $gte: receivedFrom } : {}), ...(receivedTo ? { $lt: receivedTo } : {}) } }
      : {}),
    ...(names && names.length > 0 ? { names: { $all: names } } : {}),
    ...(dueBefore ? { due: { $lt: dueBefore } } : {}),
    ...(reference ? { _id: { $regex: `^q_${reference.replace(/[^0-9a-z-]/g, '')}` } } : {}),
    ...(contact ? { 'contacts.key': contact } : {}),
    ...(by ? { history: { $elemMatch: { what: 'received', by } } } : {}),
  };
}

function requestReads(model: Model<RequestRow>) {
  return {
    async get(id: string): Promise<RequestRecord | undefined> {
      const row = await model.findById(id).lean();
      return row ? recordFrom(row) : undefined;
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
      const rows = await model
        .find(conditions(filter))
        .sort({ [field]: direction, _id: direction })
        .skip(skip)
        .limit(limit)
        .lean();
      return rows.map(recordFrom);
    },

    count: async (filter: RequestFilter): Promise<number> => model.countDocuments(conditions(filter)),

    async ofContacts(keys: readonly Buffer[], limit = 100): Promise<RequestRecord[]> {
      const filter = { 'contacts.key': { $in: keys } };
      return (await model.find(filter).sort({ receivedAt: -1 }).limit(limit).lean()).map(recordFrom);
    },

    /** What the clock needs of every open request, in order of id, a page at a time. */
    async open(after: string, limit: number): Promise<RequestRecord[]> {
      const filter = { state: { $in: OPEN_STATES }, _id: { $gt: after } };
      return (await model.find(filter, { history: 0 }).sort({ _id: 1 }).limit(limit).lean()).map(recordFrom);
    },

    /** Those that cannot be found by name yet. */
    async unnamed(limit: number): Promise<RequestRecord[]> {
      const filter = { names: { $exists: false }, personal: { $exists: true } };
      return (await model.find(filter).limit(limit).lean()).map(recordFrom);
    },

    /** Requests with letters that should have gone before this. */
    async unsent(before: Date, limit: number): Promise<RequestRecord[]> {
      const due: QueryFilter<RequestRow> = {
        letters: { $elemMatch: { kind: { $exists: true }, at: { $lt: before } } },
      };
      return (await model.find(due).limit(limit).lean()).map(recordFrom);
    },

    async closedBefore(before: Date, limit: number): Promise<RequestRecord[]> {
      const rows = await model
        .find({ closedAt: { $lte: before } })
        .sort({ closedAt: 1 })
        .limit(limit)
        .lean();
      return rows.map(recordFrom);
    },
  };
}

function requestChanges(model: Model<RequestRow>) {
  return {
    /** Durable when it resolves. */
    async insert(record: Omit<RequestRecord, 'rev'>): Promise<void> {
      await model.create([requestRow({ ...record, rev: 0 })], { writeConcern: DURABLE });
    },

    /**
     * Changes a request that is still as it was read. False when somebody else was faster: nothing was changed then.
     */
    async change(
      record: Pick<RequestRecord, 'id' | 'rev'>,
      fields: RequestFields,
      entries: readonly RequestEntry[],
    ): Promise<boolean> {
      const result = await model.updateOne(
        { _id: record.id, rev: record.rev },
        { $set: fields, $inc: { rev: 1 }, $push: { history: { $each: entries } } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /** Writes an alert down once. False when it was there. */
    async raise(id: string, alert: string, entry: RequestEntry): Promise<boolean> {
      const result = await model.updateOne(
        { _id: id, 'alerts.id': { $ne: alert } },
        { $push: { alerts: { id: alert, at: entry.at }, history: entry }, $inc: { rev: 1 } },
        { writeConcern: DURABLE },
      );
      return result.modifiedCount === 1;
    },

    /** Not a change of the request: it is only found by more. */
    async name(id: string, names: readonly Buffer[]): Promise<void> {
      await model.updateOne({ _id: id, personal: { $exists: true } }, { $set: { names } });
    },

    /** The end of a record whose time is over. */
    async purge(record: Pick<RequestRecord, 'id' | 'rev'>): Promise<boolean> {
      const current = { _id: record.id, rev: record.rev };
      return (await model.deleteOne(current, { writeConcern: DURABLE })).deletedCount === 1;
    },

    /** Destroys the key of what is personal in a closed request; codes and times stay. Durable when it resolves. */
    async forget(id: string, entry: RequestEntry): Promise<void> {
      await model.updateOne(
        { _id: id, state: { $in: CLOSED_STATES }, dataKey: { $exists: true } },
        {
          $unset: { dataKey: '', personal: '', names: '' },
          $push: { history: entry },
          $inc: { rev: 1 },
        },
        { writeConcern: DURABLE },
      );
    },
  };
}
