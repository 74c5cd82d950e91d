import type { Connection, Model, QueryFilter, Types } from 'mongoose';
import type { Machine } from '../core/machine.js';
import { DURABLE } from './connect.js';
import type { Ledger, LedgerEntry, LedgerRow } from './ledger.js';
import { collectionSchema } from './schema.js';
import type { LogStore } from './transparency-log.js';

/** A ledger entry that has no leaf yet. */
export interface Unsealed {
  /** The store's own name of the row. */
  readonly row: Types.ObjectId;
  readonly entry: LedgerEntry;
}

/** A ledger row without a leaf. */
export interface Stray {
  readonly row: Types.ObjectId;
  readonly event: string;
  /** When it was recorded. */
  readonly since: Date;
  /** True when the sealer will come to it by itself. */
  readonly marked: boolean;
}

/** An erasure whose salts are still to be destroyed. */
export interface Forgetting {
  readonly contact: Buffer;
  /** Event id of the erasure. */
  readonly event: string;
}

interface ForgetRow extends Forgetting {
  /** The contact (hex). */
  readonly _id: string;
  readonly at: Date;
}

const forgetSchema = collectionSchema<ForgetRow>('log_forgets', {
  _id: { type: String, required: true },
  contact: { type: Buffer, required: true },
  event: { type: String, required: true },
  at: { type: Date, required: true },
});

/** Only rows a majority has: one that is rolled back after it was sealed would be missing for ever. */
const COMMITTED = 'majority';
/** Rows a catch-up looks at at once. */
const PAGE = 2000;

/**
 * What waits for the sealer.
 *
 * A ledger row is inserted with `unsealed` and loses it when it has its leaf. Asking for "rows after the last one" would
 * miss rows: several projectors insert at once, and one with a smaller id or time may commit later. The mark is in the
 * same write as the row, so there is no row without it; it is bookkeeping, in a sparse index as long as the backlog, and
 * no part of what the leaf commits to. Unsetting it comes last, so a crash leaves a row that is found twice, which the
 * unique index on contact and event makes harmless.
 */
export function createLogQueue(
  connection: Connection,
  ledger: Ledger,
  logStore: LogStore,
  machine: Pick<Machine, 'now'>,
) {
  const forgets = connection.model<ForgetRow>('LogForget', forgetSchema);
  const rows = ledger.model;

  async function* withoutLeaf(filter: QueryFilter<LedgerRow>): AsyncGenerator<Stray> {
    let after: Types.ObjectId | undefined;
    for (;;) {
      const page = await rows
        .find({ ...filter, ...(after ? { _id: { $gt: after } } : {}) }, { event: 0 })
        .readConcern(COMMITTED)
        .sort({ _id: 1 })
        .limit(PAGE)
        .lean();
      const known = await logStore.known(page.map(({ contact, id }) => ({ contact, event: id })));
      for (const row of page) {
        if (known.has(`${row.contact.toString('hex')}/${row.id}`)) continue;
        yield { row: row._id, event: row.id, since: row.recordedAt ?? new Date(0), marked: row.unsealed !== undefined };
      }
      after = page.at(-1)?._id;
      if (page.length < PAGE) return;
    }
  }

  return {
    models: [forgets] as const,

    /** The oldest entries without a leaf. */
    async unsealed(limit: number): Promise<Unsealed[]> {
      const waiting = rows.find({ unsealed: { $exists: true } }).readConcern(COMMITTED);
      const found = await waiting.sort({ unsealed: 1 }).limit(limit).lean();
      return found.map((row) => ({ row: row._id, entry: ledger.entryFrom(row) }));
    },

    /** Says that these rows have their leaves. */
    async settle(sealed: readonly Types.ObjectId[]): Promise<void> {
      if (sealed.length === 0) return;
      await rows.updateMany({ _id: { $in: sealed } }, { $unset: { unsealed: '' } }, { writeConcern: DURABLE });
    },

    /**
     * Marks rows that have neither leaf nor mark: those written before there was a log, or brought in past the ledger's
     * own insert. Returns how many. Reads the whole ledger: for a start, and for when the counts do not agree.
     */
    async catchUp(): Promise<number> {
      let marked = 0;
      for await (const { row, since } of withoutLeaf({ unsealed: { $exists: false } })) {
        await rows.updateOne({ _id: row }, { $set: { unsealed: since } }, { writeConcern: DURABLE });
        marked++;
      }
      return marked;
    },

    /** Every ledger row without a leaf, marked or not. Reads the whole ledger. */
    strays: () => withoutLeaf({}),

    /** The ledger's entries of these events, as `contact hex/event`. */
    async bodies(
      pairs: readonly { readonly contact: Buffer; readonly event: string }[],
    ): Promise<Map<string, LedgerEntry>> {
      if (pairs.length === 0) return new Map();
      const found = await rows
        .find({
          contact: { $in: pairs.map(({ contact }) => contact) },
          id: { $in: pairs.map(({ event }) => event) },
        })
        .readConcern(COMMITTED)
        .lean();
      return new Map(found.map((row) => [`${row.contact.toString('hex')}/${row.id}`, ledger.entryFrom(row)]));
    },

    /** True when the ledger seems to have entries that have neither a leaf nor a mark. By estimates, so cheap. */
    async seemsBehind(): Promise<boolean> {
      const [entries, leaves, waiting] = await Promise.all([
        ledger.count(),
        logStore.count(),
        rows.countDocuments({ unsealed: { $exists: true } }, { hint: { unsealed: 1 }, limit: 100_000 }),
      ]);
      return entries > leaves + waiting;
    },

    /** True while entries of a contact wait for their leaves. */
    async isWaiting(contact: Buffer): Promise<boolean> {
      return (await rows.exists({ contact, unsealed: { $exists: true } })) !== null;
    },

    ...logForgets(forgets, rows, machine),
  };
}

export type LogQueue = ReturnType<typeof createLogQueue>;

/** Erasures whose salts are still to be destroyed. */
function logForgets(forgets: Model<ForgetRow>, rows: Model<LedgerRow>, machine: Pick<Machine, 'now'>) {
  return {
    /** Asks for a contact's salts to be destroyed. Durable when it resolves; asking twice is asking once. */
    async requestForget(contact: Buffer): Promise<void> {
      const last = (filter: QueryFilter<LedgerRow>) =>
        rows.findOne(filter, { id: 1 }).sort({ number: -1 }).readConcern(COMMITTED).lean();
      const latest = (await last({ contact, 'event.type': 'erased' })) ?? (await last({ contact }));
      if (!latest) return;
      await forgets.updateOne(
        { _id: contact.toString('hex') },
        { $set: { contact, event: latest.id }, $setOnInsert: { at: new Date(machine.now()) } },
        { upsert: true, writeConcern: DURABLE },
      );
    },

    forgets: async (limit: number): Promise<Forgetting[]> =>
      forgets.find({}, { _id: 0, contact: 1, event: 1 }).readConcern(COMMITTED).sort({ at: 1 }).limit(limit).lean(),

    async finishForget({ contact, event }: Forgetting): Promise<void> {
      await forgets.deleteOne({ _id: contact.toString('hex'), event }, { writeConcern: DURABLE });
    },
  };
}
