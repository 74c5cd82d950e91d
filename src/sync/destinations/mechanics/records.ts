import { createInterface } from 'node:readline';
import { pipeline, type Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import { neutralised, withoutTextMarker } from '../../../core/spreadsheet-cell.js';

/** One line of a suppression file: the columns in their order. */
export type Columns = readonly string[];
export type Row = Readonly<Record<string, string>>;

/** How rows become a file and back. One row is always one line. */
export interface RecordFormat {
  readonly extension: 'csv' | 'ndjson';
  /** The first line, where the format has one. */
  readonly head: string | undefined;
  write(row: Row): string;
  /** Every row of a file. Throws what the file throws. */
  read(bytes: Readable): AsyncIterable<Row>;
}

/** Whatever some reader takes for the end of a line. */
const LINE_BREAKS = /[\r\n\u2028\u2029]+/g;

/** Cells that some reader would take apart or trim without quotes. */
const QUOTED = /[;\t]|^\s|\s$/;

/** CSV after RFC 4180, without line breaks inside cells. */
export function csvFormat(columns: Columns, forPeople: boolean): RecordFormat {
  const head = columns.join(',');
  const written = (cell: string) => {
    const line = cell.replace(LINE_BREAKS, ' ');
    return forPeople ? neutralised(line) : line;
  };
  const read = (cell: string) => (forPeople ? withoutTextMarker(cell) : cell);
  return {
    extension: 'csv',
    head,
    write: (row) => stringify([columns.map((name) => written(row[name] ?? ''))], { eof: false, quoted_match: QUOTED }),
    async *read(bytes) {
      const parser = parse({
        record_delimiter: ['\r\n', '\n'],
        relax_column_count: true,
        relax_quotes: true,
        skip_empty_lines: true,
      });
      // The parser ends with an error of the file, and the file is closed when nobody reads on.
      pipeline(bytes, parser, () => undefined);
      for await (const cells of parser as AsyncIterable<string[]>) {
        if (cells.join(',') !== head) yield Object.fromEntries(columns.map((name, i) => [name, read(cells[i] ?? '')]));
      }
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
    async *read(bytes) {
      const lines = createInterface({ input: bytes, crlfDelay: Number.POSITIVE_INFINITY });
      for await (const line of lines) if (line !== '') yield row.parse(JSON.parse(line));
    },
  };
}
