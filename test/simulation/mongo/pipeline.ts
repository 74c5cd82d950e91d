import { UnknownToSimulation } from './errors.js';
import { evaluate } from './expressions.js';
import { matcherOf } from './match.js';
import { projectionOf, sorted } from './shape.js';
import { isRow, keyOf, type Row } from './values.js';

/** The documents that come out of an aggregation pipeline. */
export function aggregated(rows: readonly Row[], pipeline: readonly unknown[], now: number): readonly Row[] {
  return pipeline.reduce((current: readonly Row[], stage) => {
    const [operator = ''] = isRow(stage) ? Object.keys(stage) : [];
    const apply = STAGES[operator];
    if (!apply || !isRow(stage)) throw new UnknownToSimulation(`the stage ${operator}`);
    return apply(current, stage[operator], now);
  }, rows);
}

const rowIn = (value: unknown): Row => (isRow(value) ? value : {});

const STAGES: Readonly<Record<string, (rows: readonly Row[], argument: unknown, now: number) => readonly Row[]>> = {
  $match(rows, filter, now) {
    const matches = matcherOf(rowIn(filter), now);
    return rows.filter((row) => matches(row, {}));
  },
  $sort: (rows, sort) => sorted(rows, rowIn(sort)),
  $limit: (rows, limit) => rows.slice(0, Number(limit)),
  $skip: (rows, skip) => rows.slice(Number(skip)),
  $unwind(rows, path) {
    const field = typeof path === 'string' ? path.replace(/^\$/, '') : '';
    if (field === '' || field.includes('.')) throw new UnknownToSimulation('such an $unwind');
    return rows.flatMap((row) => {
      const value = row[field];
      if (value === undefined || value === null) return [];
      return Array.isArray(value) ? value.map((one): Row => ({ ...row, [field]: one })) : [row];
    });
  },
  $group: grouped,
  $project: projected,
};

function grouped(rows: readonly Row[], argument: unknown, now: number): readonly Row[] {
  const { _id, ...fields } = rowIn(argument);
  const groups = new Map<string, { id: unknown; members: Row[] }>();
  for (const row of rows) {
    const id = evaluate(_id, { row, now, names: {} }) ?? null;
    const group = groups.get(keyOf(id)) ?? { id, members: [] };
    groups.set(keyOf(id), group);
    group.members.push(row);
  }
  return [...groups.values()].map(({ id, members }) => ({
    _id: id,
    ...Object.fromEntries(
      Object.entries(fields).map(([field, accumulator]) => {
        const [operator = ''] = Object.keys(rowIn(accumulator));
        const accumulate = ACCUMULATORS[operator];
        if (!accumulate) throw new UnknownToSimulation(`${operator} in $group`);
        const expression = rowIn(accumulator)[operator];
        return [field, accumulate(members.map((row) => evaluate(expression, { row, now, names: {} })))];
      }),
    ),
  }));
}

const isThere = (value: unknown): boolean => value !== null && value !== undefined;

const ACCUMULATORS: Readonly<Record<string, (values: readonly unknown[]) => unknown>> = {
  $first: ([first]) => first ?? null,
  $min: (values) =>
    sorted(
      values.filter(isThere).map((value) => ({ value })),
      { value: 1 },
    )[0]?.value ?? null,
  $max: (values) =>
    sorted(
      values.filter(isThere).map((value) => ({ value })),
      { value: -1 },
    )[0]?.value ?? null,
  $sum: (values) => values.reduce((total: number, one) => total + (typeof one === 'number' ? one : 0), 0),
};

function projected(rows: readonly Row[], argument: unknown, now: number): readonly Row[] {
  const fields = Object.entries(rowIn(argument));
  const isPlain = ([, value]: readonly [string, unknown]): boolean => [0, 1, true, false].some((one) => one === value);
  const computed = fields.filter((field) => !isPlain(field));
  const plain = projectionOf(Object.fromEntries(fields.filter(isPlain)));
  if (computed.length > 0 && fields.some(([field, value]) => isPlain([field, value]) && field !== '_id' && !value)) {
    throw new UnknownToSimulation('a $project that computes and excludes');
  }
  const onlyId = fields.filter(isPlain).every(([field]) => field === '_id');
  return rows.map((row) => {
    // With computed fields alone nothing else is kept but the `_id`.
    const kept = computed.length > 0 && onlyId ? (rowIn(argument)._id === 0 ? {} : { _id: row._id }) : plain(row);
    const made = computed.map(([field, expression]) => [field, evaluate(expression, { row, now, names: {} })] as const);
    return { ...kept, ...Object.fromEntries(made.filter(([, value]) => value !== undefined)) };
  });
}
