import { CommandError } from './errors.js';
import { duplicate, indexKeys } from './indexes.js';
import { matcherOf } from './match.js';
import type { Trace } from './paths.js';
import { type Collection, committedEntries, type Entry, type State, write } from './state.js';
import { type Transaction, type Transactions, writeInTransaction } from './transactions.js';
import { compare, isRow, keyOf, type Row } from './values.js';

/** A collection as one command sees it. */
export interface View {
  readonly collection: Collection;
  readonly entries: ReadonlyMap<string, Entry>;
  /** Writes a document that `checkUnique` has passed; `undefined` takes it out. */
  write(key: string, row: Row | undefined): void;
}

/** What the primary has. */
export function primaryView(state: State, collection: Collection): View {
  const { entries } = collection;
  return { collection, entries, write: (key, row) => write(state, collection, key, row) };
}

/** What a majority has: for reads alone. */
export function committedView(state: State, collection: Collection): View {
  return {
    collection,
    entries: committedEntries(state, collection),
    write() {
      throw new CommandError(72, 'a write reads what the primary has');
    },
  };
}

/** What was there when the transaction began, and what it has written. */
export function transactionView(
  state: State,
  transactions: Transactions,
  transaction: Transaction,
  collection: Collection,
): View {
  const entries = transaction.collections.get(collection.namespace) ?? new Map<string, Entry>();
  transaction.collections.set(collection.namespace, entries);
  return {
    collection,
    entries,
    write: (key, row) => writeInTransaction(state, transactions, transaction, { collection, key, row }),
  };
}

/** Throws when another document has the `_id` or a unique key of this one. */
export function checkUnique({ collection, entries }: View, key: string, row: Row, isNew: boolean): void {
  if (isNew && entries.has(key)) throw duplicate(collection.namespace, '_id_', { _id: 1 }, row);
  for (const index of collection.indexes) {
    if (!index.unique) continue;
    const texts = indexKeys(index, row);
    const isTaken =
      entries === collection.entries
        ? texts.some((text) => (index.owners.get(text) ?? key) !== key)
        : [...entries].some(
            ([other, entry]) => other !== key && indexKeys(index, entry.row).some((text) => texts.includes(text)),
          );
    if (isTaken) throw duplicate(collection.namespace, index.name, index.key, row);
  }
}

/** A document that fits a filter, with the element that matched. */
export interface Match {
  readonly key: string;
  readonly row: Row;
  readonly trace: Trace;
}

/** Those that fit, in the order in which the server would come upon them: natural, or of the `_id` where that is asked for. */
export function* matching(view: View, filter: Row, now: number): Generator<Match> {
  const matches = matcherOf(filter, now);
  for (const [key, { row }] of candidates(view, filter)) {
    const trace: Trace = {};
    if (matches(row, trace)) yield { key, row, trace };
  }
}

function candidates({ entries }: View, { _id }: Row): Iterable<readonly [string, Entry]> {
  // Nothing is put at its end while it is gone through.
  if (_id === undefined) return entries;
  const isOperators = isRow(_id) && Object.keys(_id)[0]?.startsWith('$') === true;
  const wanted = !isOperators ? [_id] : '$eq' in _id ? [_id.$eq] : '$in' in _id ? _id.$in : undefined;
  if (Array.isArray(wanted) && !wanted.some((one) => one instanceof RegExp)) {
    const found = new Map<string, Entry>();
    for (const one of wanted.length > 1 ? [...wanted].sort(compare) : wanted) {
      const key = keyOf(one);
      const entry = entries.get(key);
      if (entry) found.set(key, entry);
    }
    return found;
  }
  return [...entries].sort(([, a], [, b]) => compare(a.row._id, b.row._id));
}
