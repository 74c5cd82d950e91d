import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { HushError } from '../core/errors.js';
import { type Hash, proveInclusion } from '../core/merkle.js';
import { type Verifier, verifierText } from '../core/note.js';
import { hashesFromTiles, TILE_WIDTH, type Tile } from '../core/tile.js';
import type { StoredCheckpoint } from '../store/log-checkpoints.js';
import type { LogStores } from '../store/log-stores.js';
import type { LogRow } from '../store/transparency-log.js';
import { type PublicEntry, publicEntry } from './canonical-event.js';
import { publishedNote } from './proofs.js';
import type { Progress } from './verify.js';

export const EXPORT_FORMAT = 'hush-log-export/1';

/** First line of an export. */
export interface ExportHeader {
  readonly kind: typeof EXPORT_FORMAT;
  /** Verifier keys of the log. Whoever checks should have them from elsewhere. */
  readonly vkeys: readonly string[];
  /** RFC 3339; absent for "from the beginning" and "until now". */
  readonly from?: string;
  readonly to?: string;
  /** Leaves `first` to `end` (exclusive) follow, each one. */
  readonly first: number;
  readonly end: number;
  /** The checkpoint that every proof leads to, as a signed note. */
  readonly checkpoint: string;
}

/** One leaf. Bytes are in base64. */
export interface ExportLeaf {
  /** `erasure` lines come after all leaves: entries of later erasures that name leaves of this export. */
  readonly kind: 'leaf' | 'erasure';
  readonly index: number;
  readonly entry: string;
  /** Absent once an erasure destroyed it. */
  readonly salt?: string;
  readonly emptiedBy?: number;
  /** What the leaf commits to. */
  readonly body?: PublicEntry;
  /** RFC 6962 audit path, from the leaf's sibling up. */
  readonly proof: readonly string[];
}

export interface ExportEnd {
  readonly kind: 'end';
  readonly leaves: number;
  /** Over every line before: shows a changed byte where no proof reaches, such as in the header. */
  readonly chain?: string;
}

/** Tiles kept while an export runs: neighbours share all but one. */
const CACHED = 64;

function cachedTiles(read: LogStores['leaves']['readTiles']) {
  const cache = new Map<string, Buffer>();
  return async (tiles: readonly Tile[]): Promise<Buffer[]> => {
    const names = tiles.map(({ level, index, width }) => `${level}/${index}/${width}`);
    const missing = tiles.filter((_, at) => !cache.has(names[at] ?? ''));
    const fetched = missing.length === 0 ? [] : await read(missing);
    const fresh = new Map(
      missing.map(({ level, index, width }, at) => [`${level}/${index}/${width}`, fetched[at] ?? Buffer.alloc(0)]),
    );
    const result = names.map((name) => cache.get(name) ?? fresh.get(name) ?? Buffer.alloc(0));
    for (const [name, bytes] of fresh) cache.set(name, bytes);
    for (const name of [...cache.keys()].slice(0, Math.max(0, cache.size - CACHED))) cache.delete(name);
    return result;
  };
}

/** What an export will hold, fixed when it begins: what comes later changes nothing in it. */
export interface Period {
  /** ms, inclusive; from the beginning when absent. */
  readonly from?: number;
  /** ms, exclusive; until now when absent. */
  readonly to?: number;
  readonly first: number;
  readonly end: number;
  readonly checkpoint: StoredCheckpoint;
}

/** Leaves of a period by the time of their checkpoints. Throws HushError when nothing has been signed yet. */
export async function planPeriod(
  { checkpoints }: LogStores,
  { from, to }: { readonly from?: number | undefined; readonly to?: number | undefined },
): Promise<Period> {
  const checkpoint = await checkpoints.latest();
  if (!checkpoint) {
    throw new HushError('unavailable', 'no checkpoint has been signed yet', {
      remedy: 'start Hush, and try again after a second',
    });
  }
  const first = from === undefined ? 0 : ((await checkpoints.before(from))?.size ?? 0);
  const end = Math.max(first, to === undefined ? checkpoint.size : ((await checkpoints.before(to))?.size ?? 0));
  return { first, end, checkpoint, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
}

/** Where the chain over the lines begins. */
export const CHAIN_START = Buffer.alloc(32);

/** One more line: SHA-256 of what was before and of the line, without its newline. */
export function chained(before: Uint8Array, line: string): Buffer {
  return createHash('sha256').update(before).update(line).digest();
}

/** Writes an export piece by piece, so that it can go on where another process left it. */
export function createPeriodWriter(parts: {
  readonly stores: LogStores;
  readonly verifiers: readonly Verifier[];
  readonly period: Period;
}) {
  const { stores, verifiers, period } = parts;
  const { leaves, queue } = stores;
  const { first, end, checkpoint } = period;
  const reader = hashesFromTiles(checkpoint.size, cachedTiles(leaves.readTiles));
  const base64 = (hash: Hash) => hash.toString('base64');
  const text = (value: ExportHeader | ExportLeaf | ExportEnd) => JSON.stringify(value);

  async function leafLine(kind: ExportLeaf['kind'], row: LogRow, body?: PublicEntry): Promise<string> {
    const proof = (await proveInclusion(row.index, checkpoint.size, reader)).map(base64);
    return text({
      kind,
      index: row.index,
      entry: base64(row.entry),
      ...(row.salt ? { salt: base64(row.salt) } : {}),
      ...(row.emptiedBy === undefined ? {} : { emptiedBy: row.emptiedBy }),
      ...(body ? { body } : {}),
      proof,
    });
  }

  return {
    header: (): string =>
      text({
        kind: EXPORT_FORMAT,
        vkeys: verifiers.map(verifierText),
        ...(period.from === undefined ? {} : { from: new Date(period.from).toISOString() }),
        ...(period.to === undefined ? {} : { to: new Date(period.to).toISOString() }),
        first,
        end,
        checkpoint: publishedNote(checkpoint),
      }),

    /** Lines of leaves `at` to `to` (exclusive), and the later erasures that name some of them. */
    async leaves(at: number, to: number): Promise<{ lines: string[]; erasures: number[] }> {
      const rows = await leaves.range(at, to);
      const bodies = await queue.bodies(rows);
      const lines: string[] = [];
      for (const row of rows) {
        const body = row.empties === undefined ? bodies.get(`${row.contact.toString('hex')}/${row.event}`) : undefined;
        lines.push(await leafLine('leaf', row, body && publicEntry(body)));
      }
      const erasures = rows.flatMap(({ emptiedBy }) =>
        emptiedBy !== undefined && emptiedBy >= end ? [emptiedBy] : [],
      );
      return { lines, erasures };
    },

    /**
     * Lines of erasures that name leaves of the export. Undefined when one of them came after the export began: its
     * checkpoint does not have it, and the export is to be begun again.
     */
    async erasures(indexes: readonly number[]): Promise<string[] | undefined> {
      const lines: string[] = [];
      for (const index of [...new Set(indexes)].sort((a, b) => a - b)) {
        if (index >= checkpoint.size) return undefined;
        const [row] = await leaves.range(index, index + 1);
        if (row) lines.push(await leafLine('erasure', row));
      }
      return lines;
    },

    end: (chain: Uint8Array): string =>
      text({ kind: 'end', leaves: end - first, chain: Buffer.from(chain).toString('base64') }),
  };
}

/**
 * Writes the leaves that were signed in a period as NDJSON, each with its entry and proof, so that the file can be checked
 * by itself (`verifyExport`). The period is that of sealing, half a second after recording as a rule: its leaves are one
 * unbroken range, so that one left out shows. The last line has a chain over all others.
 *
 * @param parts.from inclusive, ms; from the beginning when absent
 * @param parts.to exclusive, ms; until now when absent
 */
export async function exportPeriod(
  parts: {
    readonly stores: LogStores;
    readonly verifiers: readonly Verifier[];
    readonly from?: number | undefined;
    readonly to?: number | undefined;
  },
  out: Writable,
  onProgress: (progress: Progress) => void = () => {},
): Promise<{ leaves: number }> {
  const period = await planPeriod(parts.stores, parts);
  const { first, end } = period;
  const writer = createPeriodWriter({ ...parts, period });
  let chain: Buffer = CHAIN_START;
  async function put(line: string): Promise<void> {
    chain = chained(chain, line);
    if (!out.write(`${line}\n`)) await once(out, 'drain');
  }
  await put(writer.header());
  const erasures: number[] = [];
  for (let at = first; at < end; at += TILE_WIDTH) {
    const { lines, erasures: named } = await writer.leaves(at, Math.min(end, at + TILE_WIDTH));
    for (const line of lines) await put(line);
    erasures.push(...named);
    onProgress({ done: Math.min(end, at + TILE_WIDTH) - first, total: end - first });
  }
  const last = await writer.erasures(erasures);
  if (!last)
    throw new HushError('conflict', 'somebody was erased while this was written', {
      remedy: 'export the period again',
    });
  for (const line of last) await put(line);
  await put(writer.end(chain));
  return { leaves: end - first };
}
