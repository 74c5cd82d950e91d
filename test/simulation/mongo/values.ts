import { types } from 'node:util';
import { Binary, Double, Int32, Long, ObjectId } from 'mongodb';

/**
 * A document as the simulated server keeps it: plain objects, arrays, strings, numbers, booleans, null, Dates, Buffers,
 * Binaries of other subtypes, ObjectIds and regular expressions. Nothing in it is ever changed: an update makes a new one.
 */
export type Row = Readonly<Record<string, unknown>>;

export function isRow(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** What a client sent, as the server keeps it: a copy, as serialising it would have made it. */
export function received(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object') throw new TypeError(`the simulated MongoDB cannot store a ${typeof value}`);
  if (Array.isArray(value)) return value.map(received);
  if (types.isDate(value)) return new Date(value.getTime());
  if (types.isRegExp(value)) return value;
  if (value instanceof ObjectId) return value;
  if ('toBSON' in value && typeof value.toBSON === 'function') return received(value.toBSON());
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Binary) return value.sub_type === 0 ? Buffer.from(value.value()) : value;
  if (value instanceof Long) return value.toNumber();
  if (value instanceof Int32 || value instanceof Double) return value.value;
  if ('_bsontype' in value) throw new TypeError(`the simulated MongoDB does not know ${String(value._bsontype)}`);
  return receivedRow(value);
}

export function receivedRow(value: object): Row {
  const row: Record<string, unknown> = {};
  for (const [field, content] of value instanceof Map ? value : Object.entries(value)) row[field] = received(content);
  return row;
}

/** A copy for a client, who may change what it is given. */
export function sent(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(sent);
  if (types.isDate(value)) return new Date(value.getTime());
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  return isRow(value) ? sentRow(value) : value;
}

export function sentRow(row: Row): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const field of Object.keys(row)) copy[field] = sent(row[field]);
  return copy;
}

/** Place of a value's type in the order of BSON types; absent values (`undefined`) and null share one. */
export function typeRank(value: unknown): number {
  if (value === undefined || value === null) return 1;
  if (typeof value === 'number') return 2;
  if (typeof value === 'string') return 3;
  if (typeof value === 'boolean') return 8;
  if (Array.isArray(value)) return 5;
  if (Buffer.isBuffer(value) || value instanceof Binary) return 6;
  if (value instanceof ObjectId) return 7;
  if (types.isDate(value)) return 9;
  if (types.isRegExp(value)) return 11;
  return 4;
}

const TYPE_NAMES = [
  '',
  'null',
  'double',
  'string',
  'object',
  'array',
  'binData',
  'objectId',
  'bool',
  'date',
  '',
  'regex',
];

/** As `$type` names it. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31) return 'int';
  return TYPE_NAMES[typeRank(value)] ?? '';
}

const ordered = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);
const SURROGATE = /[\ud800-\udfff]/;

function compareText(a: string, b: string): number {
  // UTF-16 and UTF-8 disagree on characters beyond the basic plane only.
  return SURROGATE.test(a) || SURROGATE.test(b) ? Buffer.compare(Buffer.from(a), Buffer.from(b)) : ordered(a, b);
}

const bytesOf = (value: unknown): { bytes: Uint8Array; subtype: number } =>
  value instanceof Binary
    ? { bytes: value.value(), subtype: value.sub_type }
    : { bytes: value instanceof Uint8Array ? value : Buffer.alloc(0), subtype: 0 };

function compareBytes(a: unknown, b: unknown): number {
  const left = bytesOf(a);
  const right = bytesOf(b);
  return (
    ordered(left.bytes.length, right.bytes.length) ||
    ordered(left.subtype, right.subtype) ||
    Buffer.compare(left.bytes, right.bytes)
  );
}

function compareRows(a: Row, b: Row): number {
  const left = Object.entries(a);
  const right = Object.entries(b);
  for (const [at, [field, value]] of left.entries()) {
    const other = right[at];
    if (!other) return 1;
    const difference =
      ordered(typeRank(value), typeRank(other[1])) || compareText(field, other[0]) || compare(value, other[1]);
    if (difference !== 0) return difference;
  }
  return left.length < right.length ? -1 : 0;
}

function compareLists(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [at, value] of a.entries()) {
    if (at >= b.length) return 1;
    const difference = compare(value, b[at]);
    if (difference !== 0) return difference;
  }
  return ordered(a.length, b.length);
}

/** The order of BSON values: negative, 0 or positive. */
export function compare(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return compareText(a, b);
  if (typeof a === 'number' && typeof b === 'number') return ordered(a, b);
  const rank = typeRank(a);
  const difference = rank - typeRank(b);
  if (difference !== 0) return difference;
  if (rank === 1) return 0;
  if (rank === 6) return compareBytes(a, b);
  if (Array.isArray(a) && Array.isArray(b)) return compareLists(a, b);
  if (a instanceof ObjectId && b instanceof ObjectId) return ordered(a.toHexString(), b.toHexString());
  if (isRow(a) && isRow(b)) return compareRows(a, b);
  if (rank === 11) return compareText(String(a), String(b));
  return ordered(Number(a), Number(b));
}

/** Equal as a query compares; absent is equal to null alone. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a === 'string' || typeof a === 'number' || typeof b === 'string' || typeof b === 'number') return false;
  if (Buffer.isBuffer(a) && Buffer.isBuffer(b)) return a.equals(b);
  return compare(a, b) === 0;
}

/** A text that is the same for values that are equal, and for no others: a key of a `Map`. */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'number') return `n${value === 0 ? 0 : value}`;
  if (value === undefined || value === null) return 'z';
  if (Buffer.isBuffer(value)) return `b${value.toString('latin1')}`;
  if (value instanceof ObjectId) return `o${value.toHexString()}`;
  if (typeof value === 'boolean') return `t${value}`;
  if (types.isDate(value)) return `d${value.getTime()}`;
  if (Array.isArray(value)) return `[${value.map((one) => lengthened(keyOf(one))).join('')}]`;
  if (value instanceof Binary) return `x${value.sub_type}:${value.toString('base64')}`;
  if (types.isRegExp(value)) return `r${value}`;
  if (isRow(value)) {
    const fields = Object.entries(value).map(([field, one]) => lengthened(field) + lengthened(keyOf(one)));
    return `{${fields.join('')}}`;
  }
  throw new TypeError('the simulated MongoDB does not know this value');
}

/** With its length before it, so that texts put together can be told apart. */
export const lengthened = (text: string): string => `${text.length}:${text}`;
