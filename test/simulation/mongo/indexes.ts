import { types } from 'node:util';
import { CommandError } from './errors.js';
import { valuesAt } from './paths.js';
import { isEqual, isRow, keyOf, lengthened, type Row } from './values.js';

export interface Index {
  readonly name: string;
  readonly key: Row;
  readonly unique: boolean;
  readonly sparse: boolean;
  readonly expireAfterSeconds?: number;
  /** Of a unique index: which document (by the key of its `_id`) has an index key. */
  readonly owners: Map<string, string>;
}

export function indexFrom(spec: Row): Index {
  const { key, name, unique, sparse, expireAfterSeconds, v: _version, background: _background, ...others } = spec;
  const [other] = Object.keys(others);
  if (other !== undefined) throw new CommandError(2, `the simulated MongoDB knows no index with ${other}`);
  if (!isRow(key)) throw new CommandError(9, 'an index needs a key');
  return {
    name: typeof name === 'string' ? name : Object.entries(key).flat().join('_'),
    key,
    unique: unique === true,
    sparse: sparse === true,
    ...(typeof expireAfterSeconds === 'number' ? { expireAfterSeconds } : {}),
    owners: new Map(),
  };
}

/** How the server lists it. */
export function describe({ name, key, unique, sparse, expireAfterSeconds }: Index): Row {
  return {
    v: 2,
    key,
    name,
    ...(unique ? { unique } : {}),
    ...(sparse ? { sparse } : {}),
    ...(expireAfterSeconds === undefined ? {} : { expireAfterSeconds }),
  };
}

const EMPTY = Symbol('empty');

/** The keys under which a document is in an index: one for each element of a list. */
export function indexKeys({ key, sparse }: Index, row: Row): string[] {
  const columns = Object.keys(key).map((path) => {
    const values = valuesAt(row, path.split('.'));
    // An empty list has a key of its own.
    return Array.isArray(row[path]) && values.length === 0 ? [EMPTY] : values;
  });
  if (sparse && columns.every(({ length }) => length === 0)) return [];
  return columns.reduce<string[]>(
    (keys, values) => {
      const texts =
        values.length === 0
          ? [lengthened('z')]
          : values.map((value) => lengthened(value === EMPTY ? 'u' : keyOf(value)));
      return keys.flatMap((prefix) => [...new Set(texts)].map((text) => prefix + text));
    },
    [''],
  );
}

export function duplicate(namespace: string, name: string, pattern: Row, row: Row): CommandError {
  const fields = Object.keys(pattern).map((path) => [path, valuesAt(row, path.split('.'))[0] ?? null] as const);
  const texts = fields.map(([path, value]) => `${path}: ${shown(value)}`);
  return new CommandError(
    11000,
    `E11000 duplicate key error collection: ${namespace} index: ${name} dup key: { ${texts.join(', ')} }`,
    { keyPattern: pattern, keyValue: Object.fromEntries(fields) },
  );
}

function shown(value: unknown): string {
  if (Buffer.isBuffer(value)) return `BinData(0, ${value.toString('hex').toUpperCase()})`;
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** Whether TTL removes a document at `now` (ms). */
export function isExpired({ key, expireAfterSeconds }: Index, row: Row, now: number): boolean {
  const [path = ''] = Object.keys(key);
  if (expireAfterSeconds === undefined) return false;
  return valuesAt(row, path.split('.')).some(
    (value) => types.isDate(value) && value.getTime() + expireAfterSeconds * 1000 <= now,
  );
}

/** The index that a hint names, by its name or its key. */
export function hinted(indexes: readonly Index[], hint: unknown): Index | undefined {
  if (hint === undefined) return undefined;
  const found = indexes.find(({ name, key }) => (typeof hint === 'string' ? name === hint : isEqual(key, hint)));
  if (found || isEqual(hint, { _id: 1 }) || hint === '_id_') return found;
  throw new CommandError(2, 'error processing query: hint provided does not correspond to an existing index');
}
