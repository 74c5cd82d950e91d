import { ADDRESS_KIND, type AddressKeys } from '../core/contact-keys.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { writeIso } from '../core/iso-time.js';
import type { DecisionSubject, SubjectDecision } from '../preferences/decisions.js';
import type { Verdicts } from '../preferences/verdicts.js';
import type { contactInCell } from './contact-cell.js';
import { BLANK_ROW, NO_CELL, READ_ELSEWHERE } from './csv-ordinary.js';
import { type CsvBlock, type CsvRow, lineEndOf } from './csv-rows.js';

/** What a row gets: a decision, or why none can be asked for. No row of doubt is allowed. */
export interface RowVerdict {
  readonly allowed: boolean;
  readonly reason: string;
}
const NO_CONTACT: RowVerdict = { allowed: false, reason: 'invalid_contact' };
const NO_ROW: RowVerdict = { allowed: false, reason: 'invalid_row' };
/** A key that nobody is known under proves no contact. */
export const UNKNOWN_KEY: RowVerdict = { allowed: false, reason: 'unknown_key' };

/** What is known of the rows of a block. */
export interface BlockVerdicts {
  /** Of each row; undefined for one with nothing on it. */
  readonly verdicts: (RowVerdict | undefined)[];
  /** ms; NaN where there is none. */
  readonly since: Float64Array;
  /** Rows that the store has to be asked about, and whom. */
  readonly open: { readonly row: number; readonly subject: DecisionSubject }[];
}

interface RowParts {
  readonly columns: number;
  readonly place: number;
  readonly contactOf: typeof contactInCell;
  /** Throws HushError `invalid` for what is no contact. */
  readonly subjectOf: (contact: ReturnType<typeof contactInCell>) => DecisionSubject;
}

function readCell(cell: string | undefined, { contactOf, subjectOf }: RowParts): DecisionSubject | RowVerdict {
  // Bytes that are no UTF-8 would make one contact of several.
  if (cell === undefined || cell.includes('\ufffd')) return NO_CONTACT;
  try {
    return subjectOf(contactOf(cell));
  } catch (error) {
    if (error instanceof HushError && error.kind === 'invalid') return NO_CONTACT;
    throw error;
  }
}

function readRow(row: CsvRow, parts: RowParts): DecisionSubject | RowVerdict | undefined {
  if (row.blank) return undefined;
  if (row.broken) return NO_ROW;
  // With too many cells, nobody knows which belongs under which name.
  if (row.cells.slice(parts.columns).some((cell) => cell.trim() !== '')) return NO_ROW;
  return readCell(row.cells[parts.place], parts);
}

/** Puts the contacts of ordinary rows where the program looks for them. */
function giveAddresses({ bytes, spans }: CsvBlock, keys: AddressKeys): void {
  keys.text.set(bytes);
  for (let row = 0; row < spans.count; row++) {
    let from = spans.cellFrom[row]!;
    let to = from < 0 ? from : spans.cellTo[row]!;
    while (from < to && (bytes[from] === 32 || bytes[from] === 9)) from++;
    while (to > from && (bytes[to - 1] === 32 || bytes[to - 1] === 9)) to--;
    keys.spans[row * 2] = Math.max(from, 0);
    keys.spans[row * 2 + 1] = to - from;
  }
  keys.make(spans.count);
}

/** An ordinary address whose key is made already. */
function addressOf(bytes: Buffer, row: number, keys: AddressKeys): DecisionSubject {
  const from = keys.spans[row * 2]!;
  const given = bytes.toString('latin1', from, from + keys.spans[row * 2 + 1]!);
  const key = Buffer.allocUnsafe(16);
  for (let word = 0; word < 4; word++) key.writeUInt32BE(keys.keys[row * 4 + word]!, word * 4);
  const point: ContactPoint = { type: 'email', normalised: given.toLowerCase(), given };
  return { key, point };
}

/** Answers about the rows of a block: from memory, where there are verdicts to be had, and what is left open. */
export function decideBlock(
  block: CsvBlock,
  parts: RowParts & { readonly keys: AddressKeys },
  memory: Verdicts | undefined,
): BlockVerdicts {
  const { bytes, spans, others } = block;
  const { keys } = parts;
  const verdicts: (RowVerdict | undefined)[] = [];
  const since = new Float64Array(spans.count).fill(Number.NaN);
  const open: { row: number; subject: DecisionSubject }[] = [];
  giveAddresses(block, keys);
  for (let row = 0; row < spans.count; row++) {
    const kind = keys.kinds[row];
    const isMade = kind === ADDRESS_KIND.alone || kind === ADDRESS_KIND.grouped;
    const known =
      isMade && memory
        ? memory.of(keys.keys, row * 4, kind === ADDRESS_KIND.grouped ? keys.groups : undefined, undefined)
        : undefined;
    if (known) {
      verdicts.push(known.decision);
      if (known.dated) since[row] = memory?.since() ?? Number.NaN;
      continue;
    }
    const from = spans.cellFrom[row]!;
    const other = from === READ_ELSEWHERE ? others.get(row) : undefined;
    const read =
      kind !== ADDRESS_KIND.odd
        ? addressOf(bytes, row, keys)
        : other
          ? readRow(other, parts)
          : from === BLANK_ROW
            ? undefined
            : readCell(from === NO_CELL ? undefined : bytes.toString('utf8', from, spans.cellTo[row]!), parts);
    if (read && 'key' in read) {
      open.push({ row, subject: read });
      verdicts.push(undefined);
    } else verdicts.push(read);
  }
  return { verdicts, since, open };
}

/** What the store says about rows that were left open. */
export function addAnswers(
  decided: BlockVerdicts,
  open: BlockVerdicts['open'],
  answers: readonly (SubjectDecision | undefined)[],
): void {
  open.forEach(({ row }, place) => {
    const answer = answers[place];
    decided.verdicts[row] = answer ?? UNKNOWN_KEY;
    if (answer?.since !== undefined) decided.since[row] = answer.since;
  });
}

/** The rows of a block that pass, byte for byte; those without anything on them do not. */
export function passed({ bytes, spans }: CsvBlock, { verdicts }: BlockVerdicts, passes: boolean): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  let start = 0;
  for (let row = 0; row < spans.count; row++) {
    const end = spans.ends[row]!;
    const verdict = verdicts[row];
    if (!verdict || verdict.allowed !== passes) {
      if (start < from) pieces.push(bytes.subarray(start, from));
      start = end;
    }
    from = end;
  }
  if (start < from) pieces.push(bytes.subarray(start, from));
  return pieces;
}

/** Bytes that a time takes: years have up to six digits and a sign. */
const MAX_ISO_BYTES = 27;

/** All rows of a block with allowed, reason and since behind them. */
export function annotatedBlock(
  block: CsvBlock,
  { verdicts, since }: BlockVerdicts,
  { delimiter, columns }: { readonly delimiter: string; readonly columns: number },
): Buffer {
  const { bytes, spans, others } = block;
  const texts = new Map<RowVerdict, Buffer>();
  const textOf = (verdict: RowVerdict): Buffer => {
    const known = texts.get(verdict);
    if (known) return known;
    const text = Buffer.from(['', String(verdict.allowed), verdict.reason, ''].join(delimiter));
    texts.set(verdict, text);
    return text;
  };
  const separator = Buffer.from(delimiter);
  let size = bytes.length;
  for (let row = 0; row < spans.count; row++) {
    const verdict = verdicts[row];
    if (verdict) size += textOf(verdict).length + MAX_ISO_BYTES + columns * separator.length;
  }
  const out = Buffer.allocUnsafe(size);
  let at = 0;
  let from = 0;
  for (let row = 0; row < spans.count; row++) {
    const end = spans.ends[row]!;
    const verdict = verdicts[row];
    const ending = verdict ? lineEndLength(bytes, from, end) : 0;
    at += bytes.copy(out, at, from, end - ending);
    if (verdict) {
      // A row that lacks cells gets them, so that what is added stands under its name.
      const width = spans.cellFrom[row] === READ_ELSEWHERE ? (others.get(row)?.cells.length ?? 0) : spans.widths[row]!;
      for (let lacking = width; lacking < columns; lacking++) at += separator.copy(out, at);
      at += textOf(verdict).copy(out, at);
      if (!Number.isNaN(since[row]!)) at = writeIso(out, at, since[row]!);
      at += bytes.copy(out, at, end - ending, end);
    }
    from = end;
  }
  return out.subarray(0, at);
}

function lineEndLength(bytes: Buffer, from: number, end: number): number {
  const last = bytes[end - 1];
  if (last === 10) return end - from > 1 && bytes[end - 2] === 13 ? 2 : 1;
  return last === 13 ? lineEndOf(bytes.subarray(from, end)).length : 0;
}
