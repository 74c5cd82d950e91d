import { type Context, checkFields, listOf, namespaceOf, rowOf } from './command.js';
import { CommandError, UnknownToSimulation } from './errors.js';
import { describe, duplicate, type Index, indexFrom, indexKeys } from './indexes.js';
import { matcherOf } from './match.js';
import { type Collection, collectionOf, setIndexes, write } from './state.js';
import { isEqual, type Row } from './values.js';

export function createIndexes(context: Context): Row {
  const { command, server } = context;
  checkFields(command, ['createIndexes', 'indexes', 'commitQuorum']);
  const isNew = !server.state.collections.has(namespaceOf(context, command.createIndexes));
  const collection = collectionOf(server.state, namespaceOf(context, command.createIndexes));
  const before = collection.indexes;
  const added = listOf(command.indexes)
    .map((spec) => indexFrom(rowOf(spec)))
    .filter((index) => !isThere(before, index));
  for (const index of added) if (index.unique) checkIndex(collection, index);
  if (added.length > 0) setIndexes(server.state, collection, [...before, ...added]);
  return {
    numIndexesBefore: before.length + 1,
    numIndexesAfter: collection.indexes.length + 1,
    ...(isNew ? { createdCollectionAutomatically: true } : {}),
    ...(added.length === 0 ? { note: 'all indexes already exist' } : { commitQuorum: 'votingMembers' }),
    ok: 1,
  };
}

function isThere(indexes: readonly Index[], index: Index): boolean {
  const same = indexes.find(({ name, key }) => name === index.name || isEqual(key, index.key));
  if (same && !isEqual(describe(same), describe(index))) {
    throw new CommandError(86, `An existing index has the same name as the requested index: ${index.name}`);
  }
  return same !== undefined || isEqual(index.key, { _id: 1 });
}

function checkIndex({ namespace, entries }: Collection, index: Index): void {
  const owners = new Set<string>();
  for (const { row } of entries.values()) {
    for (const text of indexKeys(index, row)) {
      if (owners.has(text)) throw duplicate(namespace, index.name, index.key, row);
      owners.add(text);
    }
  }
}

function existing(context: Context, name: unknown): Collection {
  const namespace = namespaceOf(context, name);
  const collection = context.server.state.collections.get(namespace);
  if (!collection) throw new CommandError(26, `ns does not exist: ${namespace}`);
  return collection;
}

export function listIndexes(context: Context): Row {
  const { command } = context;
  checkFields(command, ['listIndexes', 'cursor']);
  const { namespace, indexes } = existing(context, command.listIndexes);
  const firstBatch = [{ v: 2, key: { _id: 1 }, name: '_id_' }, ...indexes.map(describe)];
  return { cursor: { firstBatch, id: 0, ns: namespace }, ok: 1 };
}

export function dropIndexes(context: Context): Row {
  const { command, server } = context;
  checkFields(command, ['dropIndexes', 'index']);
  const collection = existing(context, command.dropIndexes);
  const left = collection.indexes.filter(({ name }) => name !== command.index);
  const nIndexesWas = collection.indexes.length + 1;
  if (left.length === collection.indexes.length) {
    throw new CommandError(27, `index not found with name [${String(command.index)}]`);
  }
  setIndexes(server.state, collection, left);
  return { nIndexesWas, ok: 1 };
}

export function listCollections({ command, db, server, now }: Context): Row {
  checkFields(command, ['listCollections', 'filter', 'nameOnly', 'authorizedCollections', 'cursor']);
  const matches = matcherOf(rowOf(command.filter), now);
  const firstBatch = [...server.state.collections.keys()]
    .filter((namespace) => namespace.startsWith(`${db}.`))
    .map((namespace): Row => ({ name: namespace.slice(db.length + 1), type: 'collection' }))
    .filter((row) => matches(row, {}));
  return { cursor: { firstBatch, id: 0, ns: `${db}.$cmd.listCollections` }, ok: 1 };
}

/** Empties a collection and takes its indexes. That it was there is still known. */
export function drop(context: Context): Row {
  const { command, server } = context;
  checkFields(command, ['drop']);
  const namespace = namespaceOf(context, command.drop);
  const collection = server.state.collections.get(namespace);
  if (!collection) return { ok: 1 };
  for (const key of [...collection.entries.keys()]) write(server.state, collection, key, undefined);
  const nIndexesWas = collection.indexes.length + 1;
  if (nIndexesWas > 1) setIndexes(server.state, collection, []);
  return { nIndexesWas, ns: namespace, ok: 1 };
}

export function hello({ command, now }: Context): Row {
  checkFields(command, ['hello', 'ismaster', 'isMaster']);
  return {
    isWritablePrimary: true,
    setName: 'simulated',
    hosts: ['simulated:27017'],
    me: 'simulated:27017',
    maxBsonObjectSize: 16_777_216,
    maxMessageSizeBytes: 48_000_000,
    maxWriteBatchSize: 100_000,
    localTime: new Date(now),
    logicalSessionTimeoutMinutes: 30,
    minWireVersion: 0,
    maxWireVersion: 21,
    readOnly: false,
    ok: 1,
  };
}

export function ping(): Row {
  return { ok: 1 };
}

export function unknown({ command }: Context): Row {
  throw new UnknownToSimulation(`the command ${Object.keys(command)[0]}`);
}
