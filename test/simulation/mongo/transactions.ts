import { CommandError } from './errors.js';
import { type Collection, collectionOf, type Entry, isLost, type State, write } from './state.js';
import type { Row } from './values.js';

/** A transaction that is under way: what it sees, and what it has written, which nobody else sees yet. */
export interface Transaction {
  readonly number: number;
  /** ms */
  readonly begunAt: number;
  /** The documents when it began, and those it has written over them. */
  readonly collections: Map<string, Map<string, Entry>>;
  readonly snapshot: ReadonlyMap<string, ReadonlyMap<string, Entry>>;
  readonly written: Map<string, Set<string>>;
}

/** The transactions of a server by session; `ended` has how the latest of each session ended. */
export interface Transactions {
  readonly open: Map<string, Transaction>;
  readonly ended: Map<string, { readonly number: number; readonly committed: boolean; readonly position: number }>;
}

export const noTransactions = (): Transactions => ({ open: new Map(), ended: new Map() });

const TRANSIENT = { errorLabels: ['TransientTransactionError'] } as const;

export function beginTransaction(
  state: State,
  { open }: Transactions,
  session: string,
  number: number,
  now: number,
): void {
  const snapshot = new Map([...state.collections].map(([namespace, { entries }]) => [namespace, new Map(entries)]));
  const collections = new Map([...snapshot].map(([namespace, entries]) => [namespace, new Map(entries)]));
  open.set(session, { number, begunAt: now, collections, snapshot, written: new Map() });
}

export function openTransaction({ open }: Transactions, session: string, number: number): Transaction {
  const transaction = open.get(session);
  if (transaction?.number === number) return transaction;
  throw new CommandError(
    251,
    `Given transaction number ${number} does not match any in-progress transactions.`,
    TRANSIENT,
  );
}

/** Writes in a transaction. Whoever writes a document second, since the transaction began, is refused. */
export function writeInTransaction(
  state: State,
  transactions: Transactions,
  transaction: Transaction,
  place: { readonly collection: Collection; readonly key: string; readonly row: Row | undefined },
): void {
  const { collection, key, row } = place;
  const { namespace } = collection;
  const others = [...transactions.open.values()].filter((other) => other !== transaction);
  if (others.some(({ written }) => written.get(namespace)?.has(key))) throw conflict();
  checkUnchanged(state, transaction, namespace, key);
  const entries = transaction.collections.get(namespace) ?? new Map<string, Entry>();
  transaction.collections.set(namespace, entries);
  const keys = transaction.written.get(namespace) ?? new Set<string>();
  transaction.written.set(namespace, keys.add(key));
  if (row) entries.set(key, { row, order: entries.get(key)?.order ?? state.nextOrder++ });
  else entries.delete(key);
}

function checkUnchanged(state: State, { snapshot }: Transaction, namespace: string, key: string): void {
  if (collectionOf(state, namespace).entries.get(key) !== snapshot.get(namespace)?.get(key)) throw conflict();
}

function conflict(): CommandError {
  return new CommandError(112, 'Write conflict during plan execution and yielding is disabled.', TRANSIENT);
}

/** Makes what a transaction has written visible, all at once. Committing again is answered alike. */
export function commitTransaction(state: State, transactions: Transactions, session: string, number: number): void {
  const former = transactions.ended.get(session);
  if (former?.number === number && former.committed) return;
  const transaction = openTransaction(transactions, session, number);
  const writes = [...transaction.written].flatMap(([namespace, keys]) => [...keys].map((key) => ({ namespace, key })));
  transactions.open.delete(session);
  transactions.ended.set(session, { number, committed: false, position: 0 });
  for (const { namespace, key } of writes) checkUnchanged(state, transaction, namespace, key);
  const position = state.head + 1;
  for (const { namespace, key } of writes) {
    write(state, collectionOf(state, namespace), key, transaction.collections.get(namespace)?.get(key)?.row, position);
  }
  transactions.ended.set(session, { number, committed: true, position: state.head });
}

export function abortTransaction(transactions: Transactions, session: string, number: number): void {
  openTransaction(transactions, session, number);
  transactions.open.delete(session);
  transactions.ended.set(session, { number, committed: false, position: 0 });
}

/** A new primary knows no transaction that was under way, nor one whose end no majority had. */
export function forgetTransactions(state: State, { open, ended }: Transactions): void {
  open.clear();
  for (const [session, { position }] of ended) if (isLost(state, position)) ended.delete(session);
}

/** Milliseconds after which the server ends a transaction by itself. */
const TRANSACTION_MS = 60_000;

export function endOldTransactions({ open, ended }: Transactions, now: number): void {
  for (const [session, { number, begunAt }] of open) {
    if (now - begunAt < TRANSACTION_MS) continue;
    open.delete(session);
    ended.set(session, { number, committed: false, position: 0 });
  }
}
