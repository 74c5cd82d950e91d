import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import { ConfigError } from '../config/yaml-file.js';
import type { Append } from '../store/contacts.js';
import { createGroupCommit } from './group-commit.js';

/** A line that is not whole was never acknowledged: its fsync did not return. */
function parseLine(line: string): Append | undefined {
  try {
    const { key, event, ...rest } = JSON.parse(line);
    const { sealed, ...open } = event;
    return {
      ...rest,
      key: Buffer.from(key, 'base64'),
      event: sealed === undefined ? open : { ...open, sealed: Buffer.from(sealed, 'base64') },
    };
  } catch {
    return undefined;
  }
}

function lineOf({ key, event, ...rest }: Append): string {
  const { sealed, ...open } = event;
  return `${JSON.stringify({
    ...rest,
    key: key.toString('base64'),
    event: sealed ? { ...open, sealed: sealed.toString('base64') } : open,
  })}\n`;
}

/** A file of this installation's journal, or one of the first form (`PID-…`), which had no installation in its name. */
function isOurs(name: string, installation: string): boolean {
  const first = /^\d+-[0-9a-f]{12}-\d+\.ndjson(\.replay)?$/.test(name);
  return first || (name.startsWith(`${installation}-`) && name.endsWith('.ndjson'));
}

interface JournalFile {
  readonly path: string;
  /** Holds the lock. */
  readonly handle: FileHandle;
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/**
 * Locks an open file against every other process, in whichever container: a lock of the open file description, which
 * the kernel ends with the process, however it ended.
 *
 * @throws ConfigError where the file system has no locks
 */
async function lock(handle: FileHandle): Promise<boolean> {
  try {
    const { tryLock } = await import('fs-native-extensions');
    return tryLock(handle.fd);
  } catch (error) {
    throw new ConfigError(
      `HUSH_JOURNAL_DIR: files there cannot be locked (${String(codeOf(error) ?? 'no lock for this platform')}). Name a folder on a local disk or on NFS version 4.`,
    );
  }
}

interface JournalParts {
  readonly dir: string;
  /** Id of the installation that the entries belong to. */
  readonly installation: string;
  readonly log: Logger;
}

/** A new file, locked before it has the name by which others look for files: nobody takes it for one that was left. */
async function openFile({ dir, installation }: JournalParts): Promise<JournalFile> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const file = path.join(dir, `${installation}-${randomBytes(8).toString('hex')}.ndjson`);
  const handle = await open(`${file}.new`, 'ax', 0o600);
  try {
    if (!(await lock(handle))) throw new Error('a new journal file is locked already');
    await rename(`${file}.new`, file);
    // The file's name has to survive too.
    const folder = await open(dir, 'r');
    await folder.sync().finally(() => folder.close());
  } catch (error) {
    await handle.close();
    throw error;
  }
  return { path: file, handle };
}

/** Files of this installation that no process holds, locked now by us. */
async function leftByOthers({ dir, installation }: JournalParts): Promise<JournalFile[]> {
  const names = await readdir(dir).catch(() => []);
  const found: JournalFile[] = [];
  for (const name of names.filter((item) => isOurs(item, installation)).sort()) {
    const file = path.join(dir, name);
    const handle = await open(file, 'r+').catch(() => undefined);
    if (!handle) continue;
    // Another process may have replayed and removed it since the folder was read.
    const ours = (await lock(handle)) && (await stat(file).catch(() => undefined))?.ino === (await handle.stat()).ino;
    if (ours) found.push({ path: file, handle });
    else await handle.close();
  }
  return found;
}

/** Appends what a file keeps; it is removed then, or put aside where a line cannot be read. Returns how many. */
async function replayFile(
  { log }: JournalParts,
  { path: file, handle }: JournalFile,
  append: (item: Append) => Promise<void>,
): Promise<number> {
  const text = await readFile(file, 'utf8');
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').filter((line) => line !== '');
  const appends = lines.flatMap((line) => parseLine(line) ?? []);
  await Promise.all(appends.map(append));
  if (appends.length === lines.length) await rm(file, { force: true });
  else {
    log.error(
      { file: path.basename(file), lines: lines.length - appends.length },
      'lines of a journal file cannot be read: the file is kept under the name .damaged',
    );
    await rename(file, `${file}.damaged`);
  }
  await handle.close();
  return appends.length;
}

/**
 * Keeps opt-outs on a disk that the operator declared durable (`HUSH_JOURNAL_DIR`) while the database is unavailable:
 * fsynced before they are acknowledged, appended to the store before the node calls itself ready again. Only sealed
 * addresses are in it.
 *
 * Any number of processes may share the folder. A file belongs to the process that holds its lock; one that nobody holds
 * was left by a process that ended, and whoever locks it next replays it. Names begin with the installation's id: what
 * another installation left is its own.
 */
export function createJournal(parts: JournalParts) {
  const { log } = parts;
  let current: Promise<JournalFile> | undefined;
  /** Ours, written no more and not replayed yet. */
  let finished: JournalFile[] = [];
  let writing: Promise<unknown> = Promise.resolve();
  let replaying: Promise<number> | undefined;

  /** Writes no more to the current file. */
  async function finish(): Promise<void> {
    const file = current;
    current = undefined;
    if (!file) return;
    await file.then((opened) => finished.push(opened)).catch(() => undefined);
  }

  async function write(appends: readonly Append[]): Promise<undefined[]> {
    current ??= openFile(parts);
    try {
      const { handle } = await current;
      await handle.appendFile(appends.map(lineOf).join(''));
      await handle.datasync();
    } catch (error) {
      // What was written may be half a line, which the next one must not be joined to.
      await finish();
      throw error;
    }
    return appends.map(() => undefined);
  }

  const commit = createGroupCommit<Append, undefined>((appends) => {
    const result = write(appends);
    writing = result.catch(() => undefined);
    return result;
  });

  async function replayAll(append: (item: Append) => Promise<void>): Promise<number> {
    await finish();
    // A write that was under way when its file was finished may still be acknowledged.
    await writing;
    const files = [...finished, ...(await leftByOthers(parts))];
    finished = [];
    let count = 0;
    try {
      for (let file = files[0]; file; file = files[0]) {
        count += await replayFile(parts, file, append);
        files.shift();
      }
    } finally {
      // Still locked by us, and tried again.
      finished.push(...files);
    }
    if (count > 0) log.info({ count }, 'journaled opt-outs are in the store');
    return count;
  }

  return {
    /** Throws ConfigError when files in the folder cannot be made and locked: found at the start, not in an outage. */
    async check(): Promise<void> {
      const { path: file, handle } = await openFile(parts);
      await rm(file, { force: true });
      await handle.close();
    },

    /** Durable when it resolves. */
    write: (append: Append): Promise<undefined> => commit(append),

    /** Appends everything to the store; returns how many. A line twice does nothing: events carry their ids. */
    replay(append: (item: Append) => Promise<void>): Promise<number> {
      replaying ??= replayAll(append).finally(() => {
        replaying = undefined;
      });
      return replaying;
    },

    /** Lets go of what could not be replayed: the next process takes it over. */
    async close(): Promise<void> {
      await finish();
      await Promise.all([writing, replaying?.catch(() => undefined)]);
      await Promise.all(finished.map(({ handle }) => handle.close()));
      finished = [];
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
