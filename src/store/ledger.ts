import { type Connection, Schema } from 'mongoose';
import { binary, bytesOf } from './binary.js';
import { DURABLE } from './connect.js';
import type { StoredEvent } from './contacts.js';

/** An entry of the append-only ledger: one event of one contact, numbered. */
export interface LedgerEntry {
  readonly key: Buffer;
  readonly number: number;
  readonly event: StoredEvent;
}

const ledgerSchema = new Schema(
  { contact: Buffer, number: Number, id: String, recordedAt: Date, unsealed: Date, event: Schema.Types.Mixed },
  { collection: 'ledger', versionKey: false },
);
ledgerSchema.index({ contact: 1, number: 1 }, { unique: true });
ledgerSchema.index({ contact: 1, id: 1 }, { unique: true });
ledgerSchema.index({ id: 1 });
ledgerSchema.index({ recordedAt: 1 });
// Bookkeeping of the sealer (store/transparency-log.ts), set with the entry and unset once it has its leaf: no entry can be passed over.
ledgerSchema.index({ unsealed: 1 }, { sparse: true });

interface Row {
  contact: unknown;
  number: number;
  event: Record<string, unknown>;
}

function entryFrom(row: Row): LedgerEntry {
  const { sealed, ...rest } = row.event;
  return {
    key: bytesOf(row.contact),
    number: row.number,
    event: { ...rest, ...(sealed ? { sealed: bytesOf(sealed) } : {}) } as unknown as StoredEvent,
  };
}

/** Every query to the ledger. There is none that changes or removes an entry. */
export function createLedger(connection: Connection) {
  const model = connection.model('LedgerEntry', ledgerSchema);
  const ledger = model.collection;
  const numbersOf = (rows: readonly Record<string, unknown>[]) => {
    const found = new Map<string, Map<string, number>>();
    for (const row of rows) {
      const key = bytesOf(row.contact).toString('hex');
      const numbers = found.get(key) ?? new Map<string, number>();
      numbers.set(String(row.id), Number(row.number));
      found.set(key, numbers);
    }
    return found;
  };
  const NUMBERS = { projection: { contact: 1, id: 1, number: 1 }, promoteBuffers: true } as const;

  return {
    models: [model] as const,

    /** Inserts entries; returns the contacts (hex) for which another projector was faster: they are to be read again. */
    async insert(entries: readonly LedgerEntry[]): Promise<Set<string>> {
      const rows = entries.map(({ key, number, event }) => ({
        contact: binary(key),
        number,
        id: event.id,
        recordedAt: new Date(Math.floor(event.recorded / 1024)),
        unsealed: new Date(Math.floor(event.recorded / 1024)),
        event: event.sealed ? { ...event, sealed: binary(event.sealed) } : event,
      }));
      if (rows.length === 0) return new Set();
      try {
        await ledger.insertMany(rows, { ordered: false, writeConcern: DURABLE });
        return new Set();
      } catch (error) {
        const faults: unknown = error instanceof Error && 'writeErrors' in error ? error.writeErrors : undefined;
        const list = Array.isArray(faults) ? faults : faults ? [faults] : [];
        if (list.length === 0 || list.some((fault) => fault.code !== 11000)) throw error;
        return new Set(list.map((fault) => entries[fault.index]?.key.toString('hex') ?? ''));
      }
    },

    /** Numbers by id beyond a contact's projected entries, by contact (hex): what another projector had already moved. */
    async beyond(heads: readonly { key: Buffer; entries: number }[]): Promise<Map<string, Map<string, number>>> {
      if (heads.length === 0) return new Map();
      const any = heads.map(({ key, entries }) => ({ contact: binary(key), number: { $gt: entries } }));
      return numbersOf(await ledger.find({ $or: any }, NUMBERS).toArray());
    },

    /** Entries among these ids, by contact (hex): what a crash had already moved. */
    async findIds(
      pairs: readonly { key: Buffer; ids: readonly string[] }[],
    ): Promise<Map<string, Map<string, number>>> {
      if (pairs.length === 0) return new Map();
      const any = {
        contact: { $in: pairs.map(({ key }) => binary(key)) },
        id: { $in: pairs.flatMap(({ ids }) => ids) },
      };
      return numbersOf(await ledger.find(any, NUMBERS).toArray());
    },

    /** A contact's history, oldest entry first. */
    async ofContact(key: Buffer, limit = 100_000): Promise<LedgerEntry[]> {
      const rows = await ledger
        .find({ contact: binary(key) }, { sort: { number: 1 }, limit, promoteBuffers: true })
        .toArray();
      return rows.map((row) => entryFrom(row as unknown as Row));
    },

    /** The same, a page at a time, for histories that should not be in memory whole; `type` picks one kind of event. */
    async *pages(key: Buffer, options: { readonly type?: string; readonly size?: number } = {}) {
      const { type, size = 500 } = options;
      for (let after = 0; ; ) {
        const filter = { contact: binary(key), number: { $gt: after }, ...(type ? { 'event.type': type } : {}) };
        const rows = await ledger.find(filter, { sort: { number: 1 }, limit: size, promoteBuffers: true }).toArray();
        const last = rows.at(-1);
        if (!last) return;
        yield rows.map((row) => entryFrom(row as unknown as Row));
        after = Number(last.number);
      }
    },

    async byId(id: string): Promise<LedgerEntry | undefined> {
      const row = await ledger.findOne({ id }, { promoteBuffers: true });
      return row ? entryFrom(row as unknown as Row) : undefined;
    },

    async count(): Promise<number> {
      return ledger.estimatedDocumentCount();
    },

    collection: ledger,
    entryFrom: (row: unknown): LedgerEntry => entryFrom(row as Row),
  };
}

export type Ledger = ReturnType<typeof createLedger>;
