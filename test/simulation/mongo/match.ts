import { types } from 'node:util';
import { CommandError, UnknownToSimulation } from './errors.js';
import { evaluate, isTrue } from './expressions.js';
import { someAt, type Trace } from './paths.js';
import { compare, isEqual, isRow, type Row, typeRank } from './values.js';

/** Whether a document fits a filter; the trace has the element that matched. */
export type Matcher = (row: Row, trace: Trace) => boolean;

type Test = (value: unknown) => boolean;

/** @param now ms; what `$$NOW` is */
export function matcherOf(filter: Row, now: number): Matcher {
  const matchers = Object.entries(filter).map(([field, condition]) => conditionOf(field, condition, now));
  const [only] = matchers;
  if (only && matchers.length === 1) return only;
  return (row, trace) => matchers.every((matches) => matches(row, trace));
}

function conditionOf(field: string, condition: unknown, now: number): Matcher {
  if (field === '$expr') return (row) => isTrue(evaluate(condition, { row, now, names: {} }));
  if (field === '$and' || field === '$or' || field === '$nor') {
    if (!Array.isArray(condition) || condition.length === 0) {
      throw new CommandError(2, `${field} argument must be a non-empty array`);
    }
    const matchers = condition.map((one) => matcherOf(rowIn(one, field), now));
    if (field === '$and') return (row, trace) => matchers.every((matches) => matches(row, trace));
    if (field === '$or') return (row, trace) => matchers.some((matches) => matches(row, trace));
    return (row) => !matchers.some((matches) => matches(row, {}));
  }
  if (field.startsWith('$')) throw new UnknownToSimulation(`${field} in a filter`);
  const parts = field.split('.');
  if (!isOperators(condition)) return at(parts, equals(condition));
  const matchers = Object.entries(condition)
    .filter(([operator]) => operator !== '$options')
    .map(([operator, argument]) => operatorOf(parts, operator, argument, condition, now));
  const [only] = matchers;
  if (only && matchers.length === 1) return only;
  return (row, trace) => matchers.every((matches) => matches(row, trace));
}

function isOperators(condition: unknown): condition is Row {
  return isRow(condition) && Object.keys(condition)[0]?.startsWith('$') === true;
}

function rowIn(value: unknown, where: string): Row {
  if (!isRow(value)) throw new CommandError(2, `${where} needs an object`);
  return value;
}

const at =
  (parts: readonly string[], test: Test, expand = true): Matcher =>
  (row, trace) =>
    someAt(row, parts, 0, expand, test, trace);

const not =
  (matches: Matcher): Matcher =>
  (row) =>
    !matches(row, {});

function operatorOf(parts: readonly string[], operator: string, argument: unknown, all: Row, now: number): Matcher {
  switch (operator) {
    case '$eq':
      return at(parts, equals(argument));
    case '$ne':
      return not(at(parts, equals(argument)));
    case '$in':
      return at(parts, oneOf(argument));
    case '$nin':
      return not(at(parts, oneOf(argument)));
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return at(parts, inRange(operator, argument));
    case '$exists': {
      const exists = at(parts, (value) => value !== undefined);
      return isTrue(argument) ? exists : not(exists);
    }
    case '$not': {
      const condition = types.isRegExp(argument) ? { $regex: argument } : rowIn(argument, '$not');
      return not(conditionOf(parts.join('.'), condition, now));
    }
    case '$elemMatch':
      return elementMatches(parts, rowIn(argument, '$elemMatch'), now);
    case '$all': {
      if (!Array.isArray(argument)) throw new CommandError(2, '$all needs an array');
      const tests = argument.map((one) => at(parts, equals(one)));
      return (row, trace) => tests.length > 0 && tests.every((matches) => matches(row, trace));
    }
    case '$size':
      return at(parts, (value) => Array.isArray(value) && value.length === argument, false);
    case '$regex':
      return at(parts, fits(expressionOf(argument, all.$options)));
    default:
      throw new UnknownToSimulation(`${operator} in a filter`);
  }
}

function equals(wanted: unknown): Test {
  if (types.isRegExp(wanted)) return fits(wanted);
  if (wanted === null) return (value) => value === null || value === undefined;
  return (value) => value !== undefined && isEqual(value, wanted);
}

function oneOf(list: unknown): Test {
  if (!Array.isArray(list)) throw new CommandError(2, '$in needs an array');
  const tests = list.map(equals);
  return (value) => tests.some((test) => test(value));
}

function inRange(operator: '$gt' | '$gte' | '$lt' | '$lte', limit: unknown): Test {
  const rank = typeRank(limit);
  const fitsDifference: Test = (difference) => {
    if (operator === '$gt') return Number(difference) > 0;
    if (operator === '$gte') return Number(difference) >= 0;
    return operator === '$lt' ? Number(difference) < 0 : Number(difference) <= 0;
  };
  // Values of other types are in no range of it.
  return (value) =>
    (value !== undefined || limit === null) && typeRank(value) === rank && fitsDifference(compare(value, limit));
}

function expressionOf(pattern: unknown, options: unknown): RegExp {
  const flags = typeof options === 'string' ? options : types.isRegExp(pattern) ? pattern.flags : '';
  return new RegExp(types.isRegExp(pattern) ? pattern.source : String(pattern), flags);
}

function fits(expression: RegExp): Test {
  return (value) =>
    (typeof value === 'string' && expression.test(value)) ||
    (types.isRegExp(value) && String(value) === String(expression));
}

function elementMatches(parts: readonly string[], condition: Row, now: number): Matcher {
  const element = elementTest(condition, now);
  return (row, trace) =>
    someAt(
      row,
      parts,
      0,
      false,
      (value) => {
        const index = Array.isArray(value) ? value.findIndex(element) : -1;
        if (index >= 0) trace.index = index;
        return index >= 0;
      },
      // The innermost list counts: an outer one would overwrite it.
      {},
    );
}

/** Whether an element of a list fits a condition, as `$elemMatch` and `$pull` say it. */
export function elementTest(condition: Row, now: number): Test {
  const logical = ['$and', '$or', '$nor', '$expr'].includes(Object.keys(condition)[0] ?? '');
  if (isOperators(condition) && !logical) {
    const matches = conditionOf('e', condition, now);
    return (value) => matches({ e: value }, {});
  }
  const matches = matcherOf(condition, now);
  // An element that is a list itself is looked into by index.
  return (value) => (isRow(value) ? matches(value, {}) : Array.isArray(value) && matches({ ...value }, {}));
}
