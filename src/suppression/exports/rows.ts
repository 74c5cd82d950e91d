import { withoutTextMarker } from '../../core/spreadsheet-cell.js';
import { isObject, type ListEvent } from '../import-policy.js';
import { type ExportRow, folded } from './product.js';

/** Objects in objects become names with dots; deeper ones than this are left out. */
const MAX_DEPTH = 8;

function rowOf(names: readonly string[], values: ReadonlyMap<string, unknown>): ExportRow {
  const value = (name: string) => values.get(folded(name));
  return {
    names,
    value,
    text(...wanted) {
      for (const name of wanted) {
        const found = value(name);
        const text = found === undefined || found === null ? '' : textOf(found).trim();
        if (text !== '') return text;
      }
      return '';
    },
  };
}

const textOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value));

/** A row of a CSV export. Of columns of one name the first that is filled counts. */
export function rowOfCells(names: readonly string[], cells: readonly string[]): ExportRow {
  const values = new Map<string, unknown>();
  for (const [place, name] of names.entries()) {
    const cell = withoutTextMarker((cells[place] ?? '').trim());
    if (cell !== '' && !values.has(folded(name))) values.set(folded(name), cell);
  }
  return rowOf(names, values);
}

function flatten(object: ListEvent, prefix: string, into: [string, unknown][], depth: number): [string, unknown][] {
  for (const [name, value] of Object.entries(object)) {
    if (isObject(value) && depth < MAX_DEPTH) flatten(value, `${prefix}${name}.`, into, depth + 1);
    else into.push([`${prefix}${name}`, value]);
  }
  return into;
}

/** An object of a JSON export, or a text, which is an address alone. */
export function rowOfJson(value: ListEvent | string): ExportRow {
  const fields: [string, unknown][] =
    typeof value === 'string' ? [['address alone', value]] : flatten(value, '', [], 0);
  return rowOf(
    fields.map(([name]) => name),
    new Map(fields.map(([name, field]) => [folded(name), field])),
  );
}

/** Names under which the interfaces of the products put their lists. */
const WRAPPERS = [
  'items',
  'suppresseddestinationsummaries',
  'contacts',
  'suppressions',
  'emails',
  'results',
  'data',
  'recipients',
  'users',
  'members',
  'unsubscribes',
  'subscribers',
];

/** The entries of a JSON export, whatever they are wrapped in; undefined where there are none. */
export function entriesOf(value: unknown): (ListEvent | string)[] | undefined {
  if (Array.isArray(value)) {
    const pages = value.map((one) => (isObject(one) ? wrapped(one) : undefined));
    if (value.length > 0 && pages.every((page) => page !== undefined)) return pages.flat();
    return value.every((one) => isObject(one) || typeof one === 'string') ? value : undefined;
  }
  return isObject(value) ? wrapped(value) : undefined;
}

function wrapped(object: ListEvent): (ListEvent | string)[] | undefined {
  for (const [name, inner] of Object.entries(object)) {
    if (!WRAPPERS.includes(folded(name))) continue;
    const found = Array.isArray(inner) || isObject(inner) ? entriesOf(inner) : undefined;
    if (found) return found;
  }
  return undefined;
}
