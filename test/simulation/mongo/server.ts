import {
  createIndexes,
  drop,
  dropIndexes,
  hello,
  listCollections,
  listIndexes,
  ping,
  unknown,
} from './administration.js';
import { type Context, contextOf, type ServerState } from './command.js';
import { CommandError, failed } from './errors.js';
import { isExpired } from './indexes.js';
import { aggregate, count, distinct, find, getMore, killCursors } from './reads.js';
import { checkRetry } from './retries.js';
import { commit, emptyState, isLost, rollBack, write } from './state.js';
import {
  abortTransaction,
  beginTransaction,
  commitTransaction,
  endOldTransactions,
  forgetTransactions,
  noTransactions,
} from './transactions.js';
import { isRow, keyOf, type Row, receivedRow } from './values.js';
import { findAndModify, insert, remove, update } from './writes.js';

/** What a command is answered, and from when on. */
export interface Answer {
  /** What the client is sent, with the documents of the server itself: to be copied, never changed. */
  readonly reply: Row;
  /** The place in the oplog that a majority must have before a write of `w: majority` is answered; absent for a read. */
  readonly position?: number;
}

/** One replica set. Everything happens at once, in the order in which it is called; whoever holds it decides when. */
export interface SimulatedMongo {
  /** Applies a command on the primary. What the server would refuse is an answer with `ok: 0`; throws for what it does not know. */
  execute(db: string, command: object): Answer;
  /** The last change, and the last that a majority has. */
  head(): number;
  commitPoint(): number;
  /** A majority has every change up to this one. */
  commit(upTo: number): void;
  /** Whether a failover took the change at this position with it. */
  isLost(position: number): boolean;
  /** Another member becomes the primary, with what a majority has. Whoever has a command under way must fail it. */
  failover(): void;
  /** Removes what TTL indexes say, and ends transactions that are too old. Returns how many documents went. */
  removeExpired(): number;
  /** The documents of a collection, as the primary or as a majority has them, in natural order. Not to be changed. */
  documents(db: string, collection: string, level?: 'local' | 'majority'): readonly Row[];
}

const COMMANDS: Readonly<Record<string, (context: Context) => Row>> = {
  insert,
  update,
  delete: remove,
  findAndModify,
  findandmodify: findAndModify,
  find,
  getMore,
  killCursors,
  aggregate,
  count,
  distinct,
  createIndexes,
  listIndexes,
  dropIndexes,
  listCollections,
  drop,
  hello,
  ismaster: hello,
  ping,
  endSessions: ping,
};

const WRITES = new Set([
  'insert',
  'update',
  'delete',
  'findAndModify',
  'findandmodify',
  'createIndexes',
  'dropIndexes',
  'drop',
  'commitTransaction',
]);

/** @param now ms; the server's own clock */
export function createSimulatedMongo({ now }: { readonly now: () => number }): SimulatedMongo {
  const server: ServerState = { state: emptyState(), transactions: noTransactions(), cursors: new Map() };
  const { state, transactions, cursors } = server;
  return {
    execute(db, command) {
      const row = receivedRow(command);
      const [name = ''] = Object.keys(row);
      const reply = answer(server, db, row, now());
      // One that changed nothing, too, waits for what was there when it was run: it may depend on that.
      return WRITES.has(name) ? { reply, position: state.head } : { reply };
    },
    head: () => state.head,
    commitPoint: () => state.committed,
    commit: (upTo) => commit(state, upTo),
    isLost: (position) => isLost(state, position),
    failover() {
      rollBack(state);
      forgetTransactions(state, transactions);
      cursors.clear();
    },
    removeExpired: () => removeExpired(server, now()),
    documents(db, collection, level = 'local') {
      const found = answer(server, db, { find: collection, readConcern: { level }, batchSize: 2 ** 31 }, now());
      const batch = isRow(found.cursor) ? found.cursor.firstBatch : [];
      return Array.isArray(batch) ? batch : [];
    },
  };
}

function answer(server: ServerState, db: string, command: Row, now: number): Row {
  try {
    return run(server, db, command, now);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return failed(error);
  }
}

function run(server: ServerState, db: string, command: Row, now: number): Row {
  const { state, transactions } = server;
  const session = isRow(command.lsid) ? keyOf(command.lsid.id) : '';
  const number = Number(command.txnNumber);
  if ('commitTransaction' in command) {
    commitTransaction(state, transactions, session, number);
    return { ok: 1 };
  }
  if ('abortTransaction' in command) {
    abortTransaction(transactions, session, number);
    return { ok: 1 };
  }
  if (command.startTransaction === true) beginTransaction(state, transactions, session, number, now);
  const context = contextOf(server, db, command, now);
  checkRetry(context);
  const [name = ''] = Object.keys(command);
  if (!context.transaction) return (COMMANDS[name] ?? unknown)(context);
  try {
    const reply = (COMMANDS[name] ?? unknown)(context);
    // Any error ends a transaction.
    if (reply.writeErrors !== undefined) abortTransaction(transactions, session, number);
    return reply;
  } catch (error) {
    if (error instanceof CommandError) abortTransaction(transactions, session, number);
    throw error;
  }
}

function removeExpired({ state, transactions }: ServerState, now: number): number {
  endOldTransactions(transactions, now);
  let removed = 0;
  for (const collection of state.collections.values()) {
    const timed = collection.indexes.filter(({ expireAfterSeconds }) => expireAfterSeconds !== undefined);
    if (timed.length === 0) continue;
    for (const [key, { row }] of [...collection.entries]) {
      if (!timed.some((index) => isExpired(index, row, now))) continue;
      write(state, collection, key, undefined);
      removed++;
    }
  }
  return removed;
}
