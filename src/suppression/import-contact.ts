import { HushError } from '../core/errors.js';
import { withoutTextMarker } from '../core/spreadsheet-cell.js';
import { contactInCell } from './contact-cell.js';
import { columnsNamed, contactColumns, onlyColumn } from './contact-column.js';
import { type Csv, type CsvRow, columnNames } from './csv-rows.js';
import { RowFault } from './import.js';

/** Columns of our own exports: there `type` is that of the contact, and `address` is more than its key. */
export const isOwnExport = (names: readonly string[]): boolean =>
  ['contact', 'type', 'reason', 'since'].every((name) => names.includes(name));

/** Columns that may have the contact: the one that is named, else all that look like one. */
export function contactPlaces(names: readonly string[], column: string | undefined): readonly number[] {
  if (column !== undefined) return columnsNamed(names, column);
  if (isOwnExport(names)) return columnsNamed(names, names.includes('address') ? 'address' : 'contact');
  return contactColumns(names).flat();
}

/** The place of the contact in a CSV list; `columns` are the others that count. Throws HushError `invalid` that says which column to name. */
export function contactColumn(
  csv: Csv,
  column: string | undefined,
  columns: readonly string[],
): { name: string; place: number } {
  const { cells } = csv.header;
  const remedy = `name the column that has the contact: column=…; ${columnNames(csv.header)}`;
  const place = onlyColumn(cells, contactPlaces(cells, column), column, remedy);
  const twice = columns.find((one) => cells.filter((cell) => cell === one).length > 1);
  if (twice !== undefined) {
    throw new HushError('invalid', `there are two columns ${twice}`, {
      field: 'column',
      remedy: 'give every column a name of its own',
    });
  }
  return { name: cells[place] ?? '', place };
}

/** The contact in a row of an export of ours, of the type that the row says. */
export function exportedContact(csv: Csv, row: CsvRow, cell: string): unknown {
  const text = withoutTextMarker(cell);
  const type = row.cells[csv.header.cells.indexOf('type')]?.trim() ?? '';
  if (type !== 'postal' || !text.startsWith('{')) return contactInCell(text);
  try {
    return { postal: JSON.parse(text) };
  } catch {
    throw new RowFault('row', 'the postal address is not what an export of Hush writes');
  }
}
