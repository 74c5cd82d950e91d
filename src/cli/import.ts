import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { ConfigError } from '../config/yaml-file.js';
import { PRODUCT_NAMES } from '../suppression/exports/index.js';
import { progressBar } from './progress-bar.js';

export interface ImportOptions {
  readonly from?: string;
  readonly list?: string;
  readonly dryRun?: boolean;
  readonly column?: string;
  readonly type?: string;
  readonly brand?: string;
  readonly channel?: string;
  readonly purpose?: string;
  readonly topic?: string;
  readonly at?: string;
  readonly only?: string;
  readonly timeZone?: string;
  readonly url?: string;
  readonly key?: string;
  readonly json?: boolean;
}

interface Report {
  readonly id: string;
  readonly dryRun: boolean;
  readonly accepted: number;
  readonly repeated: number;
  readonly rejected: number;
  readonly errors: readonly { readonly row: number; readonly field: string; readonly message: string }[];
  readonly errorsLeftOut: number;
  readonly ignoredColumns?: readonly string[];
  readonly files?: readonly { readonly name: string; readonly from: string; readonly kind: string }[];
  readonly leftOut?: readonly { readonly status: string; readonly rows: number }[];
}

const TYPES: Readonly<Record<string, string>> = {
  '.zip': 'application/zip',
  '.json': 'application/json',
  '.ndjson': 'application/x-ndjson',
  '.jsonl': 'application/x-ndjson',
};

/** What is asked for, by the names that the interface has. */
function queryOf(file: string, options: ImportOptions, from: string): URLSearchParams {
  const { list, dryRun, column, type, brand, channel, purpose, topic, at, only, timeZone } = options;
  const fields = { from, list: list ?? from, column, type, brand, channel, purpose, topic, at, only };
  const query = new URLSearchParams({ file: path.basename(file), dry_run: String(dryRun ?? false) });
  for (const [name, value] of Object.entries({ ...fields, time_zone: timeZone }))
    if (value !== undefined) query.set(name, value);
  return query;
}

/** Plain words about what was read. */
export function reportLines(file: string, report: Report): string[] {
  const { accepted, repeated, rejected, files = [], leftOut = [], ignoredColumns = [] } = report;
  const done = report.dryRun ? 'would be recorded' : 'recorded';
  return [
    `${file}: ${accepted} ${done}, ${repeated} known already, ${rejected} wrong`,
    ...files.map(
      ({ name, from, kind }) => `  ${name === '' ? file : name}: ${kind}${kind === 'not read' ? '' : ` of ${from}`}`,
    ),
    ...leftOut.map(({ status, rows }) => `  left out: ${rows} ${status}`),
    ...report.errors.map(({ row, field, message }) => `  row ${row}, ${field}: ${message}`),
    ...(report.errorsLeftOut > 0 ? [`  and ${report.errorsLeftOut} more wrong rows`] : []),
    ...(ignoredColumns.length > 0 ? [`  columns not read: ${ignoredColumns.join(', ')}`] : []),
  ];
}

/** The stream of a file, with a bar on a terminal. */
async function streamOf(file: string): Promise<{ body: ReadableStream; done: () => void }> {
  const { size } = await stat(file).catch(() => {
    throw new ConfigError(`There is no file ${file} that can be read.`);
  });
  if (size === 0) throw new ConfigError(`The file ${file} is empty.`);
  const bar = progressBar('bytes', process.stderr);
  if (process.stderr.isTTY) bar.start(size, 0, { phase: path.basename(file) });
  const stream = createReadStream(file);
  stream.on('data', (chunk) => {
    if (process.stderr.isTTY) bar.increment(chunk.length);
  });
  return { body: Readable.toWeb(stream) as ReadableStream, done: () => bar.stop() };
}

/** Sends a file to a running Hush and returns its report. Throws ConfigError that says what to do. */
async function send(
  file: string,
  options: ImportOptions,
  from: string,
  at: { url: string; key: string },
): Promise<Report> {
  const { body, done } = await streamOf(file);
  try {
    const answer = await fetch(`${at.url.replace(/\/+$/, '')}/v1/imports?${queryOf(file, options, from)}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${at.key}`,
        'content-type': TYPES[path.extname(file).toLowerCase()] ?? 'text/csv',
      },
      body,
      duplex: 'half',
    } as RequestInit);
    const json = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string; remedy?: string };
    if (answer.ok) return json as unknown as Report;
    const why = json.detail ?? json.title ?? `it answered ${answer.status}`;
    throw new ConfigError(
      `${file}: ${why}${json.remedy === undefined || why.includes(json.remedy) ? '' : `\n${json.remedy}`}`,
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError(`There is no Hush at ${at.url}. Start it, or say where it is: --url.`);
  } finally {
    done();
  }
}

/** Imports files one after another. Returns whether every row was right. */
export async function importFiles(
  files: readonly string[],
  options: ImportOptions,
  at: { readonly url: string; readonly key: string | undefined },
  say: (line: string) => void,
): Promise<boolean> {
  const { from } = options;
  const names = [...PRODUCT_NAMES, 'csv', 'auto'];
  if (from === undefined)
    throw new ConfigError(
      `Say which product the files are from: --from ${names.join('|')}. With auto it is found by the columns.`,
    );
  if (!names.includes(from)) throw new ConfigError(`There is no product ${from} here. Use one of ${names.join(', ')}.`);
  if (at.key === undefined)
    throw new ConfigError(
      'Give an API key with the scope imports: --key, or HUSH_API_KEY. hush keys create makes one.',
    );
  let isRight = true;
  for (const file of files) {
    const report = await send(file, options, from, { url: at.url, key: at.key });
    if (options.json) say(JSON.stringify({ file, ...report }));
    else for (const line of reportLines(file, report)) say(line);
    isRight &&= report.rejected === 0;
  }
  return isRight;
}
