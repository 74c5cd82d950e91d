import { UnknownToSimulation } from './errors.js';
import { type Collection, collectionOf, type State } from './state.js';
import { openTransaction, type Transaction, type Transactions } from './transactions.js';
import { isRow, keyOf, type Row } from './values.js';
import { committedView, primaryView, transactionView, type View } from './view.js';

/** Documents that a client has not fetched yet. */
export interface Cursor {
  readonly namespace: string;
  readonly rest: readonly Row[];
}

/** All that a server knows. */
export interface ServerState {
  readonly state: State;
  readonly transactions: Transactions;
  readonly cursors: Map<number, Cursor>;
}

/** A command under way. */
export interface Context {
  readonly server: ServerState;
  readonly db: string;
  readonly command: Row;
  /** ms */
  readonly now: number;
  /** Of the client's session and, for a retryable write or in a transaction, its number in it. */
  readonly session: string | undefined;
  readonly number: number | undefined;
  readonly transaction: Transaction | undefined;
}

export function contextOf(server: ServerState, db: string, command: Row, now: number): Context {
  const { lsid, txnNumber, autocommit } = command;
  const session = isRow(lsid) ? keyOf(lsid.id) : undefined;
  const number = typeof txnNumber === 'number' ? txnNumber : undefined;
  const isInTransaction = autocommit === false && session !== undefined && number !== undefined;
  return {
    server,
    db,
    command,
    now,
    session,
    number,
    transaction: isInTransaction ? openTransaction(server.transactions, session, number) : undefined,
  };
}

export function namespaceOf({ db }: Context, name: unknown): string {
  if (typeof name !== 'string') throw new UnknownToSimulation('a command without a collection');
  return `${db}.${name}`;
}

function collectionIn(context: Context, name: unknown): Collection {
  return collectionOf(context.server.state, namespaceOf(context, name));
}

/** The collection for a write. */
export function writableView(context: Context, name: unknown): View {
  const { server, transaction } = context;
  const collection = collectionIn(context, name);
  return transaction
    ? transactionView(server.state, server.transactions, transaction, collection)
    : primaryView(server.state, collection);
}

/** The collection for a read, at the read concern of the command. */
export function readableView(context: Context, name: unknown): View {
  const { server, command, transaction } = context;
  if (transaction) return writableView(context, name);
  const level = isRow(command.readConcern) ? (command.readConcern.level ?? 'local') : 'local';
  const collection = collectionIn(context, name);
  if (level === 'local' || level === 'available') return primaryView(server.state, collection);
  if (level === 'majority') return committedView(server.state, collection);
  throw new UnknownToSimulation(`the read concern ${String(level)}`);
}

const COMMON = [
  'lsid',
  'txnNumber',
  'startTransaction',
  'autocommit',
  'readConcern',
  'writeConcern',
  'maxTimeMS',
  'comment',
  '$db',
  '$clusterTime',
  '$readPreference',
];

/** Throws for a field that would otherwise be passed over without a word. */
export function checkFields(command: Row, known: readonly string[]): void {
  const unknown = Object.keys(command).find((field) => !known.includes(field) && !COMMON.includes(field));
  if (unknown !== undefined) throw new UnknownToSimulation(`the field ${unknown} of ${Object.keys(command)[0]}`);
}

export function rowOf(value: unknown): Row {
  if (value === undefined || value === null) return {};
  if (!isRow(value)) throw new UnknownToSimulation('what is no object where one is needed');
  return value;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
