import { type Index, indexKeys } from './indexes.js';
import type { Row } from './values.js';

/** A document with its place in the natural order. */
export interface Entry {
  readonly row: Row;
  readonly order: number;
}

export interface Collection {
  /** `database.collection` */
  readonly namespace: string;
  /** By the key of the `_id`, in natural order. */
  entries: Map<string, Entry>;
  indexes: readonly Index[];
}

/** One change of one document or of the indexes of a collection, as the other members copy it. */
interface Operation {
  readonly position: number;
  readonly collection: Collection;
  /** Key of the document's `_id`; absent for a change of indexes. */
  readonly key?: string;
  readonly before: Entry | undefined;
  readonly indexesBefore?: readonly Index[];
}

/** What a statement answered, so that its retry is answered alike. */
export interface Outcome {
  readonly position: number;
  readonly result: Row;
}

/** The retryable writes of a session: the latest, by its number, and its statements. */
export interface RetryRecord {
  readonly transaction: number;
  readonly statements: Map<number, Outcome>;
}

/** A replica set: what its primary has, and how much of it a majority has. */
export interface State {
  readonly collections: Map<string, Collection>;
  /** Changes that no majority has yet, oldest first. */
  uncommitted: Operation[];
  /** Position of the last change, and of the last that a majority has. Positions are never given twice. */
  head: number;
  committed: number;
  /** The positions that failovers took with them. */
  readonly lost: { readonly after: number; readonly upTo: number }[];
  nextOrder: number;
  nextId: number;
  readonly retries: Map<string, RetryRecord>;
}

export function emptyState(): State {
  return {
    collections: new Map(),
    uncommitted: [],
    head: 0,
    committed: 0,
    lost: [],
    nextOrder: 1,
    nextId: 1,
    retries: new Map(),
  };
}

export function collectionOf(state: State, namespace: string): Collection {
  const known = state.collections.get(namespace);
  if (known) return known;
  const made: Collection = { namespace, entries: new Map(), indexes: [] };
  state.collections.set(namespace, made);
  return made;
}

/**
 * Puts a document in the place of the one of its `_id`, or takes that one out; the oplog has it.
 *
 * @param position of a transaction, whose changes share one
 */
export function write(
  state: State,
  collection: Collection,
  key: string,
  row: Row | undefined,
  position = state.head + 1,
): void {
  const before = collection.entries.get(key);
  if (!before && !row) return;
  state.head = position;
  state.uncommitted.push({ position, collection, key, before });
  const order = before ? before.order : state.nextOrder++;
  put(collection, key, row && { row, order });
}

function put(collection: Collection, key: string, entry: Entry | undefined): void {
  const before = collection.entries.get(key);
  for (const index of collection.indexes) {
    if (!index.unique) continue;
    if (before) {
      for (const text of indexKeys(index, before.row)) if (index.owners.get(text) === key) index.owners.delete(text);
    }
    if (entry) for (const text of indexKeys(index, entry.row)) index.owners.set(text, key);
  }
  if (entry) collection.entries.set(key, entry);
  else collection.entries.delete(key);
}

export function setIndexes(state: State, collection: Collection, indexes: readonly Index[]): void {
  const { indexes: indexesBefore } = collection;
  state.uncommitted.push({ position: ++state.head, collection, before: undefined, indexesBefore });
  collection.indexes = indexes;
  for (const index of indexes) if (index.unique) fillOwners(collection, index);
}

function fillOwners(collection: Collection, index: Index): void {
  index.owners.clear();
  for (const [key, { row }] of collection.entries)
    for (const text of indexKeys(index, row)) index.owners.set(text, key);
}

/** A majority has everything up to this position. */
export function commit(state: State, position: number): void {
  if (position <= state.committed) return;
  state.committed = Math.min(position, state.head);
  const first = state.uncommitted.findIndex((operation) => operation.position > state.committed);
  state.uncommitted = first < 0 ? [] : state.uncommitted.slice(first);
}

/**
 * Another member becomes the primary: what no majority has is gone, and nobody remembers it. Positions go on after those
 * that are lost, so that nobody takes a new change for a lost one.
 */
export function rollBack(state: State): void {
  state.lost.push({ after: state.committed, upTo: state.head });
  const touched = new Set<Collection>();
  for (const { collection, key, before, indexesBefore } of state.uncommitted.reverse()) {
    touched.add(collection);
    if (key !== undefined) put(collection, key, before);
    if (!indexesBefore) continue;
    collection.indexes = indexesBefore;
    for (const index of indexesBefore) if (index.unique) fillOwners(collection, index);
  }
  for (const collection of touched) collection.entries = inOrder(collection.entries);
  state.uncommitted = [];
  state.committed = state.head;
  for (const { statements } of state.retries.values()) {
    for (const [statement, { position }] of statements) if (isLost(state, position)) statements.delete(statement);
  }
}

/** Whether a failover took the change at this position with it. */
export function isLost({ lost }: State, position: number): boolean {
  return lost.some(({ after, upTo }) => position > after && position <= upTo);
}

function inOrder(entries: ReadonlyMap<string, Entry>): Map<string, Entry> {
  return new Map([...entries].sort(([, a], [, b]) => a.order - b.order));
}

/** The documents of a collection as a majority has them. */
export function committedEntries(state: State, collection: Collection): ReadonlyMap<string, Entry> {
  const former = new Map<string, Entry | undefined>();
  for (const { collection: changed, key, before } of state.uncommitted) {
    if (changed === collection && key !== undefined && !former.has(key)) former.set(key, before);
  }
  if (former.size === 0) return collection.entries;
  const entries = new Map(collection.entries);
  for (const [key, before] of former) {
    if (before) entries.set(key, before);
    else entries.delete(key);
  }
  return inOrder(entries);
}
