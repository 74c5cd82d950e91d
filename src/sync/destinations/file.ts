import { resolve } from 'node:path';
import { z } from 'zod';
import type { Machine, Timer } from '../../core/machine.js';
import type { Adapter, Binding, Destination, Entry, ForgottenEntry, ReadBackEntry } from '../destination.js';
import { ProviderError } from '../destination.js';
import { targetReader } from './mechanics/api.js';
import { inForce } from './mechanics/each.js';
import { comparable, hexHash } from './mechanics/hashing.js';
import { csvFormat, ndjsonFormat, type Row } from './mechanics/records.js';
import { codeOf, openFolder, type SuppressionFolder } from './mechanics/suppression-folder.js';

const settings = z.strictObject({
  /** Inside the data folder unless absolute: a mounted bucket or share works. */
  folder: z.string().min(1),
  format: z.enum(['csv', 'ndjson']).default('csv'),
  /** What leaves: addresses, or hashes of them in lower case. */
  hash: z.enum(['none', 'sha256', 'md5']).default('none'),
  /** `people` open it in a spreadsheet: cells that would run as formulas are neutralised. */
  readers: z.enum(['programs', 'people']).default('programs'),
  /** The full file is at most this many seconds behind the deltas. */
  fullEverySeconds: z.number().int().nonnegative().default(60),
});
const target = z.strictObject({
  /** Start of the file names; the binding's name when left out. */
  file: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/, 'letters, digits, dashes and underscores')
    .optional(),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const TYPES = ['email', 'phone', 'postal', 'id'] as const;
/** Rows of one page of read-back. */
const PAGE = 10_000;
/** Faults that waiting does not mend: somebody must look at the folder. */
const FOLDER_FAULTS = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG']);

/**
 * A folder of suppression files for systems that read files: a delta for every batch, in order, and the full list.
 * A batch counts once its delta is on the disk.
 */
export const file: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const folder = resolve(parts.dataDir, options.folder);
    const contact = options.hash === 'none' ? 'contact' : options.hash;
    const columns = ['type', contact, 'reason', 'since', 'receipt'];
    const format = (names: readonly string[]) =>
      options.format === 'csv' ? csvFormat(names, options.readers === 'people') : ndjsonFormat(names);
    const keyOf = (row: Row) => {
      const value = row[contact] ?? '';
      const type = row.type === 'email' ? 'email' : 'id';
      return `${row.type}:${options.hash === 'none' ? comparable(type, value) : value}`;
    };
    const targetOf = targetReader(target);
    const lists = new Map<string, FullFile>();

    const nameOf = (binding: Binding) => targetOf(binding).file ?? binding.name.replace(/[^A-Za-z0-9_-]/g, '-');

    function listOf(binding: Binding): FullFile {
      const name = nameOf(binding);
      let list = lists.get(name);
      if (!list) {
        list = keepFull(
          openFolder(parts.machine, folder, name, format(columns), format(['action', ...columns]), keyOf),
          options.fullEverySeconds * 1000,
          parts,
        );
        lists.set(name, list);
      }
      return list;
    }

    const contactRow = ({ type, address }: ForgottenEntry): Row => ({
      type,
      [contact]: options.hash === 'none' ? address : hexHash(options.hash, comparable(type, address)),
    });
    const rowOf = (entry: Entry): Row => ({
      ...contactRow(entry),
      reason: entry.reason,
      since: entry.since === undefined ? '' : new Date(entry.since).toISOString(),
      receipt: entry.receipt ?? '',
    });

    return {
      accepts: ['email', 'phone', 'postal', 'id'],
      form: options.hash === 'none' ? 'readable' : 'hashed',
      limits: { suppress: 10_000, lift: 10_000 },

      async send(binding, action, entries, signal) {
        const list = listOf(binding);
        try {
          await list.folder.append(
            entries.map((entry) => ({ action, row: rowOf(entry) })),
            signal,
          );
          await list.changed();
        } catch (error) {
          throw folderError(error, signal);
        }
        return inForce();
      },

      // Hashes go as well: without a key, whoever has a list of addresses can tell whose they are.
      async forget(binding, entries, signal) {
        try {
          await listOf(binding).folder.forget(new Set(entries.map((entry) => keyOf(contactRow(entry)))), signal);
        } catch (error) {
          throw folderError(error, signal);
        }
      },

      // Of hashes nobody could say whose they are.
      ...(options.hash === 'none'
        ? {
            async readBack(binding: Binding, cursor: string | undefined, signal: AbortSignal) {
              const from = Number(cursor ?? 0);
              const entries: ReadBackEntry[] = [];
              let index = 0;
              try {
                for await (const row of listOf(binding).folder.rows()) {
                  signal.throwIfAborted();
                  if (index++ < from) continue;
                  if (entries.length === PAGE) return { entries, next: String(from + PAGE) };
                  entries.push({
                    address: row.contact ?? '',
                    type: TYPES.find((type) => type === row.type) ?? 'email',
                    kind: 'unsubscribed',
                    ...(row.since ? { at: Date.parse(row.since) } : {}),
                  });
                }
              } catch (error) {
                throw folderError(error, signal);
              }
              return { entries };
            },
          }
        : {}),

      copy: {
        listOf: nameOf,
        async idOf(binding) {
          try {
            return await listOf(binding).folder.id();
          } catch (error) {
            throw folderError(error, AbortSignal.any([]));
          }
        },
        async replace(binding, id, entries, signal) {
          async function* rows() {
            for await (const entry of entries) yield rowOf(entry);
          }
          try {
            await listOf(binding).folder.replace(id, rows(), signal);
          } catch (error) {
            throw folderError(error, signal);
          }
        },
      },

      async close() {
        for (const list of lists.values()) await list.close();
      },
    };
  },
};

interface FullFile {
  readonly folder: SuppressionFolder;
  /** Tells that there is a new delta. */
  changed(): Promise<void>;
  close(): Promise<void>;
}

/** Rebuilds the full file now if the last time is long enough ago, else once it is. */
function keepFull(
  folder: SuppressionFolder,
  every: number,
  { now, machine }: { readonly now: () => number; readonly machine: Machine },
): FullFile {
  let built = Number.NEGATIVE_INFINITY;
  let waiting: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  const rebuild = () => {
    built = now();
    running = running.catch(() => undefined).then(() => folder.rebuild());
    return running;
  };
  return {
    folder,
    async changed() {
      const wait = built + every - now();
      if (wait <= 0) return rebuild();
      // A failure here is met again by the next batch, or at the end.
      if (waiting) return;
      const timer = machine.after(wait, () => {
        waiting = undefined;
        rebuild().catch(() => undefined);
      });
      timer.unref();
      waiting = timer;
    },
    async close() {
      waiting?.cancel();
      await rebuild();
    },
  };
}

function folderError(error: unknown, signal: AbortSignal): Error {
  if (error instanceof ProviderError) return error;
  if (signal.aborted) return new ProviderError('unavailable', 'no answer before the deadline');
  const code = codeOf(error);
  if (code === undefined) return error instanceof Error ? error : new Error(String(error));
  // The system's message would name the path; its code is enough.
  return new ProviderError(
    FOLDER_FAULTS.has(code) ? 'credentials' : 'unavailable',
    `the folder cannot be written: ${code}`,
    undefined,
    {
      cause: error,
    },
  );
}
