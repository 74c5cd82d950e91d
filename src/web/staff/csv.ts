import { stringify } from 'csv-stringify/sync';
import { neutralised } from '../../core/spreadsheet-cell.js';

/** CSV for people: a header, neutralised cells, RFC 4180 line ends. */
export function csvText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return stringify(
    [head, ...rows].map((row) => row.map(neutralised)),
    { record_delimiter: 'windows' },
  );
}
