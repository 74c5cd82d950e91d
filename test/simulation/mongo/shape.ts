import { CommandError, UnknownToSimulation } from './errors.js';
import { valuesAt } from './paths.js';
import { compare, isRow, type Row } from './values.js';

/** Documents in the order of a sort; those that are equal in it stay in theirs. */
export function sorted(rows: readonly Row[], sort: Row): readonly Row[] {
  const keys = Object.entries(sort).map(([path, direction]) => ({
    parts: path.split('.'),
    direction: Number(direction),
  }));
  if (keys.length === 0 || rows.length < 2) return rows;
  const withKeys = rows.map((row) => ({
    row,
    values: keys.map(({ parts, direction }) => sortValue(row, parts, direction)),
  }));
  withKeys.sort((a, b) => {
    for (const [at, { direction }] of keys.entries()) {
      const difference = compareForSort(a.values[at], b.values[at]);
      if (difference !== 0) return difference * direction;
    }
    return 0;
  });
  return withKeys.map(({ row }) => row);
}

/** An empty list, which comes before null. */
const EMPTY = Symbol('empty');

/** Of a list the smallest element counts, or the greatest when the order is descending. */
function sortValue(row: Row, parts: readonly string[], direction: number): unknown {
  const [only] = parts;
  const value = parts.length === 1 && only !== undefined ? row[only] : undefined;
  if (parts.length === 1 && !Array.isArray(value)) return value;
  const values = valuesAt(row, parts);
  if (values.length === 0) return Array.isArray(value) ? EMPTY : undefined;
  return values.reduce((best, one) => (compare(one, best) * direction < 0 ? one : best));
}

function compareForSort(a: unknown, b: unknown): number {
  if (a === EMPTY || b === EMPTY) return a === b ? 0 : a === EMPTY ? -1 : 1;
  return compare(a, b);
}

/** What a projection leaves of documents. It takes fields in or out; computed ones are in a pipeline's `$project` alone. */
export function projectionOf(projection: Row): (row: Row) => Row {
  const { _id = true, ...fields } = projection;
  const entries = Object.entries(fields);
  for (const [, value] of [...entries, ['_id', _id]]) {
    if (![0, 1, true, false].includes(Object(value).valueOf()))
      throw new UnknownToSimulation('a projection that computes');
  }
  const keepsId = _id === true || _id === 1;
  const including = entries.length > 0 ? entries.every(([, value]) => Boolean(value)) : keepsId && '_id' in projection;
  if (!including && entries.some(([, value]) => Boolean(value))) {
    throw new CommandError(31254, 'Cannot do exclusion on field in inclusion projection');
  }
  const paths = entries.map(([path]) => path.split('.'));
  if (!including) return (row) => without(row, keepsId ? paths : [...paths, ['_id']]);
  return (row) => only(row, keepsId ? [['_id'], ...paths] : paths);
}

type Paths = readonly (readonly string[])[];

function below(paths: Paths, field: string): Paths {
  return paths.filter(([first]) => first === field).map(([, ...rest]) => rest);
}

function only(row: Row, paths: Paths): Row {
  const kept: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(row)) {
    const rest = below(paths, field);
    if (rest.some(({ length }) => length === 0)) kept[field] = value;
    else if (rest.length > 0 && (isRow(value) || Array.isArray(value))) kept[field] = onlyWithin(value, rest);
  }
  return kept;
}

function onlyWithin(value: unknown, paths: Paths): unknown {
  if (isRow(value)) return only(value, paths);
  if (!Array.isArray(value)) return value;
  return value.filter((one) => isRow(one) || Array.isArray(one)).map((one) => onlyWithin(one, paths));
}

function without(row: Row, paths: Paths): Row {
  const kept: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(row)) {
    const rest = below(paths, field);
    if (rest.some(({ length }) => length === 0)) continue;
    kept[field] = rest.length > 0 ? withoutWithin(value, rest) : value;
  }
  return kept;
}

function withoutWithin(value: unknown, paths: Paths): unknown {
  if (isRow(value)) return without(value, paths);
  return Array.isArray(value) ? value.map((one) => withoutWithin(one, paths)) : value;
}
