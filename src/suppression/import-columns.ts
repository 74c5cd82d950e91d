import { contactInCell } from './contact-cell.js';
import type { Csv, CsvRow } from './csv-rows.js';
import { RowFault } from './import.js';
import { exportedContact, isOwnExport } from './import-contact.js';
import { isObject, type ListEvent } from './import-policy.js';

/** Columns of a CSV list beside the contact, and where each goes in an event. A cell that is empty says nothing. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  type: ['type'],
  at: ['at'],
  until: ['until'],
  reach: ['reach'],
  brand: ['scope', 'brand'],
  channel: ['scope', 'channel'],
  purpose: ['scope', 'purpose'],
  topic: ['scope', 'topic'],
  bounce: ['kind'],
  registry: ['registry'],
  relationship: ['relationship'],
  minor: ['minor'],
  language: ['language'],
  cadence: ['cadence'],
  notice: ['notice', 'id'],
  notice_version: ['notice', 'version'],
  wording: ['source', 'evidence', 'wording'],
  form_url: ['source', 'evidence', 'formUrl'],
  ip: ['source', 'evidence', 'ip'],
  user_agent: ['source', 'evidence', 'userAgent'],
  note: ['source', 'evidence', 'note'],
};
export const IMPORT_COLUMNS = Object.keys(COLUMNS);
/** Sets a field at its path, such as `scope.brand`. */
function put(event: ListEvent, [first = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) event[first] = value;
  else {
    const inner = isObject(event[first]) ? event[first] : {};
    event[first] = inner;
    put(inner, rest, value);
  }
}

/** Refuses a row whose cells cannot be told apart. Throws RowFault. */
export function checkCells(csv: Csv, row: CsvRow): void {
  if (row.cells.slice(csv.header.cells.length).some((cell) => cell.trim() !== ''))
    throw new RowFault('row', 'the row has more cells than the header: put cells with a delimiter into quotes');
  if (row.broken)
    throw new RowFault('row', 'the row has a quote that is wrong: write a quote in a cell twice, "6"" nails"');
}

/** A row of a CSV list as an event of the API. Throws RowFault. */
export function eventInRow(csv: Csv, contact: { name: string; place: number }, row: CsvRow): ListEvent {
  checkCells(csv, row);
  const isExport = isOwnExport(csv.header.cells);
  if (row.cells[csv.header.cells.indexOf('action')] === 'lift')
    throw new RowFault('row', 'the row is a lift: a list can deny, and lifts nothing');
  const event: ListEvent = {};
  for (const [place, name] of csv.header.cells.entries()) {
    const cell = row.cells[place]?.trim() ?? '';
    if (cell === '' && place !== contact.place) continue;
    if (place !== contact.place && (COLUMNS[name] === undefined || (isExport && name === 'type'))) continue;
    if (cell.includes('\ufffd')) throw new RowFault(name, 'the cell is not UTF-8: save the list as CSV UTF-8');
    if (place === contact.place) event.contact = isExport ? exportedContact(csv, row, cell) : contactInCell(cell);
    else if (name === 'minor') event.minor = cell === 'true' ? true : cell === 'false' ? false : cell;
    else put(event, COLUMNS[name] ?? [], cell);
  }
  return event;
}

/** The column that a field of an event came from. */
export function columnOf(field: string, contact: string): string {
  if (field === 'contact' || field.startsWith('contact.')) return contact;
  const [name] = Object.entries(COLUMNS).find(([, path]) => path.join('.') === field) ?? [];
  return name ?? { channel: 'channel', notice: 'notice', 'source.evidence': 'wording' }[field] ?? 'row';
}
