import { createHash, createHmac } from 'node:crypto';
import type { Logger } from 'pino';
import { encodeBase32 } from '../core/base32.js';
import { contentText } from '../core/canonical-json.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import type { Keyring } from '../core/keys.js';
import { type Machine, sleep } from '../core/machine.js';
import type { Accept } from '../preferences/accept.js';
import type { Draft } from '../preferences/draft.js';
import { isUnavailable, unavailable, withTimeout } from '../store/connect.js';
import type { ImportCounts, ImportRecord, ImportStore, RowError } from '../store/imports.js';

/**
 * Rows recorded together. An opt-out link that is pressed meanwhile waits for such a batch: with 250 its p99 was 290 ms at
 * 1,060 rows a second, with 1,000 it was 690 ms at 1,530 (docs/performance.md). Nobody waits for an import.
 */
const BATCH = 250;
/** Row errors that are reported; the others are counted. */
export const MAX_ERRORS = 100;
/** Times (ms) after which rows are tried again while the store is unavailable, before the import is given up. */
const PATIENCE = [200, 500, 1000, 2000, 4000] as const;
/** Progress is written this often (ms) at most. */
const PROGRESS_MS = 500;
/** An import that has reported nothing for so long (ms) has ended with its process. A sender that stands still ends sooner. */
const SILENT_MS = 60_000;

/** A row of a list as it came, and how to read it. */
export interface ImportRow {
  readonly number: number;
  readonly bytes: Uint8Array;
  /** What it says happened. Throws RowFault. */
  readonly read: () => Promise<Draft>;
}

/** What is wrong with a row, without any of its content. */
export class RowFault extends Error {
  constructor(
    readonly field: string,
    message: string,
    readonly code = 'invalid',
  ) {
    super(message);
  }
}

export interface ImportOptions {
  readonly list: string;
  readonly format: ImportRecord['format'];
  readonly dryRun: boolean;
  readonly by: string;
  /** All that decides how a row is read, beside the row. */
  readonly reading: string;
}

/** Groups of as many rows as there are in a batch, wherever the pieces of the stream began. */
async function* batches(rows: AsyncIterable<readonly ImportRow[]>): AsyncGenerator<ImportRow[]> {
  let batch: ImportRow[] = [];
  for await (const group of rows) {
    for (const row of group) {
      batch.push(row);
      if (batch.length < BATCH) continue;
      yield batch;
      batch = [];
    }
  }
  if (batch.length > 0) yield batch;
}

/** The fault of a row; what concerns all rows is thrown. */
function faultOf(error: unknown): RowFault {
  if (error instanceof RowFault) return error;
  if (error instanceof HushError && error.kind !== 'unavailable') {
    const { field = 'row', remedy } = error.detail;
    return new RowFault(field, remedy === undefined ? error.message : `${error.message}; ${remedy}`, error.kind);
  }
  throw error;
}

interface ImportsParts {
  readonly store: ImportStore;
  readonly accept: Accept;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  readonly machine: Machine;
  readonly log: Logger;
}

/** Keyed, so that the store tells nothing of the rows. */
function digestOf(parts: ImportsParts, rows: readonly ImportRow[], reading: string): string {
  const digest = createHmac('sha256', parts.keyring.lookup).update(`import batch:${reading.length}:${reading}`);
  for (const { bytes } of rows) digest.update(`${bytes.length}:`).update(bytes);
  return digest.digest('base64url');
}

/** Records drafts. Those for which the store was unavailable are tried again after a while. Results in order. */
async function recordDrafts(parts: ImportsParts, drafts: readonly Draft[]): Promise<(undefined | RowFault)[]> {
  const results: (undefined | RowFault)[] = drafts.map(() => undefined);
  let open = drafts.map((_, index) => index);
  for (const wait of [...PATIENCE, undefined]) {
    const outcomes = await parts.accept
      .acceptAll(open.flatMap((index) => drafts[index] ?? []))
      .catch((error: unknown) => open.map(() => (error instanceof Error ? error : new Error(String(error)))));
    const unwritten: number[] = [];
    outcomes.forEach((outcome, at) => {
      const index = open[at] ?? 0;
      if (!(outcome instanceof Error)) return;
      if (
        wait !== undefined &&
        (isUnavailable(outcome) || (outcome instanceof HushError && outcome.kind === 'unavailable'))
      )
        unwritten.push(index);
      else results[index] = faultOf(outcome);
    });
    if (unwritten.length === 0 || wait === undefined) break;
    open = unwritten;
    await sleep(parts.machine, wait);
  }
  return results;
}

async function recordBatch(
  parts: ImportsParts,
  rows: readonly ImportRow[],
  options: ImportOptions,
): Promise<{ counts: ImportCounts; errors: RowError[] }> {
  const nothing = { rows: rows.length, accepted: 0, repeated: 0, rejected: 0 };
  const digest = digestOf(parts, rows, options.reading);
  if (await withTimeout(parts.machine, parts.store.knowsBatch(digest)))
    return { counts: { ...nothing, repeated: rows.length }, errors: [] };
  const read = await Promise.all(rows.map((row) => row.read().catch(faultOf)));
  const drafts = read.flatMap((item, index) => (item instanceof RowFault ? [] : [{ draft: item, index }]));
  const recorded = options.dryRun
    ? []
    : await recordDrafts(
        parts,
        drafts.map(({ draft }) => draft),
      );
  const faults = [...read.map((item) => (item instanceof RowFault ? item : undefined))];
  recorded.forEach((fault, at) => {
    const index = drafts[at]?.index;
    if (fault && index !== undefined) faults[index] = fault;
  });
  const errors = faults.flatMap((fault, index): RowError[] =>
    fault ? [{ row: rows[index]?.number ?? 0, field: fault.field, code: fault.code, message: fault.message }] : [],
  );
  // Rows that were refused may be right another time, when a brand or a notice is there.
  if (!options.dryRun && errors.length === 0) await withTimeout(parts.machine, parts.store.keepBatch(digest));
  return { counts: { ...nothing, accepted: rows.length - errors.length, rejected: errors.length }, errors };
}

/** As it is now: whose process ended is not running. */
function currentState(parts: ImportsParts, one: ImportRecord): ImportRecord {
  return one.state === 'running' && parts.clock.now() - one.updatedAt > SILENT_MS
    ? { ...one, state: 'interrupted' }
    : one;
}

/** The id of a row that has none of its own: all that it says, in whichever spelling of the contact. */
export function rowId({ subject, writer: _writer, ...content }: Draft): string {
  const contact =
    'point' in subject ? `${subject.point.type}:${subject.point.normalised}` : subject.key.toString('hex');
  return createHash('sha256')
    .update(contentText([contact, content]))
    .digest('base64url')
    .slice(0, 32);
}

/**
 * Reads a list to its end. Throws HushError for what is wrong with the list as a whole, or with the record; what was
 * read until then is recorded, and the remedy says how to go on.
 */
async function run(
  parts: ImportsParts,
  rows: AsyncIterable<readonly ImportRow[]>,
  options: ImportOptions,
): Promise<ImportRecord> {
  const { clock, machine, store, log } = parts;
  const { list, format, dryRun, by } = options;
  const now = clock.now();
  const begun = {
    id: `i_${encodeBase32(machine.randomBytes(10)).toLowerCase()}`,
    list,
    format,
    dryRun,
    by,
    startedAt: now,
  };
  let counts: ImportCounts = { rows: 0, accepted: 0, repeated: 0, rejected: 0 };
  const errors: RowError[] = [];
  const record = (state: ImportRecord['state'], more: Partial<ImportRecord> = {}): ImportRecord => ({
    ...begun,
    ...counts,
    state,
    errors: [...errors],
    updatedAt: clock.now(),
    ...more,
  });
  try {
    await withTimeout(machine, store.put(record('running')));
    let written = clock.now();
    for await (const batch of batches(rows)) {
      const result = await recordBatch(parts, batch, options);
      counts = {
        rows: counts.rows + result.counts.rows,
        accepted: counts.accepted + result.counts.accepted,
        repeated: counts.repeated + result.counts.repeated,
        rejected: counts.rejected + result.counts.rejected,
      };
      errors.push(...result.errors.slice(0, MAX_ERRORS - errors.length));
      if (clock.now() - written < PROGRESS_MS) continue;
      await withTimeout(machine, store.put(record('running')));
      written = clock.now();
    }
    const done = record('done', { finishedAt: clock.now() });
    await withTimeout(machine, store.put(done));
    return done;
  } catch (thrown) {
    const error = unavailable(thrown);
    const fault = error instanceof HushError ? error.message : 'the connection or the program broke off';
    log.warn({ err: error, import: begun.id, rows: counts.rows }, 'an import was interrupted');
    await withTimeout(machine, store.put(record('interrupted', { fault, finishedAt: clock.now() }))).catch(
      () => undefined,
    );
    if (!(error instanceof HushError)) throw error;
    throw new HushError(
      error.kind,
      error.message,
      {
        ...error.detail,
        remedy: `${error.detail.remedy ?? 'try again'}; ${counts.rows} rows were read (${begun.id}): send the whole list again, what is recorded is not recorded twice`,
      },
      { cause: error },
    );
  }
}

async function get(parts: ImportsParts, id: string): Promise<ImportRecord | undefined> {
  const found = await withTimeout(parts.machine, parts.store.get(id)).catch((error: unknown) => {
    throw unavailable(error);
  });
  return found && currentState(parts, found);
}

/** The latest first. */
async function latest(parts: ImportsParts, list: string | undefined, limit: number): Promise<ImportRecord[]> {
  const found = await withTimeout(parts.machine, parts.store.latest(list, limit)).catch((error: unknown) => {
    throw unavailable(error);
  });
  return found.map((one) => currentState(parts, one));
}

/**
 * Reads a list into the record while it arrives, a batch of rows at a time, and keeps nothing of it but counts and what was
 * wrong. A row's event has an id made of the list's name and the row's content: however often a list is sent, whole or in
 * part, after a crash or a year later, the same row of the same list is one event. A batch that was recorded whole is
 * known by a keyed digest, so that sending a list again goes on fast where it broke off.
 */
export function createImports(parts: ImportsParts) {
  return {
    idOf: rowId,
    run: (rows: AsyncIterable<readonly ImportRow[]>, options: ImportOptions) => run(parts, rows, options),
    get: (id: string) => get(parts, id),
    latest: (list: string | undefined, limit: number) => latest(parts, list, limit),
  };
}

export type Imports = ReturnType<typeof createImports>;
