import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
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

function isAlive(pid: number): boolean {
  // A process that had our own number before us has ended.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Keeps opt-outs on a disk that the operator declared durable (`HUSH_JOURNAL_DIR`) while the database is away: fsynced
 * before they are acknowledged, brought home before the node calls itself ready again. Only sealed addresses are in it.
 * The directory belongs to one node; several processes of that node may share it.
 */
export function createJournal(parts: { readonly dir: string; readonly log: Logger }) {
  const { dir, log } = parts;
  const name = `${process.pid}-${randomBytes(6).toString('hex')}`;
  let file = 0;
  let opened: Promise<import('node:fs/promises').FileHandle> | undefined;
  let replaying: Promise<number> | undefined;

  async function openFile() {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const handle = await open(path.join(dir, `${name}-${file++}.ndjson`), 'a', 0o600);
    // The file's name has to survive too.
    const folder = await open(dir, 'r');
    await folder.sync().finally(() => folder.close());
    return handle;
  }

  const commit = createGroupCommit<Append, undefined>(async (appends) => {
    opened ??= openFile();
    const handle = await opened.catch((error) => {
      opened = undefined;
      throw error;
    });
    await handle.appendFile(appends.map(lineOf).join(''));
    await handle.datasync();
    return appends.map(() => undefined);
  });

  /** Our own files, and those of processes of this node that have ended: what a living one writes is its own to replay. */
  async function files(): Promise<string[]> {
    const names = await readdir(dir).catch(() => []);
    return names
      .filter((item) => item.endsWith('.ndjson') || item.endsWith('.replay'))
      .filter((item) => item.startsWith(name) || !isAlive(Number.parseInt(item, 10)))
      .sort();
  }

  return {
    /** Durable when it resolves. */
    write: (append: Append): Promise<undefined> => commit(append),

    async isEmpty(): Promise<boolean> {
      return (await files()).length === 0;
    },

    /** Brings everything home; returns how many. A line twice does nothing: events carry their ids. */
    replay(append: (item: Append) => Promise<void>): Promise<number> {
      replaying ??= (async () => {
        let count = 0;
        for (const item of await files()) {
          const from = path.join(dir, item);
          // Renamed first, so that what is written meanwhile goes to another file.
          const taken = item.endsWith('.replay') ? from : `${from}.replay`;
          if (taken !== from) {
            if (item.startsWith(name)) {
              const handle = await opened?.catch(() => undefined);
              opened = undefined;
              await rename(from, taken);
              await handle?.close();
            } else await rename(from, taken);
          }
          const lines = (await readFile(taken, 'utf8')).split('\n').filter((line) => line !== '');
          const appends = lines.flatMap((line) => parseLine(line) ?? []);
          await Promise.all(appends.map(append));
          await rm(taken, { force: true });
          count += appends.length;
        }
        if (count > 0) log.info({ count }, 'journaled opt-outs brought home');
        return count;
      })().finally(() => {
        replaying = undefined;
      });
      return replaying;
    },
  };
}

export type Journal = ReturnType<typeof createJournal>;
