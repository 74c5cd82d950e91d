import { z } from 'zod';
import { neutralised, withoutTextMarker } from '../../../core/spreadsheet-cell.js';

/** One line of a suppression file: the columns in their order. */
export type Columns = readonly string[];
export type Row = Readonly<Record<string, string>>;

/** How rows become lines and back. One row is always one line. */
export interface RecordFormat {
  readonly extension: 'csv' | 'ndjson';
  /** The first line, where the format has one. */
  readonly head: string | undefined;
  write(row: Row): string;
  read(line: string): Row | undefined;
}

/** Whatever some reader takes for the end of a line. */
const LINE_BREAKS = /[\r\n\u2028\u2029]+/g;

function cell(value: string, forPeople: boolean): string {
  const safe = forPeople ? neutralised(value) : value;
  return /[",\r\n;\t]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function cells(line: string): string[] {
  const found: string[] = [];
  for (const match of `,${line}`.matchAll(/,(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    found.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'));
  }
  return found;
}

/** CSV after RFC 4180, without line breaks inside cells. */
export function csvFormat(columns: Columns, forPeople: boolean): RecordFormat {
  const head = columns.join(',');
  return {
    extension: 'csv',
    head,
    write: (row) => columns.map((name) => cell((row[name] ?? '').replace(LINE_BREAKS, ' '), forPeople)).join(','),
    read(line) {
      if (line === '' || line === head) return undefined;
      const values = cells(line);
      return Object.fromEntries(
        columns.map((name, i) => [name, forPeople ? withoutTextMarker(values[i] ?? '') : (values[i] ?? '')]),
      );
    },
  };
}

const row = z.record(z.string(), z.string());

/** One JSON object a line. */
export function ndjsonFormat(columns: Columns): RecordFormat {
  return {
    extension: 'ndjson',
    head: undefined,
    write: (values) =>
      JSON.stringify(Object.fromEntries(columns.flatMap((name) => (values[name] ? [[name, values[name]]] : []))))
        .replaceAll('\u2028', '\\u2028')
        .replaceAll('\u2029', '\\u2029'),
    read: (line) => (line === '' ? undefined : row.parse(JSON.parse(line))),
  };
}
