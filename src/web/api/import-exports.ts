import { HushError } from '../../core/errors.js';
import { openCsv } from '../../suppression/csv-rows.js';
import { isJson, jsonValues, sentFiles } from '../../suppression/exports/files.js';
import { contactPlacesIn, type FoundFile, foundFile, type ProductName } from '../../suppression/exports/index.js';
import { type ExportOptions, type ExportRow, isLeftOut, type Meaning } from '../../suppression/exports/product.js';
import { entriesOf, rowOfCells, rowOfJson } from '../../suppression/exports/rows.js';
import { type ImportRow, RowFault } from '../../suppression/import.js';
import { checkCells } from '../../suppression/import-columns.js';
import { draftOfRow, type ImportContext, type ImportRowParts } from './import-rows.js';

/** What a caller says of an export. */
export interface ExportRequest {
  readonly from: ProductName | 'auto';
  readonly file: string;
  readonly only: string | undefined;
  readonly timeZone: string;
}

/** What was found in what was sent, known when all rows are read. */
export interface ExportFindings {
  readonly files: { readonly name: string; readonly from: string; readonly kind: string }[];
  /** Rows that say nothing a list may say, by status. */
  readonly leftOut: Map<string, number>;
}

interface Reading {
  readonly found: FoundFile;
  readonly options: ExportOptions;
  readonly findings: ExportFindings;
  readonly parts: ImportRowParts;
  readonly context: ImportContext;
}

const optionsOf = (
  { file: _file, from: _from, ...rest }: ExportRequest,
  name: string,
  found: FoundFile,
): ExportOptions => ({
  ...rest,
  file: name,
  order: found.product.order ?? 'mdy',
});

/** The events of a row, each a row of the import; what is left out is counted. A fault is told when the row is read. */
function importRows(
  { found, options, findings, parts, context }: Reading,
  row: { readonly number: number; readonly bytes: Uint8Array; readonly read: () => ExportRow },
): ImportRow[] {
  const fault = (error: unknown): ImportRow => ({
    number: row.number,
    bytes: row.bytes,
    read: () => Promise.reject(error),
  });
  let meanings: readonly Meaning[];
  try {
    meanings = [found.file.read(row.read(), options)].flat();
  } catch (error) {
    if (error instanceof RowFault) return [fault(error)];
    throw error;
  }
  for (const meaning of meanings) {
    if (isLeftOut(meaning)) findings.leftOut.set(meaning.leftOut, (findings.leftOut.get(meaning.leftOut) ?? 0) + 1);
  }
  return meanings
    .filter((meaning) => !isLeftOut(meaning))
    .map((event, index) => ({
      number: row.number,
      bytes: index === 0 ? row.bytes : Buffer.concat([row.bytes, Buffer.from(`#${index}`)]),
      read: () =>
        draftOfRow(parts, event, context).catch((error: unknown) => {
          // The contact came from a column of another name.
          if (!(error instanceof RowFault) || !error.field.startsWith('contact')) throw error;
          throw new RowFault(found.file.contact[0] ?? 'row', error.message, error.code);
        }),
    }));
}

async function* csvRows(
  bytes: AsyncIterable<Uint8Array>,
  begin: (names: readonly string[]) => Reading,
  from: ExportRequest['from'],
) {
  const csv = await openCsv(bytes, (names) => contactPlacesIn(from, names));
  const reading = begin(csv.header.cells);
  for await (const group of csv.rows) {
    yield group
      .filter(({ blank }) => !blank)
      .flatMap((row) =>
        importRows(reading, {
          number: row.number,
          bytes: row.bytes,
          read() {
            checkCells(csv, row);
            return rowOfCells(csv.header.cells, row.cells);
          },
        }),
      );
  }
}

async function* jsonRows(bytes: AsyncIterable<Uint8Array>, begin: (names: readonly string[]) => Reading) {
  let number = 0;
  let reading: Reading | undefined;
  const values = await jsonValues(bytes);
  // A line of JSON lines is an entry; a document is a list, or wraps one.
  const lists = values.map((value) => entriesOf(value));
  const entries =
    lists.every((list) => list === undefined) && values.length > 0
      ? entriesOf(values)
      : lists.flatMap((list) => list ?? []);
  if (entries === undefined || (entries.length > 0 && entries.every((entry) => rowOfJson(entry).names.length === 0)))
    throw new HushError('invalid', 'the JSON has no list of entries', {
      field: 'body',
      remedy: 'send what the interface of the product answers, as it is',
    });
  for (const entry of entries) {
    number++;
    const row = rowOfJson(entry);
    // Pages of one product may be of several kinds; most are of one.
    reading = reading && fits(reading, row) ? reading : begin(row.names);
    yield importRows(reading, { number, bytes: Buffer.from(JSON.stringify(entry)), read: () => row });
  }
}

const kinds = new WeakMap<Reading, string>();
function fits(reading: Reading, row: ExportRow): boolean {
  const names = row.names.join('\u0000');
  const known = kinds.get(reading);
  if (known === undefined) kinds.set(reading, names);
  return known === undefined || known === names;
}

const NOT_READ = 'not read';

/**
 * The rows of an export of another product: of each file that it has, in order. In a zip a file that is no list of the product is passed
 * over and told, unless none is one.
 */
export async function* exportRows(
  parts: ImportRowParts,
  body: AsyncIterable<Uint8Array>,
  request: ExportRequest,
  context: ImportContext,
  findings: ExportFindings,
): AsyncGenerator<ImportRow[]> {
  let stranger: HushError | undefined;
  for await (const file of sentFiles(body, request.file)) {
    const begin = (names: readonly string[]): Reading => {
      const found = foundFile(request.from, names);
      const kind = found.file.name;
      if (!findings.files.some((one) => one.name === file.name && one.kind === kind))
        findings.files.push({ name: file.name, from: found.from, kind });
      return { found, options: optionsOf(request, file.name, found), findings, parts, context };
    };
    const { isJson: json, bytes } = await isJson(file);
    try {
      yield* json ? jsonRows(bytes, begin) : csvRows(bytes, begin, request.from);
    } catch (error) {
      if (!file.isInZip || !(error instanceof HushError) || error.detail.field !== 'from') throw error;
      stranger = error;
      findings.files.push({ name: file.name, from: request.from, kind: NOT_READ });
    }
  }
  if (stranger && findings.files.every(({ kind }) => kind === NOT_READ)) throw stranger;
}

/** The same rows, of which the first are there: a file of another kind is refused before anything is begun. */
export async function begun(rows: AsyncGenerator<ImportRow[]>): Promise<AsyncIterable<ImportRow[]>> {
  const first = await rows.next();
  async function* all() {
    if (!first.done) yield first.value;
    yield* rows;
  }
  return all();
}
