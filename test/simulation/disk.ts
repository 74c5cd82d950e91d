import type { JournalDisk, OpenFile } from '../../src/preferences/journal-disk.js';
import type { Owner, World } from './world.js';

interface File {
  text: string;
  /** How much of the text survives a crash of the machine. */
  synced: number;
  /** A sync failed: what it was about may be lost, whatever later syncs say. */
  isBroken: boolean;
  lockedBy: object | undefined;
  readonly madeBy: Owner;
}

const fault = (): Error => Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });

/**
 * A folder that the processes share, each a machine of its own: what one has written and not synced may be lost when it is killed,
 * names too, and its locks end with it.
 */
export function createDisk(world: World) {
  const files = new Map<string, File>();
  /** How the changes of names are taken back that a process has not synced yet. */
  const unsynced = new Map<Owner, (() => void)[]>();
  /** Chance that something fails. */
  let failing = 0;
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
          const fails = world.happens(failing);
          file.text += fails ? text.slice(0, world.integer(text.length)) : text;
          if (fails) throw fault();
        }),
      sync: () => {
        const { length } = file.text;
        return done(owner, () => {
          const fails = world.happens(failing);
          file.isBroken ||= fails;
          if (fails) throw fault();
          if (!file.isBroken) file.synced = Math.max(file.synced, length);
        });
      },
      isNamed: (name) => done(owner, () => files.get(name) === file),
      close: () =>
        done(owner, () => {
          all.delete(own);
          if (file.lockedBy === own.lock) file.lockedBy = undefined;
        }),
    };
  }

  const renamed = (from: string, to: string, file: File) => {
    if (files.get(from) !== file) return;
    files.delete(from);
    files.set(to, file);
  };

  return {
    /** From now on something fails with this chance. */
    fail(chance: number): void {
      failing = chance;
    },

    /** The folder as a process has it. */
    of(owner: Owner): JournalDisk {
      const changed = (takeBack: () => void) => unsynced.set(owner, [...(unsynced.get(owner) ?? []), takeBack]);
      return {
        makeFolder: () => done(owner, () => undefined),
        create: (name) =>
          done(owner, () => {
            if (files.has(name)) throw new Error(`${name} is there already`);
            if (world.happens(failing)) throw fault();
            const file: File = { text: '', synced: 0, isBroken: false, lockedBy: undefined, madeBy: owner };
            files.set(name, file);
            changed(() => {
              if (files.get(name) === file) files.delete(name);
            });
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
            if (world.happens(failing)) throw fault();
            renamed(from, to, file);
            changed(() => renamed(to, from, file));
          }),
        remove: (name) =>
          done(owner, () => {
            const file = files.get(name);
            files.delete(name);
            changed(() => {
              if (file && !files.has(name)) files.set(name, file);
            });
          }),
        syncFolder: () => {
          const count = unsynced.get(owner)?.length ?? 0;
          return done(owner, () => {
            if (world.happens(failing)) throw fault();
            unsynced.set(owner, unsynced.get(owner)?.slice(count) ?? []);
          });
        },
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
      const changes = unsynced.get(owner) ?? [];
      // Some of them are on the disk, in their order.
      for (const takeBack of changes.slice(world.integer(changes.length + 1)).reverse()) takeBack();
      unsynced.delete(owner);
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
