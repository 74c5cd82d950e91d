import { CommandError, UnknownToSimulation } from './errors.js';
import { evaluate } from './expressions.js';
import { elementTest } from './match.js';
import { isIndex, type Trace } from './paths.js';
import { compare, isEqual, isRow, type Row, typeName } from './values.js';

/** An update as a command has it: operators, a whole document, or a pipeline. */
export type Change = Row | readonly unknown[];

interface Circumstances {
  readonly trace: Trace;
  /** The document is being made by an upsert. */
  readonly inserting: boolean;
  /** ms */
  readonly now: number;
}

type Operator = (old: unknown, argument: unknown, path: string, circumstances: Circumstances) => unknown;

export function isReplacement(change: Change): change is Row {
  return isRow(change) && !Object.keys(change)[0]?.startsWith('$');
}

/** The document after an update; the very same one when the update changes nothing. */
export function updated(row: Row, change: Change, circumstances: Circumstances): Row {
  const next = nextRow(row, change, circumstances);
  if (!circumstances.inserting && compare(next._id, row._id) !== 0) {
    throw new CommandError(66, "Performing an update on the path '_id' would modify the immutable field '_id'");
  }
  // Operators have left alone what they do not change; the others are compared as a whole.
  const isByOperators = isRow(change) && !isReplacement(change);
  return next === row || (!isByOperators && compare(next, row) === 0) ? row : next;
}

function nextRow(row: Row, change: Change, circumstances: Circumstances): Row {
  if (Array.isArray(change)) {
    // A field that one stage takes out keeps its place for the next: until the end it is there, and undefined.
    const last = change.reduce((current: Row, stage) => afterStage(current, stage, circumstances), row);
    return Object.values(last).includes(undefined)
      ? Object.fromEntries(Object.entries(last).filter(([, value]) => value !== undefined))
      : last;
  }
  if (!isRow(change)) throw new CommandError(14, 'an update is an object or a list');
  if (isReplacement(change)) {
    const { _id = row._id, ...rest } = change;
    return { ...(_id === undefined ? {} : { _id }), ...rest };
  }
  return stepsOf(change, circumstances).reduce((current: Row, { parts, argument, apply }) => {
    const next = changedAt(current, parts, 0, (old) => apply(old, argument, parts.join('.'), circumstances));
    return isRow(next) ? next : current;
  }, row);
}

interface Step {
  readonly parts: readonly string[];
  readonly argument: unknown;
  readonly apply: Operator;
}

/** Throws for an update that the server refuses before it looks for documents. */
export function checkChange(change: Change): void {
  if (isRow(change) && !isReplacement(change)) stepsOf(change, { trace: { index: 0 }, inserting: true }, '$');
}

/** What the operators do, in the order in which the server does it: by path, not as it was written. */
function stepsOf(
  change: Row,
  { trace, inserting }: Pick<Circumstances, 'trace' | 'inserting'>,
  place = String(trace.index),
): Step[] {
  const steps = Object.entries(change).flatMap(([operator, fields]): Step[] => {
    const apply = OPERATORS[operator];
    if (!apply) throw new UnknownToSimulation(`${operator} in an update`);
    if (!isRow(fields))
      throw new CommandError(9, `Modifiers operate on fields but we found ${typeName(fields)} instead`);
    if (operator === '$setOnInsert' && !inserting) return [];
    return Object.entries(fields).map(([path, argument]) => ({ parts: placed(path, trace, place), argument, apply }));
  });
  steps.sort((a, b) => compareParts(a.parts, b.parts));
  for (const [at, { parts }] of steps.entries()) {
    const former = steps[at - 1]?.parts;
    if (former?.every((part, place) => part === parts[place])) {
      const path = parts.join('.');
      throw new CommandError(40, `Updating the path '${path}' would create a conflict at '${former.join('.')}'`);
    }
  }
  return steps;
}

/** The parts of a path, with the place that matched for `$`. */
function placed(path: string, { index }: Trace, place: string): string[] {
  return path.split('.').map((part) => {
    if (!part.startsWith('$')) return part;
    if (part !== '$') throw new UnknownToSimulation(`${part} in the path of an update`);
    if (index === undefined) {
      throw new CommandError(2, 'The positional operator did not find the match needed from the query.');
    }
    return place;
  });
}

function compareParts(a: readonly string[], b: readonly string[]): number {
  for (const [at, part] of a.entries()) {
    const other = b[at];
    if (other === undefined) return 1;
    const difference = isIndex(part) && isIndex(other) ? Number(part) - Number(other) : compare(part, other);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** A copy with the value at the path changed; `undefined` takes it out. */
function changedAt(node: unknown, parts: readonly string[], at: number, change: (old: unknown) => unknown): unknown {
  const part = parts[at];
  if (part === undefined) return change(node);
  if (node === undefined) {
    const made = changedAt(undefined, parts, at + 1, change);
    return made === undefined ? undefined : { [part]: made };
  }
  if (Array.isArray(node) && isIndex(part)) {
    const old: unknown = node[Number(part)];
    const next = changedAt(old, parts, at + 1, change);
    if (next === old) return node;
    const padding = Array<null>(Math.max(0, Number(part) - node.length)).fill(null);
    // A place in a list that is taken out stays as null.
    return replaced([...node, ...padding], Number(part), next ?? null);
  }
  if (!isRow(node)) {
    // What is not there need not be taken out of anything.
    if (change(undefined) === undefined) return node;
    throw new CommandError(28, `Cannot create field '${part}' in element {${parts[at - 1]}: ${JSON.stringify(node)}}`);
  }
  const old = node[part];
  const next = changedAt(old, parts, at + 1, change);
  if (next === old) return node;
  if (next !== undefined) return { ...node, [part]: next };
  const { [part]: _gone, ...rest } = node;
  return rest;
}

function replaced(list: readonly unknown[], place: number, value: unknown): unknown[] {
  const copy = [...list];
  copy[place] = value;
  return copy;
}

function listAt(old: unknown, path: string): readonly unknown[] {
  if (old === undefined) return [];
  if (Array.isArray(old)) return old;
  throw new CommandError(2, `The field '${path}' must be an array but is of type ${typeName(old)}`);
}

function eachOf(argument: unknown, known: readonly string[]): { list: readonly unknown[]; modifiers: Row } {
  if (!isRow(argument) || !('$each' in argument)) return { list: [argument], modifiers: {} };
  const unknown = Object.keys(argument).find((modifier) => !known.includes(modifier));
  if (unknown !== undefined) throw new UnknownToSimulation(`${unknown} beside $each`);
  if (!Array.isArray(argument.$each)) throw new CommandError(2, 'The argument to $each must be an array');
  return { list: argument.$each, modifiers: argument };
}

const isDateChoice = (argument: unknown): boolean =>
  argument === true || (isRow(argument) && argument.$type === 'date');

const OPERATORS: Readonly<Record<string, Operator>> = {
  $set: (old, argument) => (old !== undefined && isEqual(old, argument) ? old : argument),
  $setOnInsert: (_old, argument) => argument,
  $unset: () => undefined,
  $inc(old, argument, path) {
    if (typeof argument !== 'number') throw new CommandError(14, 'Cannot increment with non-numeric argument');
    if (old === undefined) return argument;
    if (typeof old !== 'number') {
      throw new CommandError(14, `Cannot apply $inc to a value of non-numeric type: the field '${path}'`);
    }
    return old + argument;
  },
  $min: (old, argument) => (old === undefined || compare(argument, old) < 0 ? argument : old),
  $max: (old, argument) => (old === undefined || compare(argument, old) > 0 ? argument : old),
  $push(old, argument, path) {
    const { list, modifiers } = eachOf(argument, ['$each', '$slice']);
    const next = [...listAt(old, path), ...list];
    const { $slice } = modifiers;
    if (typeof $slice !== 'number') return old !== undefined && list.length === 0 ? old : next;
    const left = $slice < 0 ? next.slice($slice) : next.slice(0, $slice);
    return old !== undefined && list.length === 0 && left.length === next.length ? old : left;
  },
  $addToSet(old, argument, path) {
    const present = [...listAt(old, path)];
    const before = present.length;
    for (const one of eachOf(argument, ['$each']).list)
      if (!present.some((other) => isEqual(other, one))) present.push(one);
    return old !== undefined && present.length === before ? old : present;
  },
  $pull(old, argument, path, { now }) {
    if (old === undefined) return undefined;
    const fits = isRow(argument) ? elementTest(argument, now) : elementTest({ $eq: argument }, now);
    const list = listAt(old, path);
    const left = list.filter((element) => !fits(element));
    return left.length === list.length ? old : left;
  },
  $currentDate(_old, argument, _path, { now }) {
    if (!isDateChoice(argument)) throw new UnknownToSimulation('a $currentDate that is no date');
    return new Date(now);
  },
};

function afterStage(row: Row, stage: unknown, { now }: Circumstances): Row {
  const [operator = '', ...others] = isRow(stage) ? Object.keys(stage) : [];
  const argument = isRow(stage) ? stage[operator] : undefined;
  if (others.length > 0) throw new CommandError(40323, 'a stage has one field');
  if (operator === '$unset') {
    const paths = Array.isArray(argument) ? argument : [argument];
    const present = paths.map(String).filter((path) => path in row || path.includes('.'));
    return present.reduce((current: Row, path) => withField(current, path, undefined), row);
  }
  if ((operator !== '$set' && operator !== '$addFields') || !isRow(argument)) {
    throw new UnknownToSimulation(`${operator} in a pipeline of an update`);
  }
  const nested = Object.values(argument).some((value) => isRow(value) && !Object.keys(value)[0]?.startsWith('$'));
  // Such an object would be merged into the field, element by element in a list.
  if (nested) throw new UnknownToSimulation('an object that is no expression in a stage of an update');
  // Every expression sees the document before the stage.
  return Object.entries(argument).reduce(
    (current: Row, [path, expression]) => withField(current, path, evaluate(expression, { row, now, names: {} })),
    row,
  );
}

function withField(row: Row, field: string, value: unknown): Row {
  if (field.includes('.')) throw new UnknownToSimulation('a path in a stage of an update');
  return { ...row, [field]: value };
}
