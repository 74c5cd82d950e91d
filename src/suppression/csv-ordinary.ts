/** What is to be known of a file to read its rows. */
export interface RowShape {
  readonly delimiter: string;
  /** Columns of the header. */
  readonly width: number;
  /** Column of the contact. */
  readonly place: number;
}

/** Rows of a block by their places in its bytes. */
export interface RowSpans {
  count: number;
  /** Where each row ends, its line end included. The first begins where the scan did, each other where the one before ends. */
  readonly ends: Uint32Array;
  /** Where the cell of the contact begins and ends, without quotes around it; `NO_CELL` where the row has none. */
  readonly cellFrom: Int32Array;
  readonly cellTo: Int32Array;
  /** Cells. */
  readonly widths: Uint16Array;
}

export const NO_CELL = -1;
/** A line with nothing on it. */
export const BLANK_ROW = -2;
/** The row is not in the spans: somebody else has read it. */
export const READ_ELSEWHERE = -3;

const QUOTE = 34;
const LF = 10;
const CR = 13;
/** A longer row is not ordinary; the length that is refused is for csv-parse to know. */
const MAX_ORDINARY_BYTES = 32 * 1024;

export const newSpans = (rows: number): RowSpans => ({
  count: 0,
  ends: new Uint32Array(rows),
  cellFrom: new Int32Array(rows),
  cellTo: new Int32Array(rows),
  widths: new Uint16Array(rows),
});

/** Why a scan stopped: a row that is not ordinary comes next; what is there ends within a row; there are enough rows. */
export type ScanEnd = 'odd' | 'unfinished' | 'full';

/**
 * Reads ordinary rows: lines that end in LF or CRLF, whose quotes are around whole cells. A cell of the contact with a quote in
 * it is not ordinary, nor is anything that might be wrong: csv-parse reads that, and says the same of ordinary rows
 * (test/suppression/csv-ordinary.test.ts).
 *
 * @param limit where the bytes are to be taken to end
 * @returns where it stopped, which is where a row begins
 */
export function scanRows(
  bytes: Uint8Array,
  from: number,
  limit: number,
  shape: RowShape,
  spans: RowSpans,
): { readonly end: number; readonly why: ScanEnd } {
  const { width, place } = shape;
  const delimiter = shape.delimiter.length === 1 ? shape.delimiter.charCodeAt(0) : 128;
  if (delimiter > 127) return { end: from, why: 'odd' };
  const most = spans.ends.length;
  let start = from;
  while (spans.count < most) {
    let at = start;
    let cell = 0;
    let cellFrom = NO_CELL;
    let cellTo = NO_CELL;
    let isOdd = false;
    // One turn a cell.
    for (;;) {
      let first = at;
      let last: number;
      if (bytes[at] === QUOTE && at < limit) {
        first = ++at;
        for (;;) {
          while (at < limit && bytes[at] !== QUOTE && bytes[at] !== LF && bytes[at] !== CR) at++;
          if (at >= limit) return { end: start, why: 'unfinished' };
          if (bytes[at] !== QUOTE) {
            isOdd = true;
            break;
          }
          if (bytes[at + 1] !== QUOTE || at + 1 >= limit) break;
          // A quote that is written twice: its cell has another text than its bytes.
          if (cell === place) isOdd = true;
          at += 2;
        }
        last = at++;
        if (at >= limit) return { end: start, why: 'unfinished' };
        const next = bytes[at];
        if (next !== delimiter && next !== LF && next !== CR) isOdd = true;
      } else {
        while (at < limit) {
          const byte = bytes[at];
          if (byte === delimiter || byte === LF || byte === CR) break;
          if (byte === QUOTE) isOdd = true;
          at++;
        }
        if (at >= limit) return { end: start, why: isOdd ? 'odd' : 'unfinished' };
        last = at;
      }
      if (cell === place) {
        cellFrom = first;
        cellTo = last;
      }
      // With too many cells, nobody knows which belongs under which name.
      if (cell >= width && last > first) isOdd = true;
      if (isOdd) return { end: start, why: 'odd' };
      cell++;
      if (bytes[at] !== delimiter) break;
      at++;
    }
    const isBlank = at === start;
    if (bytes[at] === CR) {
      if (at + 1 >= limit) return { end: start, why: 'unfinished' };
      // A CR alone ends a row too; the line that follows it is the other reader's.
      if (bytes[at + 1] !== LF) return { end: start, why: 'odd' };
      at++;
    }
    at++;
    if (at - start > MAX_ORDINARY_BYTES || cell > 0xffff) return { end: start, why: 'odd' };
    const row = spans.count++;
    spans.ends[row] = at;
    spans.cellFrom[row] = isBlank ? BLANK_ROW : cellFrom;
    spans.cellTo[row] = cellTo;
    spans.widths[row] = cell;
    start = at;
  }
  return { end: start, why: 'full' };
}
