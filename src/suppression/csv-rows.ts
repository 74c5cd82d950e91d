import { finished } from 'node:stream/promises';
import { type CsvError, Parser } from 'csv-parse';
import { parse } from 'csv-parse/sync';
import { HushError } from '../core/errors.js';
import { type ByteSource, byteSource, readLine } from './csv-lines.js';
import { newSpans, READ_ELSEWHERE, type RowShape, type RowSpans, scanRows } from './csv-ordinary.js';

/** A row with the bytes it came in, its line end included: what passes through is passed on as it came. */
export interface CsvRow {
  /** As a spreadsheet numbers it: the header is row 1. */
  readonly number: number;
  readonly cells: readonly string[];
  readonly bytes: Buffer;
  /** A line with nothing on it is no row; it has a number all the same. */
  readonly blank: boolean;
  /** A quote that is wrong, in a line whose cells cannot be separated. Its `cells` are empty. */
  readonly broken: boolean;
}

export interface Csv {
  /** A first line `sep=;`, which tells spreadsheets the delimiter, as it came; mostly empty. */
  readonly preamble: Buffer;
  readonly header: CsvRow;
  readonly delimiter: string;
  /** The other rows, in order, as many at once as came at once. Throws HushError `invalid` that names the row. */
  readonly rows: AsyncGenerator<CsvRow[]>;
  /** The same rows, ordinary ones as places in bytes: either of the two can be read. */
  readonly blocks: AsyncGenerator<CsvBlock>;
}

/** Rows in order. */
export interface CsvBlock {
  readonly bytes: Buffer;
  readonly spans: RowSpans;
  /** Those of which the spans say that they were read elsewhere, by their places in the block. */
  readonly others: ReadonlyMap<number, CsvRow>;
}

const DELIMITERS = [',', ';', '\t', '|'] as const;
/** Bytes of one row. */
const MAX_ROW_BYTES = 256 * 1024;
/** CRLF first: its CR is no row of its own. One file may mix them. */
const ROW_ENDS = ['\r\n', '\n', '\r'];
const BOM = '\ufeff';
/** As bytes (latin1). Excel writes it bare, others in quotes. */
const SEPARATOR = /^(?:\xef\xbb\xbf)?"?sep=([^\w"\r\n])"?\s*$/i;
/** What a contact may be written as, to tell a line of a list from a line of a text. */
const LIKE_A_CONTACT =
  /^[\s"']*(?:[^\s@"]+@[^\s@"]+\.[^\s@"]+|[a-z][a-z-]*:\S+|c_[0-9a-z]{26}|[+(]?\d[\d\s().-]{5,})[\s"]*$/i;

const invalid = (message: string, field: string, remedy: string) =>
  new HushError('invalid', message, { field, remedy });

/** The line end that the row has: none on a last line without one. */
export function lineEndOf(row: Buffer): Buffer {
  const last = row.at(-1);
  if (last !== 10 && last !== 13) return row.subarray(row.length);
  return row.subarray(last === 10 && row.at(-2) === 13 ? -2 : -1);
}

const tooLong = (row: number) =>
  invalid(
    `row ${row} is longer than ${MAX_ROW_BYTES / 1024} kB`,
    `row ${row}`,
    'close the quotes; leave long texts out of the file',
  );

/** csv-parse quotes cells in its messages, and cells are addresses: what is said is its code, in our words. */
function headerFault(error: unknown): HushError {
  const code = error instanceof Error && 'code' in error ? ((error as CsvError).code as string) : undefined;
  if (code === undefined) throw error;
  if (code === 'CSV_QUOTE_NOT_CLOSED')
    return invalid('row 1 has a quote that is never closed', 'row 1', 'close it; write a quote in a cell twice');
  return invalid('row 1 goes on after a closing quote', 'row 1', 'write a quote in a cell twice: "6"" nails"');
}

/** Names of the columns under a delimiter, or what is wrong with the line then. */
function headerUnder(delimiter: string, bytes: Buffer): string[] | HushError {
  try {
    const [names = []] = parse(bytes, { bom: true, delimiter, record_delimiter: ROW_ENDS }) as string[][];
    return names.map((name) => name.trim());
  } catch (error) {
    return headerFault(error);
  }
}

/**
 * Begins to read a CSV file as it arrives: UTF-8 (or ASCII with other bytes outside the cells that are read), delimited by
 * what a first line `sep=` says, else by comma, semicolon, tab or bar: the one under which `placesIn` finds a column of
 * contacts. Quotes are those of RFC 4180. A wrong one costs its own line and no other: a quote guessed wrong would join two
 * rows, and one person's answer would carry the other's row along.
 *
 * Throws HushError `invalid` for what is no such file.
 */
export async function openCsv(
  stream: AsyncIterable<Uint8Array>,
  placesIn: (names: readonly string[]) => readonly number[],
): Promise<Csv> {
  const source = byteSource(stream);
  const line = async () => {
    const bytes = await readLine(source, MAX_ROW_BYTES, true);
    if (!bytes) throw invalid('the first line has no end', 'row 1', 'send CSV with a header line');
    if (bytes.includes(0) || (bytes[0] === 0xff && bytes[1] === 0xfe))
      throw invalid('the file is UTF-16 or no text', 'body', 'save it as CSV UTF-8');
    return bytes;
  };
  let first = await line();
  let preamble: Buffer = Buffer.alloc(0);
  const separator = SEPARATOR.exec(first.toString('latin1'))?.[1];
  if (separator !== undefined) {
    preamble = first;
    first = await line();
  }
  if (first.length === 0) throw invalid('the file is empty', 'body', 'send CSV with a header line');
  const delimiters = separator === undefined ? DELIMITERS : [separator];
  const readings = delimiters.map((delimiter) => ({ delimiter, names: headerUnder(delimiter, first) }));
  const whole = readings.flatMap(({ delimiter, names }) => (names instanceof HushError ? [] : [{ delimiter, names }]));
  const likely = whole.filter(({ names }) => placesIn(names).length > 0);
  const best = (likely.length > 0 ? likely : whole).sort((a, b) => b.names.length - a.names.length)[0];
  if (!best) throw readings[0]?.names;
  const { delimiter, names } = best;
  const [place = 0] = placesIn(names);
  return {
    preamble,
    header: { number: 1, cells: names, bytes: first, blank: false, broken: false },
    delimiter,
    rows: rowsOf(source, { delimiter, width: names.length, place }),
    blocks: blocksOf(source, { delimiter, width: names.length, place }),
  };
}

/**
 * True when a cell with line breaks holds what looks like another row of the list: a quote that was not meant as one was
 * taken for the end of another. Valid by RFC 4180, and yet that row would pass with the answer of this one.
 */
function holdsAnotherRow(cells: readonly string[], { delimiter, width, place }: RowShape): boolean {
  return cells.some((cell, column) => {
    if (!/[\r\n]/.test(cell)) return false;
    return cell.split(/\r\n|\n|\r/).some((line, index) => {
      const pieces = line.split(delimiter);
      const at = index === 0 ? place - column : place;
      const isInside = index > 0 || at > 0;
      // A text may have an address on a line of its own; a row of several columns has more than that.
      const isRow = pieces.length >= Math.min(2, width) && pieces.length <= width;
      return isInside && isRow && LIKE_A_CONTACT.test(pieces[at] ?? '');
    });
  });
}

/** The cells of a line with a wrong quote: those of a reader that bears it, else without quotes at all. */
function cellsOf(line: Buffer, delimiter: string): string[] {
  const text = line.subarray(0, line.length - lineEndOf(line).length);
  const options = { delimiter, record_delimiter: ROW_ENDS, relax_column_count: true } as const;
  try {
    return (parse(text, { ...options, relax_quotes: true }) as string[][])[0] ?? [];
  } catch {
    return (parse(text, { ...options, quote: false }) as string[][])[0] ?? [];
  }
}

class WrongQuote extends Error {}

/** Reads on from where it begins until a row is wrong. Rows are collected as they are found: a stream of objects costs twice. */
function createReader(shape: RowShape) {
  let found: { cells: string[]; end: number }[] = [];
  const parser = new Parser({
    delimiter: shape.delimiter,
    record_delimiter: ROW_ENDS,
    relax_column_count: true,
    max_record_size: MAX_ROW_BYTES,
    on_record: (cells: string[], { bytes }: { readonly bytes: number }) => {
      if (holdsAnotherRow(cells, shape)) throw new WrongQuote();
      found.push({ cells, end: bytes });
      return null;
    },
  });
  parser.on('error', () => undefined);
  parser.resume();
  /** What no row has had yet, and how many bytes came before it. */
  let pending: Uint8Array[] = [];
  let base = 0;

  function collected(): { cells: string[]; bytes: Buffer }[] {
    if (found.length === 0) return [];
    const bytes = Buffer.concat(pending);
    let from = 0;
    const rows = found.map(({ cells, end }) => {
      const row = bytes.subarray(from, end - base);
      from = end - base;
      return { cells, bytes: row };
    });
    pending = from < bytes.length ? [bytes.subarray(from)] : [];
    base += from;
    found = [];
    return rows;
  }

  return {
    /** Undefined ends the file. `isWrong`: the row that comes next cannot be read. */
    async read(chunk: Uint8Array | undefined) {
      let isWrong = false;
      try {
        if (chunk) {
          pending.push(chunk);
          await new Promise<void>((resolve, reject) => {
            parser.write(chunk, (error) => (error ? reject(error) : resolve()));
          });
        } else {
          parser.end();
          await finished(parser);
        }
      } catch (error) {
        if (!(error instanceof WrongQuote) && !(error instanceof Error && 'code' in error)) throw error;
        isWrong = true;
      }
      return { rows: collected(), isWrong };
    },
    /** What was given and is in no row. */
    rest: () => Buffer.concat(pending),
    close: () => parser.destroy(),
  };
}

const rowOf = (number: number, cells: readonly string[], bytes: Buffer, broken = false): CsvRow => ({
  number,
  cells,
  bytes,
  broken,
  blank: bytes.every((byte) => byte === 10 || byte === 13),
});

/**
 * @param number of the row before
 * @param isEnough says of what is in no row yet whether another reader may go on with it
 */
async function* rowsOf(
  source: ByteSource,
  shape: RowShape,
  number = 1,
  isEnough: (rest: Buffer) => boolean = () => false,
): AsyncGenerator<CsvRow[]> {
  let reader = createReader(shape);
  let last = number;
  try {
    for (let chunk = await source.next(); ; chunk = await source.next()) {
      const { rows, isWrong } = await reader.read(chunk);
      const group = rows.map(({ cells, bytes }) => rowOf(++last, cells, bytes));
      if (isWrong) {
        source.unread(reader.rest());
        reader.close();
        const line = await readLine(source, MAX_ROW_BYTES, false);
        if (!line) throw tooLong(last + 1);
        const cells = cellsOf(line, shape.delimiter);
        const broken = cells.length !== shape.width;
        group.push(rowOf(++last, broken ? [] : cells, line, broken));
        reader = createReader(shape);
      }
      if (group.length > 0) yield group;
      if (!chunk && !isWrong) return;
      if (!chunk) continue;
      const rest = isWrong ? Buffer.alloc(0) : reader.rest();
      if (group.length === 0 || !isEnough(rest)) continue;
      source.unread(rest);
      return;
    }
  } finally {
    reader.close();
  }
}

/** A line, with quotes that end on it, as csv-parse reads it alone; undefined where it has to see what follows. */
function oddRow(bytes: Buffer, from: number, limit: number, shape: RowShape, number: number): CsvRow | undefined {
  const end = bytes.subarray(0, limit).indexOf(10, from) + 1;
  if (end === 0 || end - from > MAX_ORDINARY_LINE) return undefined;
  const line = bytes.subarray(from, end);
  try {
    const records = parse(line, {
      delimiter: shape.delimiter,
      record_delimiter: ROW_ENDS,
      relax_column_count: true,
    }) as string[][];
    const [cells] = records;
    if (!cells || records.length > 1 || holdsAnotherRow(cells, shape)) return undefined;
    return rowOf(number, cells, line);
  } catch {
    return undefined;
  }
}

/** Bytes of rows that are read together. */
const BLOCK_BYTES = 128 * 1024;
const BLOCK_ROWS = 4096;
/** Longer lines are for the reader that knows which are too long. */
const MAX_ORDINARY_LINE = 32 * 1024;

/** A block of rows that csv-parse has read. */
function blockOf(rows: readonly CsvRow[]): CsvBlock {
  const spans = newSpans(rows.length);
  const others = new Map<number, CsvRow>();
  let end = 0;
  for (const [place, row] of rows.entries()) {
    end += row.bytes.length;
    spans.ends[place] = end;
    spans.cellFrom[place] = READ_ELSEWHERE;
    others.set(place, row);
  }
  spans.count = rows.length;
  return { bytes: Buffer.concat(rows.map(({ bytes }) => bytes)), spans, others };
}

/** Rows in blocks of no more than is read together, or of one row. */
function* blocksIn(rows: readonly CsvRow[]): Generator<CsvBlock> {
  let from = 0;
  let size = 0;
  for (const [place, row] of rows.entries()) {
    if (place > from && (size + row.bytes.length > BLOCK_BYTES || place - from === BLOCK_ROWS)) {
      yield blockOf(rows.slice(from, place));
      [from, size] = [place, 0];
    }
    size += row.bytes.length;
  }
  yield blockOf(rows.slice(from));
}

/** Ordinary rows at the beginning of the bytes, with odd ones between them that a line holds whole. */
function blockAt(
  bytes: Buffer,
  shape: RowShape,
  number: number,
): { block: CsvBlock | undefined; end: number; isOdd: boolean } {
  const limit = Math.min(bytes.length, BLOCK_BYTES);
  const spans = newSpans(Math.min(BLOCK_ROWS, limit));
  const others = new Map<number, CsvRow>();
  let end = 0;
  let isOdd = false;
  for (;;) {
    const scan = scanRows(bytes, end, limit, shape, spans);
    end = scan.end;
    isOdd = scan.why === 'odd';
    const row = isOdd ? oddRow(bytes, end, limit, shape, number + spans.count + 1) : undefined;
    if (!row || spans.count >= spans.ends.length) break;
    end += row.bytes.length;
    others.set(spans.count, row);
    spans.cellFrom[spans.count] = READ_ELSEWHERE;
    spans.ends[spans.count++] = end;
  }
  return { block: spans.count > 0 ? { bytes: bytes.subarray(0, end), spans, others } : undefined, end, isOdd };
}

/** A row that goes on beyond this many bytes is not waited for: it may be one that is too long. */
const MAX_UNFINISHED = 32 * 1024;

async function* blocksOf(source: ByteSource, shape: RowShape): AsyncGenerator<CsvBlock> {
  let number = 1;
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const chunk = await source.next();
    rest = chunk ? Buffer.concat([rest, chunk]) : rest;
    let isOdd = !chunk && rest.length > 0;
    while (!isOdd) {
      const found = blockAt(rest, shape, number);
      rest = rest.subarray(found.end);
      isOdd = found.isOdd || (!found.block && rest.length > MAX_UNFINISHED);
      if (found.block) {
        number += found.block.spans.count;
        yield found.block;
      }
      if (!found.block) break;
    }
    if (isOdd) {
      source.unread(rest);
      rest = Buffer.alloc(0);
      // Once it has nothing in hand that may be a cell with line breaks, ordinary rows can be read again.
      const isEnough = (open: Buffer) => chunk !== undefined && open.length < MAX_UNFINISHED && !open.includes('"');
      for await (const rows of rowsOf(source, shape, number, isEnough)) {
        number += rows.length;
        yield* blocksIn(rows);
      }
    }
    if (!chunk) return;
  }
}

/** A name of a column as it may be repeated: a file without a header has a person in its first line. */
function isName(name: string): boolean {
  return name !== '' && name.length <= 40 && !name.includes('@') && !/\d{5}/.test(name.replace(/[^\p{L}\d]/gu, ''));
}

/** Names of the columns for a remedy. */
export function columnNames(header: CsvRow): string {
  if (!header.cells.every((name) => name === '' || isName(name)))
    return 'the first line seems to be no header: put one above it';
  return `the file has: ${header.cells.map((name) => name.replace(BOM, '')).join(', ')}`;
}
