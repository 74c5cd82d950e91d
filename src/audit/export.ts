import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { type Hash, proveInclusion } from '../core/merkle.js';
import { type Verifier, verifierText } from '../core/note.js';
import { hashesFromTiles, TILE_WIDTH, type Tile } from '../core/tile.js';
import type { LogRow } from '../store/log.js';
import type { LogStores } from '../store/log-stores.js';
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

/**
 * Writes the leaves that were signed in a period as NDJSON, each with its entry and proof, so that the file can be checked
 * by itself (`verifyExport`). The period is that of sealing, half a second after recording as a rule: its leaves are one
 * unbroken range, so that one left out shows.
 *
 * @param parts.from inclusive, ms; from the beginning when absent
 * @param parts.to exclusive, ms; until now when absent
 */
export async function exportPeriod(
  parts: {
    readonly stores: LogStores;
    readonly verifiers: readonly Verifier[];
    readonly from?: number;
    readonly to?: number;
  },
  out: Writable,
  onProgress: (progress: Progress) => void = () => {},
): Promise<{ leaves: number }> {
  const { stores, verifiers, from, to } = parts;
  const { leaves, queue, checkpoints } = stores;
  const latest = await checkpoints.latest();
  if (!latest) throw new Error('no checkpoint has been signed yet: start Hush, and try again after a second');
  const first = from === undefined ? 0 : ((await checkpoints.before(from))?.size ?? 0);
  const end = Math.max(first, to === undefined ? latest.size : ((await checkpoints.before(to))?.size ?? 0));
  const reader = hashesFromTiles(latest.size, cachedTiles(leaves.readTiles));
  const base64 = (hash: Hash) => hash.toString('base64');

  async function line(value: ExportHeader | ExportLeaf | ExportEnd): Promise<void> {
    if (!out.write(`${JSON.stringify(value)}\n`)) await once(out, 'drain');
  }
  async function leafLine(kind: ExportLeaf['kind'], row: LogRow, body?: PublicEntry): Promise<void> {
    const proof = (await proveInclusion(row.index, latest?.size ?? 0, reader)).map(base64);
    await line({
      kind,
      index: row.index,
      entry: base64(row.entry),
      ...(row.salt ? { salt: base64(row.salt) } : {}),
      ...(row.emptiedBy === undefined ? {} : { emptiedBy: row.emptiedBy }),
      ...(body ? { body } : {}),
      proof,
    });
  }

  await line({
    kind: EXPORT_FORMAT,
    vkeys: verifiers.map(verifierText),
    ...(from === undefined ? {} : { from: new Date(from).toISOString() }),
    ...(to === undefined ? {} : { to: new Date(to).toISOString() }),
    first,
    end,
    checkpoint: publishedNote(latest),
  });
  const erasures = new Set<number>();
  for (let at = first; at < end; at += TILE_WIDTH) {
    const rows = await leaves.range(at, Math.min(end, at + TILE_WIDTH));
    const bodies = await queue.bodies(rows);
    for (const row of rows) {
      const body = row.empties === undefined ? bodies.get(`${row.contact.toString('hex')}/${row.event}`) : undefined;
      if (row.emptiedBy !== undefined && row.emptiedBy >= end) erasures.add(row.emptiedBy);
      await leafLine('leaf', row, body && publicEntry(body));
    }
    onProgress({ done: Math.min(end, at + TILE_WIDTH) - first, total: end - first });
  }
  for (const index of [...erasures].sort((a, b) => a - b)) {
    const [row] = index < latest.size ? await leaves.range(index, index + 1) : [];
    if (row) await leafLine('erasure', row);
  }
  await line({ kind: 'end', leaves: end - first });
  return { leaves: end - first };
}
