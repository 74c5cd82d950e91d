import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { CHANNELS, PURPOSES } from '../../core/scope.js';
import type { Consents } from '../../preferences/consents.js';
import type { Subject } from '../../preferences/draft.js';
import type { OpeningGuard } from '../../preferences/opening-guard.js';
import type { ApiKey } from '../../store/api-keys.js';
import type { ImportRecord } from '../../store/imports.js';
import { type Csv, openCsv } from '../../suppression/csv-rows.js';
import { type ImportRow, type Imports, MAX_ERRORS, RowFault } from '../../suppression/import.js';
import { contactColumn, contactPlaces } from './import-contact.js';
import {
  columnOf,
  createImportReader,
  eventInLine,
  eventInRow,
  IMPORT_COLUMNS,
  IMPORT_TYPES,
  type ImportDefaults,
  listTime,
} from './import-rows.js';
import { linesOf, TOO_LONG } from './ndjson.js';
import { iso, type RequestReader } from './requests.js';
import type { ApiRoutes } from './route.js';
import { bodyOf } from './streams.js';

const CSV = 'text/csv';
const NDJSON = 'application/x-ndjson';
const MAX_LINE_BYTES = 64 * 1024;
const LATEST = 50;

const list = z
  .string()
  .regex(
    /^[a-z][a-z0-9._-]{0,63}$/,
    'name the list in lower-case letters, digits, dots and dashes, such as legacy-2019',
  );

const importSchema = z
  .object({
    id: z.string(),
    list: z.string(),
    format: z.enum(['csv', 'ndjson']),
    dryRun: z.boolean(),
    state: z.enum(['running', 'done', 'interrupted']),
    rows: z.number(),
    accepted: z.number(),
    repeated: z.number(),
    rejected: z.number(),
    errors: z.array(z.object({ row: z.number(), field: z.string(), code: z.string(), message: z.string() })),
    errorsLeftOut: z.number(),
    fault: z.string().optional(),
    startedAt: z.string(),
    updatedAt: z.string(),
    finishedAt: z.string().optional(),
  })
  .openapi('Import');

function importJson(record: ImportRecord): z.infer<typeof importSchema> {
  const { by: _by, startedAt, updatedAt, finishedAt, ...rest } = record;
  return {
    ...rest,
    errors: [...record.errors],
    errorsLeftOut: record.rejected - record.errors.length,
    startedAt: iso(startedAt),
    updatedAt: iso(updatedAt),
    ...(finishedAt === undefined ? {} : { finishedAt: iso(finishedAt) }),
  };
}

/** Columns of the file that say nothing to us: a name that is spelled otherwise must not be overlooked. */
const ignoredIn = ({ header }: Csv, contact: string): string[] =>
  header.cells.filter((name) => name !== contact && !IMPORT_COLUMNS.includes(name));

export function importRoutes(
  routes: ApiRoutes,
  parts: {
    readonly imports: Imports;
    readonly consents: Pick<Consents, 'wording'>;
    readonly guard: OpeningGuard;
    readonly reader: RequestReader;
    readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
    readonly now: () => number;
  },
): void {
  const { imports, reader } = parts;
  const rowReader = createImportReader({ ...parts, idOf: imports.idOf });

  async function* csvRows(
    csv: Csv,
    contact: { name: string; place: number },
    name: string,
    defaults: ImportDefaults,
    key: ApiKey,
  ): AsyncGenerator<ImportRow[]> {
    for await (const group of csv.rows) {
      yield group
        .filter(({ blank }) => !blank)
        .map((row) => ({
          number: row.number,
          bytes: row.bytes,
          read: async () => {
            try {
              return await rowReader.draft(eventInRow(csv, contact, row), name, defaults, key);
            } catch (error) {
              if (!(error instanceof RowFault)) throw error;
              const known = csv.header.cells.includes(error.field) || error.field === 'row';
              throw new RowFault(known ? error.field : columnOf(error.field, contact.name), error.message, error.code);
            }
          },
        }));
    }
  }

  async function* lineRows(
    body: AsyncIterable<Uint8Array>,
    name: string,
    defaults: ImportDefaults,
    key: ApiKey,
  ): AsyncGenerator<ImportRow[]> {
    let number = 0;
    for await (const line of linesOf(body, MAX_LINE_BYTES)) {
      number++;
      if (line !== TOO_LONG && line.every((byte) => byte === 32 || byte === 9)) continue;
      yield [
        {
          number,
          bytes: line === TOO_LONG ? Buffer.from('too long') : line,
          read: async () => rowReader.draft(eventInLine(line), name, defaults, key),
        },
      ];
    }
  }

  routes.add({
    method: 'post',
    path: '/imports',
    summary: 'Import a list of opt-outs',
    description: `A list from another system, as CSV or NDJSON (a line is an event as /v1/events takes it), without limit. \`list\` names it: the same row of the same list is one event, however often it is sent, so after a failure send the whole list again. Rows that do not say what happened mean \`type\`, \`at\`, \`brand\`, \`channel\`, \`purpose\`, \`topic\`. CSV: \`column\` names the column with the contact (else the one whose header says email, phone or contact, in the usual spellings and languages; an export of ours is known by its columns); further columns that count: ${IMPORT_COLUMNS.join(', ')}. A list can deny; it lifts nothing but by a consent with notice, date and evidence. Wrong rows are left out and told, the first ${MAX_ERRORS} of them, by the number of the row (the header is row 1). \`dry_run=true\` records nothing.`,
    scope: 'imports',
    query: z.strictObject({
      list: list.default('legacy'),
      dry_run: z.enum(['true', 'false']).default('false'),
      column: z.string().min(1).max(200).optional(),
      type: z.enum(IMPORT_TYPES).default('opted_out'),
      at: listTime.optional(),
      brand: z.string().min(1).max(32).optional(),
      channel: z.enum([...CHANNELS, '*']).optional(),
      purpose: z.enum([...PURPOSES, 'marketing', '*']).optional(),
      topic: z.string().min(1).max(32).optional(),
    }),
    streams: [CSV, NDJSON],
    answer: importSchema.extend({ ignoredColumns: z.array(z.string()).optional() }),
    async handle({ query, key, request }) {
      const { list: name, dry_run, column, ...defaults } = query;
      const { brand, topic } = defaults;
      reader.checkScope({ ...(brand === undefined ? {} : { brand }), ...(topic === undefined ? {} : { topic }) }, '');
      const options = { list: name, dryRun: dry_run === 'true', by: key.id };
      const reading = (more: object) => JSON.stringify([name, defaults, key.scopes.includes('lift'), more]);
      const { body, release } = bodyOf(request);
      try {
        if (request.is(NDJSON)) {
          const rows = lineRows(body, name, defaults, key);
          return importJson(await imports.run(rows, { ...options, format: 'ndjson', reading: reading({}) }));
        }
        const csv = await openCsv(body, (names) => contactPlaces(names, column));
        const contact = contactColumn(csv, column, IMPORT_COLUMNS);
        const ignoredColumns = ignoredIn(csv, contact.name);
        const record = await imports.run(csvRows(csv, contact, name, defaults, key), {
          ...options,
          format: 'csv',
          reading: reading({ cells: csv.header.cells, delimiter: csv.delimiter, contact }),
        });
        return { ...importJson(record), ignoredColumns };
      } finally {
        await release();
      }
    },
  });

  routes.add({
    method: 'get',
    path: '/imports',
    summary: 'The latest imports',
    description: `The last ${LATEST}, of one \`list\` or of all, the latest first: here an import that is under way is found.`,
    scope: 'imports',
    query: z.strictObject({ list: list.optional() }),
    answer: z.object({ imports: z.array(importSchema) }),
    async handle({ query }) {
      return { imports: (await imports.latest(query.list, LATEST)).map(importJson) };
    },
  });

  routes.add({
    method: 'get',
    path: '/imports/:id',
    summary: 'How far an import came',
    description:
      'Counts so far, also while it runs. `accepted` are rows recorded now (or, in a dry run, that would be), `repeated` rows that were recorded before, `rejected` rows left out. `interrupted`: send the whole list again.',
    scope: 'imports',
    answer: importSchema,
    async handle({ params }) {
      const found = await imports.get(params.id ?? '');
      if (!found) {
        throw new HushError('not_found', 'there is no such import', {
          field: 'id',
          remedy: 'use the id that the import gave; GET /v1/imports lists the latest',
        });
      }
      return importJson(found);
    },
  });
}
