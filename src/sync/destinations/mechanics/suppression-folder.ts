import { createReadStream } from 'node:fs';
import {
  copyFile,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../../../core/machine.js';
import type { RecordFormat, Row } from './records.js';

/** One change: a row to keep, or the key of a row to leave out. */
export interface Change {
  readonly action: 'suppress' | 'lift';
  readonly row: Row;
}

export interface SuppressionFolder {
  /** Writes the next delta file. On the disk when it resolves. */
  append(changes: readonly Change[], signal: AbortSignal): Promise<void>;
  /** Brings the full file up to the last delta, if it is behind. */
  rebuild(): Promise<void>;
  /** Takes rows out of every delta, by their keys. What the full file says of them stays in force. */
  forget(keys: ReadonlySet<string>, signal: AbortSignal): Promise<void>;
  /** The id that the list was begun under; undefined for a folder that is not this list's, or lost it. */
  id(): Promise<string | undefined>;
  /** Withdraws the full file, and publishes it again once it holds these rows and every delta written meanwhile. */
  replace(id: string, rows: AsyncIterable<Row>, signal: AbortSignal): Promise<void>;
  /** Every row as of the last delta. */
  rows(): AsyncIterable<Row>;
}

/** A hidden file this old was left behind by a crash. */
const LEFTOVER_MS = 60 * 60_000;

/** One list in a folder, and how its rows are written. */
interface ListFiles {
  readonly machine: Pick<Machine, 'now' | 'randomBytes'>;
  readonly folder: string;
  readonly name: string;
  readonly full: RecordFormat;
  readonly delta: RecordFormat;
  readonly keyOf: (row: Row) => string;
}

/**
 * The files of one list in a folder:
 *
 * - `NAME.delta.00000001.csv`, one a batch, never changed once there, but that an erasure takes its rows out;
 * - `NAME.full.00000012.csv`, all that holds after delta 12: the base of the next one;
 * - `NAME.full.csv`, the same under a name that stays;
 * - `NAME.list`, the id that the list was begun under: with another one, or none, this is not the list it was.
 *
 * A file appears whole or not at all: written under a hidden name, fsynced, then given its name, and the folder fsynced.
 * Applying a delta twice changes nothing, so a crash anywhere is repaired by building the full file again.
 */
export function openFolder(
  machine: ListFiles['machine'],
  folder: string,
  name: string,
  full: RecordFormat,
  delta: RecordFormat,
  keyOf: (row: Row) => string,
): SuppressionFolder {
  const list = { machine, folder, name, full, delta, keyOf };
  return {
    async append(changes, signal) {
      await writeDelta(list, changes, signal);
    },
    id: () => readId(list),
    replace: (id, rows, signal) => replaceList(list, id, rows, signal),
    rebuild: () => rebuildFull(list),
    forget: (keys, signal) => forgetRows(list, keys, signal),
    async *rows() {
      await mkdir(folder, { recursive: true });
      yield* (await mergedRows(list)).rows;
    },
  };
}

function numbered({ name, full }: ListFiles, kind: 'full' | 'delta', n: number): string {
  return `${name}.${kind}.${String(n).padStart(8, '0')}.${full.extension}`;
}

/** Numbers of the files of a kind that are there, ascending. */
async function numbersPresent({ folder, name, full }: ListFiles, kind: 'full' | 'delta'): Promise<number[]> {
  const start = `${name}.${kind}.`;
  const end = `.${full.extension}`;
  const found = (await readdir(folder)).flatMap((file) => {
    const digits = file.startsWith(start) && file.endsWith(end) ? file.slice(start.length, -end.length) : '';
    return /^\d{8,}$/.test(digits) ? [Number(digits)] : [];
  });
  return found.sort((a, b) => a - b);
}

function readRows({ folder }: ListFiles, file: string, format: RecordFormat): AsyncIterable<Row> {
  return format.read(createReadStream(join(folder, file)));
}

/** The rows in force: the newest full file with every later delta applied. `last` is the last of those. */
async function mergedRows(list: ListFiles): Promise<{ last: number; base: number; rows: AsyncIterable<Row> }> {
  const { full, delta, keyOf } = list;
  const base = (await numbersPresent(list, 'full')).at(-1) ?? 0;
  const pending = (await numbersPresent(list, 'delta')).filter((n) => n > base);
  const latest = new Map<string, Change>();
  for (const n of pending) {
    for await (const row of readRows(list, numbered(list, 'delta', n), delta)) {
      latest.set(keyOf(row), { action: row.action === 'lift' ? 'lift' : 'suppress', row });
    }
  }
  async function* rows() {
    if (base > 0) {
      for await (const row of readRows(list, numbered(list, 'full', base), full)) {
        if (!latest.has(keyOf(row))) yield row;
      }
    }
    for (const change of latest.values()) if (change.action === 'suppress') yield change.row;
  }
  return { last: pending.at(-1) ?? base, base, rows: rows() };
}

/** Writes the next delta file; its number. */
async function writeDelta(list: ListFiles, changes: readonly Change[], signal: AbortSignal): Promise<number> {
  const { folder, delta } = list;
  await mkdir(folder, { recursive: true });
  const hidden = await writeHidden(
    list,
    delta,
    changes.map((change) => ({ ...change.row, action: change.action })),
  );
  try {
    const taken = [await numbersPresent(list, 'delta'), await numbersPresent(list, 'full')];
    let next = Math.max(...taken.map((numbers) => numbers.at(-1) ?? 0)) + 1;
    // Another process may have taken the number in between; past the deadline nothing may appear any more.
    for (;;) {
      signal.throwIfAborted();
      if (await takeName(hidden, join(folder, numbered(list, 'delta', next)))) break;
      next++;
    }
    await syncFolder(folder);
    return next;
  } finally {
    await rm(hidden, { force: true });
  }
}

async function readId({ folder, name }: ListFiles): Promise<string | undefined> {
  const text = await readFile(join(folder, `${name}.list`), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  });
  return text.trim() || undefined;
}

async function replaceList(list: ListFiles, id: string, rows: AsyncIterable<Row>, signal: AbortSignal): Promise<void> {
  const { folder, name, full } = list;
  await mkdir(folder, { recursive: true });
  await rm(join(folder, `${name}.full.${full.extension}`), { force: true });
  const isNew = (await numbersPresent(list, 'delta')).length + (await numbersPresent(list, 'full')).length === 0;
  const ahead = rows[Symbol.asyncIterator]();
  const first = await ahead.next();
  if (!isNew || !first.done) {
    // A number of its own: deltas that others write meanwhile have higher ones, and are applied to it.
    const number = await writeDelta(list, [], signal);
    const all = async function* () {
      for (let item = first; !item.done; item = await ahead.next()) {
        signal.throwIfAborted();
        yield item.value;
      }
    };
    const hidden = await writeHidden(list, full, all());
    await rename(hidden, join(folder, numbered(list, 'full', number)));
    await buildFull(list);
  }
  const hidden = hiddenPath(list);
  await writeFile(hidden, `${id}\n`, { flush: true });
  await rename(hidden, join(folder, `${name}.list`));
  await syncFolder(folder);
}

async function rebuildFull(list: ListFiles): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await buildFull(list);
    } catch (error) {
      // Another process cleaned up under our feet: start from what it left.
      if (codeOf(error) !== 'ENOENT' || attempt === 5) throw error;
    }
  }
}

async function forgetRows(list: ListFiles, keys: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
  const { folder, delta, keyOf } = list;
  // The full file first: it has to have what the deltas lose, and older full files go with it.
  await rebuildFull(list);
  for (const n of await numbersPresent(list, 'delta')) {
    signal.throwIfAborted();
    const file = numbered(list, 'delta', n);
    const rows: Row[] = [];
    for await (const row of readRows(list, file, delta)) rows.push(row);
    const retained = rows.filter((row) => !keys.has(keyOf(row)));
    if (retained.length < rows.length) {
      await rename(await writeHidden(list, delta, retained), join(folder, file));
    }
  }
  await syncFolder(folder);
}

async function buildFull(list: ListFiles): Promise<void> {
  const { folder, full } = list;
  await mkdir(folder, { recursive: true });
  const { last, base, rows } = await mergedRows(list);
  if (last > base) {
    const hidden = await writeHidden(list, full, rows);
    await rename(hidden, join(folder, numbered(list, 'full', last)));
    await syncFolder(folder);
  }
  const newest = (await numbersPresent(list, 'full')).at(-1);
  if (newest === undefined) return;
  await publishFull(list, newest);
  await removeLeftovers(list);
  for (const old of await numbersPresent(list, 'full')) {
    if (old < newest) await rm(join(folder, numbered(list, 'full', old)), { force: true });
  }
}

/** Gives a full file the name that stays. */
async function publishFull(list: ListFiles, number: number): Promise<void> {
  const { folder, name, full } = list;
  const file = join(folder, numbered(list, 'full', number));
  const copy = hiddenPath(list);
  await link(file, copy).catch(() => copyFile(file, copy));
  await rename(copy, join(folder, `${name}.full.${full.extension}`));
  // Renaming one name of a file onto another of the same file does nothing, and leaves the first.
  await rm(copy, { force: true });
  await syncFolder(folder);
}

async function removeLeftovers({ machine, folder, name }: ListFiles): Promise<void> {
  for (const hidden of await readdir(folder)) {
    if (!hidden.startsWith(`.${name}.`) || !hidden.endsWith('.tmp')) continue;
    const found = await stat(join(folder, hidden)).catch(() => undefined);
    if (found && machine.now() - found.mtimeMs > LEFTOVER_MS) await rm(join(folder, hidden), { force: true });
  }
}

function hiddenPath({ machine, folder, name }: ListFiles): string {
  return join(folder, `.${name}.${machine.randomBytes(6).toString('hex')}.tmp`);
}

async function writeHidden(
  list: ListFiles,
  format: RecordFormat,
  rows: Iterable<Row> | AsyncIterable<Row>,
): Promise<string> {
  const path = hiddenPath(list);
  const file = await open(path, 'wx', 0o640);
  try {
    await writeLines(file, format, rows);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(path, { force: true });
    throw error;
  }
  await file.close();
  return path;
}

async function writeLines(
  file: FileHandle,
  format: RecordFormat,
  rows: Iterable<Row> | AsyncIterable<Row>,
): Promise<void> {
  let text = format.head === undefined ? '' : `${format.head}\r\n`;
  const end = format.extension === 'csv' ? '\r\n' : '\n';
  for await (const row of rows) {
    text += format.write(row) + end;
    if (text.length < 1 << 16) continue;
    await file.writeFile(text);
    text = '';
  }
  await file.writeFile(text);
}

/** The system's code of a failed file operation. */
export function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}

/** Gives a finished file its name; false when the name is taken. */
async function takeName(hidden: string, path: string): Promise<boolean> {
  try {
    await link(hidden, path);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') return false;
    // Shares without hard links (SFTP, object stores): reserve the name, then rename over it.
    if (!['EPERM', 'ENOTSUP', 'ENOSYS', 'EOPNOTSUPP'].includes(code ?? '')) throw error;
  }
  try {
    await (await open(path, 'wx')).close();
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
  await rename(hidden, path);
  return true;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } catch {
    // Some network shares cannot sync a folder; the file itself is synced.
  } finally {
    await handle.close();
  }
}
