import { type Connection, type QueryFilter, Schema, type Types } from 'mongoose';
import { DURABLE } from './connect.js';
import type { StoredEvent } from './contacts.js';
import { collectionSchema } from './schema.js';

/** An entry of the append-only ledger: one event of one contact, numbered. */
export interface LedgerEntry {
  readonly key: Buffer;
  readonly number: number;
  readonly event: StoredEvent;
}

export interface LedgerRow {
  readonly _id: Types.ObjectId;
  readonly contact: Buffer;
  readonly number: number;
  /** Of the event. */
  readonly id: string;
  readonly recordedAt: Date;
  /** Until the entry has its leaf in the log. */
  readonly unsealed?: Date;
  readonly event: StoredEvent;
}

const ledgerSchema = collectionSchema<LedgerRow>('ledger', {
  _id: { type: Schema.Types.ObjectId, required: true },
  contact: { type: Buffer, required: true },
  number: { type: Number, required: true },
  id: { type: String, required: true },
  recordedAt: { type: Date, required: true },
  unsealed: Date,
  event: { type: Schema.Types.Mixed, required: true },
});
ledgerSchema.index({ contact: 1, number: 1 }, { unique: true });
ledgerSchema.index({ contact: 1, id: 1 }, { unique: true });
ledgerSchema.index({ id: 1 });
ledgerSchema.index({ recordedAt: 1 });
// Bookkeeping of the sealer (store/transparency-log.ts), set with the entry and unset once it has its leaf: no entry can be passed over.
ledgerSchema.index({ unsealed: 1 }, { sparse: true });

function entryFrom({ contact, number, event }: Pick<LedgerRow, 'contact' | 'number' | 'event'>): LedgerEntry {
  return { key: contact, number, event };
}

/** Entries by id of event, by contact (hex). */
function entriesOf(
  rows: readonly Pick<LedgerRow, 'contact' | 'id' | 'number' | 'event'>[],
): Map<string, Map<string, LedgerEntry>> {
  const found = new Map<string, Map<string, LedgerEntry>>();
  for (const row of rows) {
    const key = row.contact.toString('hex');
    const entries = found.get(key) ?? new Map<string, LedgerEntry>();
    entries.set(row.id, entryFrom(row));
    found.set(key, entries);
  }
  return found;
}

const ENTRIES = { projection: { contact: 1, id: 1, number: 1, event: 1 } } as const;

/** Every query to the ledger. There is none that changes or removes an entry. */
export function createLedger(connection: Connection) {
  const model = connection.model<LedgerRow>('LedgerEntry', ledgerSchema);
  // Raw: docs/decisions/raw-commands.md.
  const raw = connection.collection<Omit<LedgerRow, '_id'>>('ledger');

  return {
    models: [model] as const,

    /** Inserts entries; returns the contacts (hex) for which another projector was faster: they are to be read again. */
    async insert(entries: readonly LedgerEntry[]): Promise<Set<string>> {
      const rows = entries.map(({ key, number, event }) => ({
        contact: key,
        number,
        id: event.id,
        recordedAt: new Date(Math.floor(event.recorded / 1024)),
        unsealed: new Date(Math.floor(event.recorded / 1024)),
        event,
      }));
      if (rows.length === 0) return new Set();
      try {
        await raw.insertMany(rows, { ordered: false, writeConcern: DURABLE });
        return new Set();
      } catch (error) {
        const faults: unknown = error instanceof Error && 'writeErrors' in error ? error.writeErrors : undefined;
        const list = Array.isArray(faults) ? faults : faults ? [faults] : [];
        if (list.length === 0 || list.some((fault) => fault.code !== 11000)) throw error;
        return new Set(list.map((fault) => entries[fault.index]?.key.toString('hex') ?? ''));
      }
    },

    /** Entries by id beyond a contact's projected ones, by contact (hex): what another projector had already moved. */
    async beyond(heads: readonly { key: Buffer; entries: number }[]): Promise<Map<string, Map<string, LedgerEntry>>> {
      if (heads.length === 0) return new Map();
      const any = heads.map(({ key, entries }) => ({ contact: key, number: { $gt: entries } }));
      return entriesOf(await raw.find({ $or: any }, ENTRIES).toArray());
    },

    /** Entries among these ids, by contact (hex): what a crash had already moved. */
    async findIds(
      pairs: readonly { key: Buffer; ids: readonly string[] }[],
    ): Promise<Map<string, Map<string, LedgerEntry>>> {
      if (pairs.length === 0) return new Map();
      const any = {
        contact: { $in: pairs.map(({ key }) => key) },
        id: { $in: pairs.flatMap(({ ids }) => ids) },
      };
      return entriesOf(await raw.find(any, ENTRIES).toArray());
    },

    /** A contact's history, oldest entry first. */
    async ofContact(key: Buffer, limit = 100_000): Promise<LedgerEntry[]> {
      return (await model.find({ contact: key }).sort({ number: 1 }).limit(limit).lean()).map(entryFrom);
    },

    /** The same, a page at a time, for histories that should not be in memory whole; `type` picks one kind of event. */
    async *pages(key: Buffer, options: { readonly type?: StoredEvent['type']; readonly size?: number } = {}) {
      const { type, size = 500 } = options;
      for (let after = 0; ; ) {
        const filter: QueryFilter<LedgerRow> = {
          contact: key,
          number: { $gt: after },
          ...(type ? { 'event.type': type } : {}),
        };
        const rows = await model.find(filter).sort({ number: 1 }).limit(size).lean();
        const last = rows.at(-1);
        if (!last) return;
        yield rows.map(entryFrom);
        after = last.number;
      }
    },

    async byId(id: string): Promise<LedgerEntry | undefined> {
      const row = await model.findOne({ id }).lean();
      return row ? entryFrom(row) : undefined;
    },

    async count(): Promise<number> {
      return model.estimatedDocumentCount();
    },

    collection: model.collection,
    model,
    entryFrom,
  };
}

export type Ledger = ReturnType<typeof createLedger>;
