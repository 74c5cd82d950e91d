import { type Context, type Cursor, checkFields, listOf, namespaceOf, readableView, rowOf } from './command.js';
import { CommandError, UnknownToSimulation } from './errors.js';
import { hinted } from './indexes.js';
import { valuesAt } from './paths.js';
import { aggregated } from './pipeline.js';
import { projectionOf, sorted } from './shape.js';
import { keyOf, type Row } from './values.js';
import { matching, type View } from './view.js';

/** Documents in the first batch of a cursor whose size nobody has asked for. */
const FIRST_BATCH = 101;

const FIND_FIELDS = ['filter', 'sort', 'projection', 'skip', 'limit', 'batchSize', 'singleBatch', 'hint'];

function found(view: View, filter: Row, hint: unknown, now: number): readonly Row[] {
  const index = hinted(view.collection.indexes, hint);
  const rows = [...matching(view, filter, now)].map(({ row }) => row);
  // A sparse index that is asked for by name finds what is in it alone.
  const paths = index?.sparse ? Object.keys(index.key).map((path) => path.split('.')) : [];
  return paths.length === 0 ? rows : rows.filter((row) => paths.some((parts) => valuesAt(row, parts).length > 0));
}

export function find(context: Context): Row {
  const { command, now } = context;
  checkFields(command, ['find', 'noCursorTimeout', 'allowDiskUse', ...FIND_FIELDS]);
  const view = readableView(context, command.find);
  const rows = sorted(found(view, rowOf(command.filter), command.hint, now), rowOf(command.sort));
  const skip = Number(command.skip ?? 0);
  const limit = Number(command.limit ?? 0);
  const wanted = rows.slice(skip, limit > 0 ? skip + limit : undefined).map(projectionOf(rowOf(command.projection)));
  const size = Number(command.batchSize ?? FIRST_BATCH);
  return opened(context, command.find, command.singleBatch === true ? wanted.slice(0, size) : wanted, size);
}

export function aggregate(context: Context): Row {
  const { command, now } = context;
  checkFields(command, ['aggregate', 'pipeline', 'cursor', 'hint', 'allowDiskUse']);
  const view = readableView(context, command.aggregate);
  const [first, ...stages] = listOf(command.pipeline);
  const filter = rowOf(rowOf(first).$match);
  const rows = found(view, filter, command.hint, now);
  const pipeline = rowOf(first).$match === undefined ? listOf(command.pipeline) : stages;
  return opened(
    context,
    command.aggregate,
    aggregated(rows, pipeline, now),
    Number(rowOf(command.cursor).batchSize ?? FIRST_BATCH),
  );
}

function opened(context: Context, name: unknown, rows: readonly Row[], size: number): Row {
  const ns = namespaceOf(context, name);
  const { cursors } = context.server;
  const rest = rows.slice(size);
  const id = rest.length === 0 ? 0 : nextId(cursors);
  if (id > 0) cursors.set(id, { namespace: ns, rest });
  return { cursor: { firstBatch: rows.slice(0, size), id, ns }, ok: 1 };
}

function nextId(cursors: ReadonlyMap<number, Cursor>): number {
  return Math.max(1000, ...cursors.keys()) + 1;
}

export function getMore(context: Context): Row {
  const { command, server } = context;
  checkFields(command, ['getMore', 'collection', 'batchSize']);
  const id = Number(command.getMore);
  const cursor = server.cursors.get(id);
  if (!cursor) throw new CommandError(43, `cursor id ${id} not found`);
  const size = command.batchSize === undefined ? cursor.rest.length : Number(command.batchSize);
  const rest = cursor.rest.slice(size);
  if (rest.length > 0) server.cursors.set(id, { ...cursor, rest });
  else server.cursors.delete(id);
  return {
    cursor: { nextBatch: cursor.rest.slice(0, size), id: rest.length > 0 ? id : 0, ns: cursor.namespace },
    ok: 1,
  };
}

export function killCursors({ command, server }: Context): Row {
  checkFields(command, ['killCursors', 'cursors']);
  const [cursorsKilled, cursorsNotFound] = [listOf(command.cursors).map(Number), []];
  for (const id of cursorsKilled) server.cursors.delete(id);
  return { cursorsKilled, cursorsNotFound, cursorsAlive: [], cursorsUnknown: [], ok: 1 };
}

export function count(context: Context): Row {
  const { command, now } = context;
  checkFields(command, ['count', 'query', 'limit', 'skip', 'hint']);
  if (command.skip !== undefined) throw new UnknownToSimulation('skip in count');
  const view = readableView(context, command.count);
  const rows = found(view, rowOf(command.query), command.hint, now);
  const limit = Number(command.limit ?? 0);
  return { n: limit > 0 ? Math.min(limit, rows.length) : rows.length, ok: 1 };
}

export function distinct(context: Context): Row {
  const { command, now } = context;
  checkFields(command, ['distinct', 'key', 'query']);
  const view = readableView(context, command.distinct);
  const parts = String(command.key).split('.');
  const values = new Map<string, unknown>();
  for (const { row } of matching(view, rowOf(command.query), now)) {
    for (const value of valuesAt(row, parts)) values.set(keyOf(value), value);
  }
  return { values: [...values.values()], ok: 1 };
}
