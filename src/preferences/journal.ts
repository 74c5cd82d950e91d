import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import type { Append } from '../store/contacts.js';
import type { AppendOne } from './append.js';
import { createGroupCommit } from './group-commit.js';
import type { JournalDisk, OpenFile } from './journal-disk.js';

/** A line that is not whole was never acknowledged: its fsync did not return. */
function parseLine(line: string): Append | undefined {
  try {
    const { key, event, keySeed, ...rest } = JSON.parse(line);
    const { sealed, ...open } = event;
    return {
      ...rest,
      ...(keySeed === undefined ? {} : { keySeed: Buffer.from(keySeed, 'base64') }),
      key: Buffer.from(key, 'base64'),
      event: sealed === undefined ? open : { ...open, sealed: Buffer.from(sealed, 'base64') },
    };
  } catch {
    return undefined;
  }
}

function lineOf({ key, event, keySeed, ...rest }: Append): string {
  const { sealed, ...open } = event;
  return `${JSON.stringify({
    ...rest,
    ...(keySeed ? { keySeed: keySeed.toString('base64') } : {}),
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
  readonly name: string;
  /** Holds the lock. */
  readonly open: OpenFile;
}

interface JournalParts {
  readonly disk: JournalDisk;
  /** Id of the installation that the entries belong to. */
  readonly installation: string;
  readonly machine: Pick<Machine, 'randomBytes'>;
  readonly log: Logger;
}

/** A new file, locked before it has the name by which others look for files: nobody takes it for one that was left. */
async function openFile({ disk, installation, machine }: JournalParts): Promise<JournalFile> {
  await disk.makeFolder();
  const name = `${installation}-${machine.randomBytes(8).toString('hex')}.ndjson`;
  const open = await disk.create(`${name}.new`);
  try {
    if (!(await open.lock())) throw new Error('a new journal file is locked already');
    await disk.rename(`${name}.new`, name);
    // The file's name has to survive too.
    await disk.syncFolder();
  } catch (error) {
    await open.close();
    throw error;
  }
  return { name, open };
}

/** Files of this installation that no process holds, locked now by us. */
async function leftByOthers({ disk, installation }: JournalParts): Promise<JournalFile[]> {
  const found: JournalFile[] = [];
  try {
    for (const name of (await disk.list()).filter((item) => isOurs(item, installation)).sort()) {
      const open = await disk.open(name);
      if (!open) continue;
      // Another process may have replayed and removed it since the folder was read.
      if ((await open.lock()) && (await open.isNamed(name))) found.push({ name, open });
      else await open.close();
    }
    return found;
  } catch (error) {
    await Promise.all(found.map(({ open }) => open.close()));
    throw error;
  }
}

/** Appends what a file keeps; it is removed then, or put aside where a line cannot be read. Returns how many. */
async function replayFile(
  { disk, log }: JournalParts,
  { name, open }: JournalFile,
  append: AppendOne,
): Promise<number> {
  const text = await disk.read(name);
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').filter((line) => line !== '');
  const appends = lines.flatMap((line) => parseLine(line) ?? []);
  await Promise.all(appends.map((item) => append(item)));
  if (appends.length === lines.length) await disk.remove(name);
  else {
    log.error(
      { file: name, lines: lines.length - appends.length },
      'lines of a journal file cannot be read: the file is kept under the name .damaged',
    );
    await disk.rename(name, `${name}.damaged`);
  }
  await open.close();
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
  /** Events that this process acknowledged from here and that may not be in the store yet. */
  let held = 0;
  let isClosed = false;

  /** Writes no more to the current file. */
  async function finish(): Promise<void> {
    const file = current;
    current = undefined;
    if (!file) return;
    await file.then((opened) => finished.push(opened)).catch(() => undefined);
  }

  async function write(appends: readonly Append[]): Promise<undefined[]> {
    current ??= openFile(parts);
    held += appends.length;
    try {
      const { open } = await current;
      await open.append(appends.map(lineOf).join(''));
      await open.sync();
    } catch (error) {
      held -= appends.length;
      // What was written may be half a line, which the next one must not be joined to.
      await finish();
      log.error({ err: error }, 'an opt-out could not be written to the journal');
      throw error;
    }
    return appends.map(() => undefined);
  }

  const commit = createGroupCommit<Append, undefined>((appends) => {
    const result = write(appends);
    writing = result.catch(() => undefined);
    return result;
  });

  /** Appends what finished files keep, one after the other; those that the store does not take yet stay for the next time. */
  async function replayFinished(append: AppendOne): Promise<number> {
    let count = 0;
    for (let file = finished[0]; file; file = finished[0]) {
      count += await replayFile(parts, file, append);
      finished.shift();
    }
    return count;
  }

  async function replayAll(append: AppendOne): Promise<number> {
    finished.push(...(await leftByOthers(parts)));
    let count = await replayFinished(append);
    // Only now, when the store takes what is written: in an outage every try would begin another file.
    const replayed = held;
    await finish();
    // A write that was under way when its file was finished may still be acknowledged.
    await writing;
    count += await replayFinished(append);
    held -= replayed;
    if (count > 0) log.info({ count }, 'journaled opt-outs are in the store');
    return count;
  }

  return {
    /** Throws ConfigError when files in the folder cannot be made and locked: found at the start, not in an outage. */
    async check(): Promise<void> {
      const { name, open } = await openFile(parts);
      await parts.disk.remove(name);
      await open.close();
    },

    /** Durable when it resolves. */
    write: (append: Append): Promise<undefined> => commit(append),

    /** True while the store may lack something that this process acknowledged from here. */
    holds: (): boolean => held > 0,

    /** Appends everything to the store; returns how many. A line twice does nothing: events carry their ids. */
    async replay(append: AppendOne): Promise<number> {
      if (isClosed) return 0;
      replaying ??= replayAll(append).finally(() => {
        replaying = undefined;
      });
      return replaying;
    },

    /** Lets go of what could not be replayed: the next process takes it over. */
    async close(): Promise<void> {
      isClosed = true;
      await finish();
      await Promise.all([writing, replaying?.catch(() => undefined)]);
      await Promise.all(finished.map(({ open }) => open.close()));
      finished = [];
      held = 0;
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
