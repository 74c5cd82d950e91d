import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from '../config/yaml-file.js';

/** A file that this process has open. */
export interface OpenFile {
  /**
   * Locks it against everybody else who opened it, until it is closed or the process ends. False when somebody has it.
   *
   * @throws ConfigError where the file system has no locks
   */
  lock(): Promise<boolean>;
  /** Writes a text at the end. A crash may lose it, whole or in part, until `sync`. */
  append(text: string): Promise<void>;
  /** What was appended survives from here on. */
  sync(): Promise<void>;
  /** True while the name leads to this very file: not once it was removed, or another one took its name. */
  isNamed(name: string): Promise<boolean>;
  /** Ends the lock too. */
  close(): Promise<void>;
}

/** What the journal does with the files of its folder, by their names in it. */
export interface JournalDisk {
  /** Makes the folder where it is missing. */
  makeFolder(): Promise<void>;
  /** A new file, open and empty. Rejects where the name is taken. */
  create(name: string): Promise<OpenFile>;
  /** A file that is there; undefined where it cannot be opened. */
  open(name: string): Promise<OpenFile | undefined>;
  /** Names, in any order; none where there is no folder. */
  list(): Promise<string[]>;
  /** All of a file as it is now. */
  read(name: string): Promise<string>;
  rename(from: string, to: string): Promise<void>;
  remove(name: string): Promise<void>;
  /** The names given and taken until now survive from here on. */
  syncFolder(): Promise<void>;
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;

/**
 * Locks an open file against every other process, in whichever container: a lock of the open file description, which
 * the kernel ends with the process, however it ended.
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

/** A folder of the machine's own disk. */
export function createJournalDisk(dir: string): JournalDisk {
  const at = (name: string): string => path.join(dir, name);

  function opened(handle: FileHandle): OpenFile {
    return {
      lock: () => lock(handle),
      append: (text) => handle.appendFile(text),
      sync: () => handle.datasync(),
      isNamed: async (name) => (await stat(at(name)).catch(() => undefined))?.ino === (await handle.stat()).ino,
      close: () => handle.close(),
    };
  }

  return {
    async makeFolder() {
      await mkdir(dir, { recursive: true, mode: 0o700 });
    },
    create: async (name) => opened(await open(at(name), 'ax', 0o600)),
    async open(name) {
      const handle = await open(at(name), 'r+').catch(() => undefined);
      return handle && opened(handle);
    },
    list: () => readdir(dir).catch(() => []),
    read: (name) => readFile(at(name), 'utf8'),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (name) => rm(at(name), { force: true }),
    async syncFolder() {
      const folder = await open(dir, 'r');
      await folder.sync().finally(() => folder.close());
    },
  };
}
