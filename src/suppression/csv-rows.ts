import { finished } from 'node:stream/promises';
import { type CsvError, Parser } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { HushError } from '../core/errors.js';

/** A row with the bytes it came in, its line end included: what passes through is passed on as it came. */
export interface CsvRow {
  /** As a spreadsheet numbers it: the header is row 1. */
  readonly number: number;
  readonly cells: readonly string[];
  readonly bytes: Buffer;
  /** A line with nothing on it is no row; it has a number all the same. */
  readonly blank: boolean;
}

export interface Csv {
  readonly header: CsvRow;
  readonly delimiter: string;
  /** The other rows, in order, as many at once as came at once. Throws HushError `invalid` that names the row. */
  readonly rows: AsyncGenerator<CsvRow[]>;
}

const DELIMITERS = [',', ';', '\t', '|'] as const;
/** Bytes of one row. A quote that is never closed would make one row of the rest of the file. */
const LONGEST_ROW = 256 * 1024;
/** CRLF first: its CR is no row of its own. One file may mix them. */
const ROW_ENDS = ['\r\n', '\n', '\r'];
const BOM = '\ufeff';

const invalid = (message: string, field: string, remedy: string) =>
  new HushError('invalid', message, { field, remedy });

/** The line end that the row has: none on a last line without one. */
export function lineEndOf(row: Buffer): Buffer {
  const last = row.at(-1);
  if (last !== 10 && last !== 13) return row.subarray(row.length);
  return row.subarray(last === 10 && row.at(-2) === 13 ? -2 : -1);
}

/** csv-parse quotes cells in its messages, and cells are addresses: what is told is its code, in our words. */
function faultOf(error: unknown, row: number): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const code = (error as CsvError).code as string;
  const field = `row ${row}`;
  if (code === 'CSV_MAX_RECORD_SIZE')
    return invalid(
      `${field} is longer than ${LONGEST_ROW / 1024} kB`,
      field,
      'close the quotes; leave long texts out of the file',
    );
  if (code === 'CSV_QUOTE_NOT_CLOSED')
    return invalid(`${field} has a quote that is never closed`, field, 'close it; write a quote in a cell twice');
  if (code === 'CSV_INVALID_CLOSING_QUOTE')
    return invalid(`${field} goes on after a closing quote`, field, 'write a quote in a cell twice: "6"" nails"');
  if (code === 'INVALID_OPENING_QUOTE')
    return invalid(
      `${field} has a quote in a cell without quotes`,
      field,
      'put the cell into quotes and write its quote twice: "6"" nails"',
    );
  return error;
}

/** Names of the columns under a delimiter, or what is wrong with the line then. */
function headerUnder(delimiter: string, bytes: Buffer): string[] | HushError {
  try {
    const [names = []] = parse(bytes, { bom: true, delimiter, record_delimiter: ROW_ENDS }) as string[][];
    return names.map((name) => name.trim());
  } catch (error) {
    const fault = faultOf(error, 1);
    if (fault instanceof HushError) return fault;
    throw error;
  }
}

/** The stream up to and with the piece in which its first line ends outside quotes, and the length of that line. */
async function headOf(chunks: AsyncIterator<Uint8Array>): Promise<{ head: Buffer; length: number; ended: boolean }> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  let quoted = false;
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    pieces.push(next.value);
    for (const [at, byte] of next.value.entries()) {
      if (byte === 34) quoted = !quoted;
      else if (!quoted && (byte === 10 || byte === 13))
        return { head: Buffer.concat(pieces), length: size + at + 1, ended: false };
    }
    size += next.value.length;
    if (size > LONGEST_ROW) throw invalid('the first line has no end', 'row 1', 'send CSV with a header line');
  }
  return { head: Buffer.concat(pieces), length: size, ended: true };
}

/**
 * Begins to read a CSV file as it arrives: UTF-8 (or ASCII with other bytes outside the cells that are read), delimited by
 * comma, semicolon, tab or bar: the one under which `isHeader` is true of the first row. Quotes are those of RFC 4180 and
 * nothing looser: a quote guessed wrong would join two rows, and one person's answer would carry the other's row along.
 *
 * Throws HushError `invalid` for what is no such file.
 */
export async function openCsv(
  stream: AsyncIterable<Uint8Array>,
  isHeader: (names: readonly string[]) => boolean,
): Promise<Csv> {
  const chunks = stream[Symbol.asyncIterator]();
  const { head, length, ended } = await headOf(chunks);
  if (head.length === 0) throw invalid('the file is empty', 'body', 'send CSV with a header line');
  const first = head.subarray(0, length);
  if (first.includes(0) || (first[0] === 0xff && first[1] === 0xfe)) {
    throw invalid('the file is UTF-16 or no text', 'body', 'save it as CSV UTF-8');
  }
  const readings = DELIMITERS.map((delimiter) => ({ delimiter, names: headerUnder(delimiter, first) }));
  const whole = readings.flatMap(({ delimiter, names }) => (names instanceof HushError ? [] : [{ delimiter, names }]));
  const likely = whole.filter(({ names }) => isHeader(names));
  const best = (likely.length > 0 ? likely : whole).sort((a, b) => b.names.length - a.names.length)[0];
  if (!best) throw readings[0]?.names;
  const { delimiter, names } = best;
  const groups = rowsOf(head, ended ? undefined : chunks, delimiter);
  const opening = await groups.next();
  const [header, ...others] = opening.done ? [] : opening.value;
  if (!header) throw invalid('the file is empty', 'body', 'send CSV with a header line');
  async function* rest(): AsyncGenerator<CsvRow[]> {
    if (others.length > 0) yield others;
    yield* groups;
  }
  return { header: { ...header, cells: names }, delimiter, rows: rest() };
}

async function* rowsOf(
  head: Buffer,
  chunks: AsyncIterator<Uint8Array> | undefined,
  delimiter: string,
): AsyncGenerator<CsvRow[]> {
  let found: { cells: string[]; end: number }[] = [];
  const parser = new Parser({
    bom: true,
    delimiter,
    record_delimiter: ROW_ENDS,
    relax_column_count: true,
    max_record_size: LONGEST_ROW,
    // Rows are taken here, as they are found, instead of one by one from a stream of objects: that costs twice as much.
    on_record: (cells: string[], { bytes }: { readonly bytes: number }) => {
      found.push({ cells, end: bytes });
      return null;
    },
  });
  parser.on('error', () => undefined);
  parser.resume();

  /** What of the file no row has had yet, and how many bytes came before it. */
  let held: Uint8Array[] = [];
  let base = 0;
  let number = 0;
  function take(): CsvRow[] {
    if (found.length === 0) return [];
    const bytes = Buffer.concat(held);
    let from = 0;
    const rows = found.map(({ cells, end }): CsvRow => {
      const row = bytes.subarray(from, end - base);
      from = end - base;
      number++;
      return { number, cells, bytes: row, blank: row.every((byte) => byte === 10 || byte === 13) };
    });
    held = from < bytes.length ? [bytes.subarray(from)] : [];
    base += from;
    found = [];
    return rows;
  }

  try {
    let chunk: Uint8Array | undefined = head;
    while (chunk) {
      held.push(chunk);
      const bytes = chunk;
      await new Promise<void>((resolve, reject) => {
        parser.write(bytes, (error) => (error ? reject(error) : resolve()));
      });
      const rows = take();
      if (rows.length > 0) yield rows;
      const next: IteratorResult<Uint8Array> | undefined = await chunks?.next();
      chunk = next && !next.done ? next.value : undefined;
    }
    parser.end();
    await finished(parser);
    const rows = take();
    if (rows.length > 0) yield rows;
  } catch (error) {
    throw faultOf(error, number + found.length + 1);
  } finally {
    parser.destroy();
  }
}

/** A name of a column as it may be told back: a file without a header has a person in its first line. */
function isName(name: string): boolean {
  return name !== '' && name.length <= 40 && !name.includes('@') && !/\d{5}/.test(name.replace(/[^\p{L}\d]/gu, ''));
}

/** Names of the columns for a remedy. */
export function columnsTold(header: CsvRow): string {
  if (!header.cells.every((name) => name === '' || isName(name)))
    return 'the first line seems to be no header: put one above it';
  return `the file has: ${header.cells.map((name) => name.replace(BOM, '')).join(', ')}`;
}
