import type { JournalDisk, OpenFile } from '../../src/preferences/journal-disk.js';
import type { Owner, World } from './world.js';

interface File {
  text: string;
  /** How much of the text survives a crash of the machine. */
  synced: number;
  lockedBy: object | undefined;
  readonly madeBy: Owner;
}

/**
 * A folder that the processes share, each a machine of its own: what one has written and not synced may be lost when it is killed,
 * and its locks end with it.
 */
export function createDisk(world: World) {
  const files = new Map<string, File>();
  const openBy = new Map<Owner, Set<{ readonly file: File; readonly lock: object }>>();

  const done = <Result>(owner: Owner, work: () => Result): Promise<Result> =>
    new Promise((resolve, reject) =>
      world.after(world.between(0.05, 2), owner, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      }),
    );

  function opened(owner: Owner, file: File): OpenFile {
    const own = { file, lock: {} };
    const all = openBy.get(owner) ?? new Set();
    openBy.set(owner, all.add(own));
    return {
      lock: () =>
        done(owner, () => {
          if (file.lockedBy !== undefined && file.lockedBy !== own.lock) return false;
          file.lockedBy = own.lock;
          return true;
        }),
      append: (text) =>
        done(owner, () => {
          file.text += text;
        }),
      sync: () =>
        done(owner, () => {
          file.synced = file.text.length;
        }),
      isNamed: (name) => done(owner, () => files.get(name) === file),
      close: () =>
        done(owner, () => {
          all.delete(own);
          if (file.lockedBy === own.lock) file.lockedBy = undefined;
        }),
    };
  }

  return {
    /** The folder as a process has it. */
    of(owner: Owner): JournalDisk {
      return {
        makeFolder: () => done(owner, () => undefined),
        create: (name) =>
          done(owner, () => {
            if (files.has(name)) throw new Error(`${name} is there already`);
            const file: File = { text: '', synced: 0, lockedBy: undefined, madeBy: owner };
            files.set(name, file);
            return opened(owner, file);
          }),
        open: (name) =>
          done(owner, () => {
            const file = files.get(name);
            return file && opened(owner, file);
          }),
        list: () => done(owner, () => [...files.keys()]),
        read: (name) => done(owner, () => files.get(name)?.text ?? ''),
        rename: (from, to) =>
          done(owner, () => {
            const file = files.get(from);
            if (!file) throw new Error(`there is no ${from}`);
            files.delete(from);
            files.set(to, file);
          }),
        remove: (name) =>
          done(owner, () => {
            files.delete(name);
          }),
        syncFolder: () => done(owner, () => undefined),
      };
    },

    /** A process was killed, and its machine with it: what it had not synced is lost in part. */
    lose(owner: Owner): void {
      for (const { file, lock } of openBy.get(owner) ?? []) {
        if (file.lockedBy !== lock) continue;
        file.lockedBy = undefined;
        const left = file.synced + world.integer(file.text.length - file.synced + 1);
        file.text = file.text.slice(0, left);
        file.synced = Math.min(file.synced, left);
      }
      openBy.delete(owner);
    },

    /** Ids of the events in all files, those that are not whole aside; `but` leaves out what a process wrote itself. */
    eventIds(but?: Owner): string[] {
      return [...files.values()]
        .filter((file) => file.madeBy !== but)
        .flatMap(({ text, synced }) =>
          [...text.slice(0, synced).matchAll(/"id":"([^"]+)"/g)].flatMap(([, id]) => id ?? []),
        );
    },
  };
}

export type Disk = ReturnType<typeof createDisk>;
