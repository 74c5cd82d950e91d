import { HushError } from '../core/errors.js';
import type { DecisionQuery, DecisionSubject, Decisions, SubjectDecision } from '../preferences/decisions.js';
import { contactInCell } from './contact-cell.js';
import { columnsNamed, contactColumns, onlyColumn } from './contact-column.js';
import { type Csv, type CsvRow, columnNames, lineEndOf } from './csv-rows.js';

export const SCRUB_OUTPUTS = ['allowed', 'denied', 'annotated'] as const;
export type ScrubOutput = (typeof SCRUB_OUTPUTS)[number];

/** Columns that `annotated` adds behind those that are there. */
const ADDED = ['allowed', 'reason', 'since'] as const;
/** Rows answered with one read of the store. */
const BATCH_SIZE = 1000;

/** What a row gets: a decision, or why none can be asked for. No row of doubt is allowed. */
type Verdict = Pick<SubjectDecision, 'allowed' | 'since'> & { readonly reason: string };
const NO_CONTACT: Verdict = { allowed: false, reason: 'invalid_contact' };
const NO_ROW: Verdict = { allowed: false, reason: 'invalid_row' };
/** A key that nobody is known under proves no contact. */
const UNKNOWN_KEY: Verdict = { allowed: false, reason: 'unknown_key' };

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
 * Asks the decision for every row of a CSV file and gives back the rows that are allowed, or those that are denied, byte
 * for byte, or all with the answer added. Cells are not neutralised for spreadsheets: it is the caller's own file.
 */
export function createScrub(parts: {
  readonly decisions: Decisions;
  /** Throws HushError `invalid` for what is no contact. */
  readonly subjectOf: (contact: ReturnType<typeof contactInCell>) => DecisionSubject;
}) {
  async function verdicts(
    rows: readonly CsvRow[],
    csv: Csv,
    place: number,
    question: DecisionQuery,
  ): Promise<(Verdict | undefined)[]> {
    const subjects = rows.map((row): DecisionSubject | Verdict | undefined => {
      if (row.blank) return undefined;
      if (row.broken) return NO_ROW;
      // With too many cells, nobody knows which belongs under which name.
      if (row.cells.slice(csv.header.cells.length).some((cell) => cell.trim() !== '')) return NO_ROW;
      const cell = row.cells[place];
      // Bytes that are no UTF-8 would make one contact of several.
      if (cell === undefined || cell.includes('\ufffd')) return NO_CONTACT;
      try {
        return parts.subjectOf(contactInCell(cell));
      } catch (error) {
        if (error instanceof HushError && error.kind === 'invalid') return NO_CONTACT;
        throw error;
      }
    });
    const verdictsOfBatch = await parts.decisions.decideAll(
      subjects.flatMap((item) => (item && 'key' in item ? [item] : [])),
      question,
    );
    let next = 0;
    return subjects.map((item) => (item && 'key' in item ? (verdictsOfBatch[next++] ?? UNKNOWN_KEY) : item));
  }

  return {
    /**
     * Pieces of the answer, the first once the first rows are answered. A question about now is about the moment of each
     * batch. Throws HushError; what was yielded until then is no whole
     * file. `counts` is of the rows so far.
     */
    run(csv: Csv, options: { column: string | undefined; output: ScrubOutput; question: DecisionQuery }) {
      const { output, question } = options;
      const place = columnIn(csv, options.column, output);
      const counts = { rows: 0, allowed: 0, denied: 0, reasons: {} as Record<string, number> };

      function pieceOf(row: CsvRow, verdict: Verdict | undefined): Buffer | undefined {
        if (!verdict) return output === 'annotated' ? row.bytes : undefined;
        counts.rows++;
        counts[verdict.allowed ? 'allowed' : 'denied']++;
        counts.reasons[verdict.reason] = (counts.reasons[verdict.reason] ?? 0) + 1;
        if (output !== 'annotated') return verdict.allowed === (output === 'allowed') ? row.bytes : undefined;
        const since = verdict.since === undefined ? '' : new Date(verdict.since).toISOString();
        return annotated(row, [String(verdict.allowed), verdict.reason, since], csv);
      }

      async function* pieces(): AsyncGenerator<Buffer> {
        let head: Buffer[] = [
          csv.preamble,
          output === 'annotated' ? annotated(csv.header, ADDED, csv) : csv.header.bytes,
        ];
        for await (const group of csv.rows) {
          for (let from = 0; from < group.length; from += BATCH_SIZE) {
            const rows = group.slice(from, from + BATCH_SIZE);
            const verdictsOfBatch = await verdicts(rows, csv, place, question);
            const passed = rows.flatMap((row, index) => pieceOf(row, verdictsOfBatch[index]) ?? []);
            if (head.length + passed.length > 0) yield Buffer.concat([...head, ...passed]);
            head = [];
          }
        }
        if (head.length > 0) yield Buffer.concat(head);
      }
      return { pieces: pieces(), counts: counts as ScrubCounts };
    },
  };
}

export type Scrub = ReturnType<typeof createScrub>;
