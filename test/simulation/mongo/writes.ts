import { ObjectId } from 'mongodb';
import { type Context, checkFields, listOf, rowOf, writableView } from './command.js';
import { CommandError } from './errors.js';
import { hinted } from './indexes.js';
import { retried } from './retries.js';
import { projectionOf, sorted } from './shape.js';
import { type Change, checkChange, updated } from './update.js';
import { checkUpsertFilter, upserted } from './upsert.js';
import { isRow, keyOf, type Row } from './values.js';
import { checkUnique, type Match, matching, type View } from './view.js';

/** Ids that the server gives, in a row. */
function makeId({ server: { state }, now }: Context): ObjectId {
  const time = Math.floor(now / 1000)
    .toString(16)
    .padStart(8, '0');
  return new ObjectId(`${time}5e12e50000${(state.nextId++).toString(16).padStart(6, '0')}`);
}

export function insert(context: Context): Row {
  const { command } = context;
  checkFields(command, ['insert', 'documents', 'ordered', 'bypassDocumentValidation']);
  const view = writableView(context, command.insert);
  return inStatements(context, listOf(command.documents), (document) => {
    const { _id = makeId(context), ...rest } = rowOf(document);
    add(view, { _id, ...rest });
    return { n: 1 };
  });
}

export function update(context: Context): Row {
  const { command } = context;
  checkFields(command, ['update', 'updates', 'ordered', 'bypassDocumentValidation']);
  const view = writableView(context, command.update);
  return inStatements(context, listOf(command.updates), (statement) => updateOnce(context, view, rowOf(statement)));
}

export function remove(context: Context): Row {
  const { command } = context;
  checkFields(command, ['delete', 'deletes', 'ordered']);
  const view = writableView(context, command.delete);
  return inStatements(context, listOf(command.deletes), (one) => {
    const statement = rowOf(one);
    checkFields(statement, ['q', 'limit', 'hint']);
    hinted(view.collection.indexes, statement.hint);
    const found = [...matching(view, rowOf(statement.q), context.now)];
    const gone = statement.limit === 1 ? found.slice(0, 1) : found;
    for (const { key } of gone) view.write(key, undefined);
    return { n: gone.length };
  });
}

/** Runs the statements of a command, one after the other, and adds up what they answer. */
function inStatements(context: Context, statements: readonly unknown[], run: (statement: unknown) => Row): Row {
  const isOrdered = context.command.ordered !== false;
  const totals = { n: 0, nModified: 0 };
  const upserts: Row[] = [];
  const writeErrors: Row[] = [];
  const retriedStmtIds: number[] = [];
  for (const [index, statement] of statements.entries()) {
    try {
      const { result, isRetry } = retried(context, index, () => run(statement));
      if (isRetry) retriedStmtIds.push(index);
      totals.n += Number(result.n);
      totals.nModified += Number(result.nModified ?? 0);
      if (result.upserted !== undefined) upserts.push({ index, _id: result.upserted });
    } catch (error) {
      // Of a transaction the whole command fails.
      if (!(error instanceof CommandError) || 'errorLabels' in error.more) throw error;
      writeErrors.push({ index, code: error.code, errmsg: error.message, ...error.more });
      if (isOrdered) break;
    }
  }
  return {
    n: totals.n,
    ...('update' in context.command ? { nModified: totals.nModified } : {}),
    ...(upserts.length > 0 ? { upserted: upserts } : {}),
    ...(writeErrors.length > 0 ? { writeErrors } : {}),
    ...(retriedStmtIds.length > 0 ? { retriedStmtIds } : {}),
    ok: 1,
  };
}

function add(view: View, row: Row): void {
  const key = keyOf(row._id);
  checkUnique(view, key, row, true);
  view.write(key, row);
}

/** Changes a document that was found; the same document comes back when that changes nothing. */
function change(view: View, { key, row, trace }: Match, by: Change, now: number): Row {
  const next = updated(row, by, { trace, inserting: false, now });
  if (next === row) return row;
  checkUnique(view, key, next, false);
  view.write(key, next);
  return next;
}

function changeIn(statement: Row, field: string): Change {
  const by = statement[field];
  if (!isRow(by) && !Array.isArray(by)) throw new CommandError(9, 'an update is an object or a list');
  checkChange(by);
  return by;
}

function updateOnce(context: Context, view: View, statement: Row): Row {
  checkFields(statement, ['q', 'u', 'multi', 'upsert', 'hint']);
  const { now } = context;
  const filter = rowOf(statement.q);
  const by = changeIn(statement, 'u');
  hinted(view.collection.indexes, statement.hint);
  if (statement.upsert === true) checkUpsertFilter(filter);
  let n = 0;
  let nModified = 0;
  for (const match of matching(view, filter, now)) {
    n++;
    if (change(view, match, by, now) !== match.row) nModified++;
    if (statement.multi !== true) break;
  }
  if (n > 0 || statement.upsert !== true) return { n, nModified };
  const row = upserted(filter, by, now, () => makeId(context));
  add(view, row);
  return { n: 1, nModified: 0, upserted: row._id };
}

const MODIFY_FIELDS = [
  'query',
  'update',
  'remove',
  'new',
  'upsert',
  'sort',
  'fields',
  'bypassDocumentValidation',
  'hint',
];

export function findAndModify(context: Context): Row {
  const { command } = context;
  checkFields(command, ['findAndModify', 'findandmodify', ...MODIFY_FIELDS]);
  const view = writableView(context, command.findAndModify ?? command.findandmodify);
  const { result, isRetry } = retried(context, 0, () => modifyFound(context, view));
  if (isRetry) return { ...result, retriedStmtId: 0, ok: 1 };
  // A retry is answered with the whole document: the server keeps no projection of it.
  const shown = projectionOf(rowOf(command.fields));
  return { ...result, value: isRow(result.value) ? shown(result.value) : null, ok: 1 };
}

function modifyFound(context: Context, view: View): Row {
  const { command, now } = context;
  const filter = rowOf(command.query);
  if (command.upsert === true) checkUpsertFilter(filter);
  const found = [...matching(view, filter, now)];
  const [first] = sorted(
    found.map(({ row }) => row),
    rowOf(command.sort),
  );
  const match = found.find(({ row }) => row === first);
  if (command.remove === true) {
    if (match) view.write(match.key, undefined);
    return { lastErrorObject: { n: match ? 1 : 0 }, value: match ? match.row : null };
  }
  const by = changeIn(command, 'update');
  if (match) {
    const next = change(view, match, by, now);
    return {
      lastErrorObject: { n: 1, updatedExisting: true },
      value: command.new === true ? next : match.row,
    };
  }
  if (command.upsert !== true) return { lastErrorObject: { n: 0, updatedExisting: false }, value: null };
  const row = upserted(filter, by, now, () => makeId(context));
  add(view, row);
  return {
    lastErrorObject: { n: 1, updatedExisting: false, upserted: row._id },
    value: command.new === true ? row : null,
  };
}
