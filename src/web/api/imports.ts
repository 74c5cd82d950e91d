import { z } from 'zod';
import { isTimeZone } from '../../core/calendar.js';
import { HushError } from '../../core/errors.js';
import { CHANNELS, PURPOSES } from '../../core/scope.js';
import type { ImportRecord } from '../../store/imports.js';
import { type Csv, openCsv } from '../../suppression/csv-rows.js';
import { PRODUCT_NAMES } from '../../suppression/exports/index.js';
import { type ImportRow, type Imports, MAX_ERRORS, RowFault } from '../../suppression/import.js';
import { columnOf, eventInRow, IMPORT_COLUMNS } from '../../suppression/import-columns.js';
import { contactColumn, contactPlaces } from '../../suppression/import-contact.js';
import { IMPORT_TYPES } from '../../suppression/import-policy.js';
import { begun, type ExportFindings, exportRows } from './import-exports.js';
import { draftOfRow, eventInLine, type ImportContext, type ImportRowParts, listTime } from './import-rows.js';
import { linesOf, TOO_LONG } from './ndjson.js';
import { iso } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';
import { bodyOf } from './streams.js';

const CSV = 'text/csv';
const NDJSON = 'application/x-ndjson';
const JSON_TYPE = 'application/json';
const ZIP = 'application/zip';
const BYTES = 'application/octet-stream';
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

/** Columns that are not read. They are reported, so that a misspelled name is noticed. */
const ignoredIn = ({ header }: Csv, contact: string): string[] =>
  header.cells.filter((name) => name !== contact && !IMPORT_COLUMNS.includes(name));

interface ImportParts extends Omit<ImportRowParts, 'idOf'> {
  readonly imports: Imports;
}

const importListQuery = z.strictObject({
  list: list.default('legacy'),
  dry_run: z.enum(['true', 'false']).default('false'),
  column: z.string().min(1).max(200).optional(),
  type: z.enum(IMPORT_TYPES).default('opted_out'),
  at: listTime.optional(),
  brand: z.string().min(1).max(32).optional(),
  channel: z.enum([...CHANNELS, '*']).optional(),
  purpose: z.enum([...PURPOSES, 'marketing', '*']).optional(),
  topic: z.string().min(1).max(32).optional(),
  from: z.enum([...PRODUCT_NAMES, 'csv', 'auto']).optional(),
  file: z.string().max(200).optional(),
  only: z.string().min(1).max(200).optional(),
  time_zone: z.string().max(64).refine(isTimeZone, 'write an IANA time zone such as America/Chicago').optional(),
});

const latestImportsQuery = z.strictObject({ list: list.optional() });

async function* csvRows(
  parts: ImportParts,
  csv: Csv,
  contact: { name: string; place: number },
  context: ImportContext,
): AsyncGenerator<ImportRow[]> {
  const { imports } = parts;
  for await (const group of csv.rows) {
    yield group
      .filter(({ blank }) => !blank)
      .map((row) => ({
        number: row.number,
        bytes: row.bytes,
        read: async () => {
          try {
            return await draftOfRow({ ...parts, idOf: imports.idOf }, eventInRow(csv, contact, row), context);
          } catch (error) {
            if (!(error instanceof RowFault)) throw error;
            const isColumn = csv.header.cells.includes(error.field) || error.field === 'row';
            throw new RowFault(isColumn ? error.field : columnOf(error.field, contact.name), error.message, error.code);
          }
        },
      }));
  }
}

async function* lineRows(
  parts: ImportParts,
  body: AsyncIterable<Uint8Array>,
  context: ImportContext,
): AsyncGenerator<ImportRow[]> {
  const { imports } = parts;
  let number = 0;
  for await (const line of linesOf(body, MAX_LINE_BYTES)) {
    number++;
    if (line !== TOO_LONG && line.every((byte) => byte === 32 || byte === 9)) continue;
    yield [
      {
        number,
        bytes: line === TOO_LONG ? Buffer.from('too long') : line,
        read: async () => draftOfRow({ ...parts, idOf: imports.idOf }, eventInLine(line), context),
      },
    ];
  }
}

async function importList(
  parts: ImportParts,
  { query, key, request }: ApiRequest<undefined, z.infer<typeof importListQuery>>,
) {
  const { reader, imports } = parts;
  const { list: name, dry_run, column, from, file = '', only, time_zone: timeZone = 'UTC', ...defaults } = query;
  const { brand, topic } = defaults;
  reader.checkScope({ ...(brand === undefined ? {} : { brand }), ...(topic === undefined ? {} : { topic }) }, '');
  const context = { list: name, defaults, key };
  const options = { list: name, dryRun: dry_run === 'true', by: key.id };
  const reading = (more: object) => JSON.stringify([name, defaults, key.scopes.includes('lift'), more]);
  const { body, release } = bodyOf(request);
  try {
    if (from !== undefined && from !== 'csv') {
      const findings: ExportFindings = { files: [], leftOut: new Map() };
      const exported = { from, file, only, timeZone };
      // What other products keep is about marketing by email, where the caller says nothing narrower.
      const scoped = { ...defaults, channel: defaults.channel ?? 'email', purpose: defaults.purpose ?? 'marketing' };
      const rows = exportRows(
        { ...parts, idOf: imports.idOf },
        body,
        exported,
        { ...context, defaults: scoped },
        findings,
      );
      const format = request.is([NDJSON, JSON_TYPE]) ? 'ndjson' : 'csv';
      const record = await imports.run(await begun(rows), {
        ...options,
        format,
        reading: reading({ exported, scoped }),
      });
      const leftOut = [...findings.leftOut].map(([status, count]) => ({ status, rows: count }));
      return { ...importJson(record), files: findings.files, leftOut };
    }
    if (request.is(NDJSON)) {
      const rows = lineRows(parts, body, context);
      return importJson(await imports.run(rows, { ...options, format: 'ndjson', reading: reading({}) }));
    }
    const csv = await openCsv(body, (names) => contactPlaces(names, column));
    const contact = contactColumn(csv, column, IMPORT_COLUMNS);
    const ignoredColumns = ignoredIn(csv, contact.name);
    const record = await imports.run(csvRows(parts, csv, contact, context), {
      ...options,
      format: 'csv',
      reading: reading({ cells: csv.header.cells, delimiter: csv.delimiter, contact }),
    });
    return { ...importJson(record), ignoredColumns };
  } finally {
    await release();
  }
}

async function latestImports(
  { imports }: Pick<ImportParts, 'imports'>,
  { query }: ApiRequest<undefined, z.infer<typeof latestImportsQuery>>,
) {
  return { imports: (await imports.latest(query.list, LATEST)).map(importJson) };
}

async function showImport({ imports }: Pick<ImportParts, 'imports'>, { params }: ApiRequest<undefined>) {
  const found = await imports.get(params.id ?? '');
  if (!found) {
    throw new HushError('not_found', 'there is no such import', {
      field: 'id',
      remedy: 'use the id that the import gave; GET /v1/imports lists the latest',
    });
  }
  return importJson(found);
}

export function importRoutes(routes: ApiRoutes, parts: ImportParts): void {
  routes.add({
    method: 'post',
    path: '/imports',
    operationId: 'importOptOuts',
    tag: 'Imports',
    summary: 'Import a list of opt-outs',
    description: `A list from another system, as CSV or NDJSON (a line is an event as /v1/events takes it), without limit. \`list\` names it: the same row of the same list is one event, however often it is sent, so after a failure send the whole list again. Rows that do not say what happened mean \`type\`, \`at\`, \`brand\`, \`channel\`, \`purpose\`, \`topic\`. CSV: \`column\` names the column with the contact (else the one whose header says email, phone or contact, in the usual spellings and languages; an export of ours is known by its columns); further columns that count: ${IMPORT_COLUMNS.join(', ')}. A list can deny; it lifts nothing but by a consent with notice, date and evidence. Wrong rows are left out and told, the first ${MAX_ERRORS} of them, by the number of the row (the header is row 1). \`dry_run=true\` records nothing.\n\n\`from\` names the product that a file was exported from (\`auto\` finds it out), and the file is read as it is: CSV in any delimiter, UTF-8 or UTF-16, JSON as the product's interface gives it, or a zip of such files. Its own statuses say what happened: unsubscribes are \`opted_out\` and spam reports \`complained\`, of all marketing by email unless the query says otherwise; hard bounces are \`bounced\`; everything else is left out and counted in \`leftOut\`. \`file\` is the name of the file, which some products need; \`only\` names a group, topic or subscription type whose opt-outs count as well; \`time_zone\` is that of times which name none (docs/migrating).`,
    scope: 'imports',
    query: importListQuery,
    streams: [CSV, NDJSON],
    streamsWith: { query: 'from', types: [JSON_TYPE, ZIP, BYTES] },
    answer: importSchema.extend({
      ignoredColumns: z.array(z.string()).optional(),
      files: z.array(z.object({ name: z.string(), from: z.string(), kind: z.string() })).optional(),
      leftOut: z.array(z.object({ status: z.string(), rows: z.number() })).optional(),
    }),
    handle: (call) => importList(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/imports',
    operationId: 'listImports',
    tag: 'Imports',
    summary: 'The latest imports',
    description: `The last ${LATEST}, of one \`list\` or of all, the latest first: here an import that is under way is found.`,
    scope: 'imports',
    query: latestImportsQuery,
    answer: z.object({ imports: z.array(importSchema) }),
    handle: (call) => latestImports(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/imports/:id',
    operationId: 'getImport',
    tag: 'Imports',
    summary: 'How far an import came',
    description:
      'Counts so far, also while it runs. `accepted` are rows recorded now (or, in a dry run, that would be), `repeated` rows that were recorded before, `rejected` rows left out. `interrupted`: send the whole list again.',
    scope: 'imports',
    answer: importSchema,
    handle: (call) => showImport(parts, call),
  });
}
