import { types } from 'node:util';
import { CommandError, UnknownToSimulation } from './errors.js';
import { compare, isEqual, isRow, keyOf, type Row, typeName } from './values.js';

/** What an expression is evaluated in. */
interface Surroundings {
  readonly row: Row;
  /** ms */
  readonly now: number;
  /** Variables by name, without `$$`. */
  readonly names: Readonly<Record<string, unknown>>;
}

/** The value of an aggregation expression; `undefined` is a field that is not there. */
export function evaluate(expression: unknown, within: Surroundings): unknown {
  if (typeof expression === 'string') return expression.startsWith('$') ? reference(expression, within) : expression;
  if (Array.isArray(expression)) return expression.map((one) => evaluate(one, within) ?? null);
  if (!isRow(expression)) return expression;
  const [operator, ...others] = Object.keys(expression);
  if (operator?.startsWith('$')) {
    if (others.length > 0) throw new CommandError(15983, 'an expression has one operator');
    return applied(operator, expression[operator], within);
  }
  return fieldsOf(Object.entries(expression).map(([field, value]) => [field, evaluate(value, within)]));
}

function fieldsOf(entries: readonly (readonly [string, unknown])[]): Row {
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Whether it counts as true. */
export function isTrue(value: unknown): boolean {
  return value !== false && value !== 0 && value !== null && value !== undefined;
}

function reference(text: string, { row, now, names }: Surroundings): unknown {
  if (!text.startsWith('$$')) return follow(row, text.slice(1).split('.'));
  const [name = '', ...parts] = text.slice(2).split('.');
  if (name === 'REMOVE') return undefined;
  if (name === 'NOW') return new Date(now);
  if (name === 'ROOT' || name === 'CURRENT') return follow(row, parts);
  if (!(name in names)) throw new CommandError(17276, `Use of undefined variable: ${name}`);
  return follow(names[name], parts);
}

/** A path of an expression goes through lists, but knows no places in them. */
function follow(value: unknown, parts: readonly string[]): unknown {
  const [part, ...rest] = parts;
  if (part === undefined) return value;
  if (Array.isArray(value)) {
    return value.map((one) => (isRow(one) || Array.isArray(one) ? follow(one, parts) : undefined)).filter(isThere);
  }
  return isRow(value) ? follow(value[part], rest) : undefined;
}

const isThere = (value: unknown): boolean => value !== undefined;

function applied(operator: string, argument: unknown, within: Surroundings): unknown {
  if (operator === '$literal') return argument;
  const named = NAMED[operator];
  if (named) {
    if (!isRow(argument)) throw new CommandError(28646, `${operator} only supports an object as its argument`);
    return named(argument, within);
  }
  if (operator === '$cond') {
    const [condition, yes, no] = isRow(argument) ? [argument.if, argument.then, argument.else] : listIn(argument);
    return evaluate(isTrue(evaluate(condition, within)) ? yes : no, within);
  }
  const evaluated = (one: unknown): unknown => evaluate(one, within);
  // What comes after the value that decides is not looked at, even where it would be an error.
  if (operator === '$ifNull') {
    for (const one of listIn(argument)) {
      const value = evaluated(one);
      if (!isNothing(value)) return value;
    }
    return evaluated(listIn(argument).at(-1));
  }
  if (operator === '$and') return argumentsIn(argument).every((one) => isTrue(evaluated(one)));
  if (operator === '$or') return argumentsIn(argument).some((one) => isTrue(evaluated(one)));
  const plain = PLAIN[operator];
  if (!plain) throw new UnknownToSimulation(`${operator} in an expression`);
  return plain(argumentsIn(argument).map(evaluated));
}

const argumentsIn = (argument: unknown): readonly unknown[] => (Array.isArray(argument) ? argument : [argument]);

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function list(value: unknown, operator: string, code: number): readonly unknown[] {
  if (!Array.isArray(value)) throw new CommandError(code, `The argument to ${operator} must be an array`);
  return value;
}

/** With their variables bound, for each element. */
const NAMED: Readonly<Record<string, (argument: Row, within: Surroundings) => unknown>> = {
  $let({ vars, in: body }, within) {
    const bound = Object.entries(isRow(vars) ? vars : {}).map(([name, value]) => [name, evaluate(value, within)]);
    return evaluate(body, { ...within, names: { ...within.names, ...Object.fromEntries(bound) } });
  },
  $filter({ input, as = 'this', cond }, within) {
    const elements = evaluate(input, within) ?? null;
    if (elements === null) return null;
    return list(elements, '$filter', 28651).filter((element) =>
      isTrue(evaluate(cond, { ...within, names: { ...within.names, [String(as)]: element } })),
    );
  },
  $map({ input, as = 'this', in: body }, within) {
    const elements = evaluate(input, within) ?? null;
    if (elements === null) return null;
    return list(elements, '$map', 16883).map(
      (element) => evaluate(body, { ...within, names: { ...within.names, [String(as)]: element } }) ?? null,
    );
  },
  $reduce({ input, initialValue, in: body }, within) {
    const elements = evaluate(input, within) ?? null;
    if (elements === null) return null;
    return list(elements, '$reduce', 40080).reduce(
      (value: unknown, element) => evaluate(body, { ...within, names: { ...within.names, this: element, value } }),
      evaluate(initialValue, within),
    );
  },
};

const isNothing = (value: unknown): boolean => value === null || value === undefined;

/** Absent comes before null here, other than in the order of documents. */
function compared(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  return compare(a, b);
}

function sum(values: readonly unknown[]): unknown {
  if (values.some(isNothing)) return null;
  let total = 0;
  for (const value of values) {
    if (typeof value !== 'number' && !types.isDate(value)) {
      throw new CommandError(14, `$add only supports numeric or date types, not ${typeName(value)}`);
    }
    total += Number(value);
  }
  return values.some((value) => types.isDate(value)) ? new Date(total) : total;
}

function union(sets: readonly unknown[]): unknown {
  if (sets.some(isNothing)) return null;
  const found = new Map<string, unknown>();
  for (const set of sets) for (const one of list(set, '$setUnion', 17043)) found.set(keyOf(one), one);
  return [...found.values()].sort(compare);
}

/** With all arguments evaluated. */
const PLAIN: Readonly<Record<string, (values: readonly unknown[]) => unknown>> = {
  $eq: ([a, b]) => compared(a, b) === 0,
  $ne: ([a, b]) => compared(a, b) !== 0,
  $gt: ([a, b]) => compared(a, b) > 0,
  $gte: ([a, b]) => compared(a, b) >= 0,
  $lt: ([a, b]) => compared(a, b) < 0,
  $lte: ([a, b]) => compared(a, b) <= 0,
  $not: ([value]) => !isTrue(value),
  $in: ([value, elements]) => list(elements, '$in', 40081).some((one) => isEqual(one, value) && value !== undefined),
  $size: ([elements]) => list(elements, '$size', 17124).length,
  $arrayElemAt([elements, place]) {
    if (isNothing(elements) || isNothing(place)) return null;
    return list(elements, '$arrayElemAt', 28689).at(Number(place));
  },
  $concatArrays: (lists) =>
    lists.some(isNothing) ? null : lists.flatMap((elements) => list(elements, '$concatArrays', 28664)),
  $setUnion: union,
  $mergeObjects(values) {
    const rows = values
      .filter((value) => !isNothing(value))
      .map((value) => {
        if (!isRow(value)) throw new CommandError(40400, '$mergeObjects requires object inputs');
        return value;
      });
    return Object.assign({}, ...rows);
  },
  $objectToArray([value]) {
    if (isNothing(value)) return null;
    if (!isRow(value)) throw new CommandError(40390, '$objectToArray requires a document input');
    return Object.entries(value).map(([k, v]) => ({ k, v }));
  },
  $anyElementTrue: ([elements]) => list(elements, '$anyElementTrue', 17041).some(isTrue),
  $type: ([value]) => typeName(value),
  $add: sum,
};
