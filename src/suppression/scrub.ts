import type { AddressKeys } from '../core/contact-keys.js';
import { HushError } from '../core/errors.js';
import type { Machine } from '../core/machine.js';
import type { DecisionQuery, DecisionSubject, Decisions } from '../preferences/decisions.js';
import type { Verdicts } from '../preferences/verdicts.js';
import { contactInCell } from './contact-cell.js';
import { columnsNamed, contactColumns, onlyColumn } from './contact-column.js';
import { type Csv, type CsvBlock, type CsvRow, columnNames, lineEndOf } from './csv-rows.js';
import { addAnswers, annotatedBlock, type BlockVerdicts, decideBlock, passed, type RowVerdict } from './scrub-block.js';

export const SCRUB_OUTPUTS = ['allowed', 'denied', 'annotated'] as const;
export type ScrubOutput = (typeof SCRUB_OUTPUTS)[number];

/** Columns that `annotated` adds behind those that are there. */
const ADDED = ['allowed', 'reason', 'since'] as const;
/** Rows that the store is asked about with one read. */
const STORE_BATCH = 1000;
/** Blocks that are read ahead, and answered as of one moment. */
const BLOCKS_AHEAD = 4;

export interface ScrubCounts {
  readonly rows: number;
  readonly allowed: number;
  readonly denied: number;
  /** Rows by reason, of allowed and of denied ones. */
  readonly reasons: Readonly<Record<string, number>>;
}

/** Columns of contacts in a header: the one that is named, else those of the likeliest kind there is. */
export function scrubColumns(names: readonly string[], column: string | undefined): readonly number[] {
  return column === undefined ? (contactColumns(names)[0] ?? []) : columnsNamed(names, column);
}

/** The place of the column in the file. Throws HushError `invalid` that says what to ask for instead. */
function columnIn({ header }: Csv, column: string | undefined, output: ScrubOutput): number {
  const remedy = `name the column that has the contact; ${columnNames(header)}`;
  const place = onlyColumn(header.cells, scrubColumns(header.cells, column), column, remedy);
  const clash = output === 'annotated' ? ADDED.find((name) => header.cells.includes(name)) : undefined;
  if (clash !== undefined) {
    throw new HushError('invalid', `the file has a column ${clash} already`, {
      field: 'output',
      remedy: `rename or remove it: annotated adds ${ADDED.join(', ')}`,
    });
  }
  return place;
}

function annotated(row: CsvRow, cells: readonly string[], csv: Csv): Buffer {
  const end = lineEndOf(row.bytes);
  // A row that lacks cells gets them, so that what is added stands under its name.
  const lacking = csv.delimiter.repeat(Math.max(0, csv.header.cells.length - row.cells.length));
  const added = Buffer.from(lacking + csv.delimiter + cells.join(csv.delimiter));
  return Buffer.concat([row.bytes.subarray(0, row.bytes.length - end.length), added, end]);
}

/**
 * Reads on while what was read is being answered. `next` gives all that is there, at least one; undefined at the end. Throws
 * what the reading threw, after what came before it.
 */
function readAhead<T>(source: AsyncIterator<T>, most: number) {
  const ready: T[] = [];
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;
  let signal: (() => void) | undefined;
  let resume: (() => void) | undefined;
  const changed = () => {
    signal?.();
    signal = undefined;
  };
  async function read(): Promise<void> {
    try {
      while (!isOver) {
        const { done, value } = await source.next();
        if (done) break;
        ready.push(value);
        changed();
        if (ready.length >= most) {
          await new Promise<void>((resolve) => {
            resume = resolve;
          });
        }
      }
    } catch (error) {
      failure = { error };
    }
    isOver = true;
    changed();
  }
  void read();
  return {
    async next(): Promise<T[] | undefined> {
      while (ready.length === 0 && !isOver) {
        await new Promise<void>((resolve) => {
          signal = resolve;
        });
      }
      if (ready.length === 0 && failure) throw failure.error;
      if (ready.length === 0) return undefined;
      const taken = ready.splice(0);
      resume?.();
      return taken;
    },
    /** Ends the reading, also in the middle. */
    close(): void {
      isOver = true;
      resume?.();
      // Not waited for: a sender may take its time with what nobody reads any more.
      void source.return?.().catch(() => undefined);
    },
  };
}

/**
 * Asks the decision for every row of a CSV file and gives back the rows that are allowed, or those that are denied, byte
 * for byte, or all with the answer added. Cells are not neutralised for spreadsheets: it is the caller's own file.
 */
export function createScrub(parts: {
  readonly decisions: Pick<Decisions, 'decideAll' | 'fromMemory' | 'countGiven'>;
  /** Throws HushError `invalid` for what is no contact. */
  readonly subjectOf: (contact: ReturnType<typeof contactInCell>) => DecisionSubject;
  readonly keys: AddressKeys;
  readonly machine: Pick<Machine, 'yieldTurn'>;
}) {
  const { decisions, subjectOf, keys, machine } = parts;

  return {
    /**
     * Pieces of the answer, the first once the first rows are answered. A question about now is about the moment of some
     * rows that came together. Throws HushError; what was yielded until then is no whole
     * file. `counts` is of the rows so far.
     */
    run(csv: Csv, options: { column: string | undefined; output: ScrubOutput; question: DecisionQuery }) {
      const { output, question } = options;
      const place = columnIn(csv, options.column, output);
      const columns = csv.header.cells.length;
      const counts = { rows: 0, allowed: 0, denied: 0, reasons: {} as Record<string, number> };
      const rowParts = { columns, place, contactOf: contactInCell, subjectOf, keys };

      function count({ verdicts }: BlockVerdicts): void {
        const rows = new Map<RowVerdict, number>();
        for (const verdict of verdicts) if (verdict) rows.set(verdict, (rows.get(verdict) ?? 0) + 1);
        for (const [{ allowed, reason }, number] of rows) {
          counts.rows += number;
          counts[allowed ? 'allowed' : 'denied'] += number;
          counts.reasons[reason] = (counts.reasons[reason] ?? 0) + number;
        }
      }

      async function pieceOf(block: CsvBlock, memory: Verdicts | undefined): Promise<Buffer> {
        const decided = decideBlock(block, rowParts, memory);
        for (let from = 0; from < decided.open.length; from += STORE_BATCH) {
          const open = decided.open.slice(from, from + STORE_BATCH);
          const subjects = open.map(({ subject }) => subject);
          addAnswers(decided, open, await decisions.decideAll(subjects, question));
        }
        count(decided);
        return output === 'annotated'
          ? annotatedBlock(block, decided, { delimiter: csv.delimiter, columns })
          : Buffer.concat(passed(block, decided, output === 'allowed'));
      }

      async function* pieces(): AsyncGenerator<Buffer> {
        let head = Buffer.concat([
          csv.preamble,
          output === 'annotated' ? annotated(csv.header, ADDED, csv) : csv.header.bytes,
        ]);
        const ahead = readAhead(csv.blocks, BLOCKS_AHEAD);
        try {
          for (let blocks = await ahead.next(); blocks; blocks = await ahead.next()) {
            // They are here already, so none of their questions is later than this.
            const memory = await decisions.fromMemory(question);
            for (const block of blocks) {
              const piece = await pieceOf(block, memory);
              if (head.length + piece.length > 0) yield head.length > 0 ? Buffer.concat([head, piece]) : piece;
              head = Buffer.alloc(0);
              // Others have their turn: whoever asks about one contact does not wait for a list.
              await machine.yieldTurn();
            }
            if (memory) decisions.countGiven(memory);
          }
          if (head.length > 0) yield head;
        } finally {
          ahead.close();
        }
      }
      return { pieces: pieces(), counts: counts as ScrubCounts };
    },
  };
}

export type Scrub = ReturnType<typeof createScrub>;
