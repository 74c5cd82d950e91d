import { HASH_BYTES, type Hash, type HashReader, type Node, rootOfHashes } from './merkle.js';

/** C2SP tlog-tiles, "Merkle Tree": a tile is a subtree of height 8, so 256 hashes wide when full. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 256;

/** One tile: `width` is 256 for a full one, 1–255 for the partial one at the right edge. */
export interface Tile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** What a path names: a tile of hashes, or the entry bundle beside a tile of level 0. */
export interface TileName extends Tile {
  readonly kind: 'hashes' | 'entries';
}

/** tlog-tiles: the index in groups of three digits, all but the last beginning with `x`: 1234067 is `x001/x234/067`. */
function indexPath(index: number): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  return groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join('/');
}

/** `tile/L/N[.p/W]` or `tile/entries/N[.p/W]`. */
export function tilePath({ kind, level, index, width }: TileName): string {
  const place = kind === 'entries' ? 'entries' : String(level);
  return `tile/${place}/${indexPath(index)}${width === TILE_WIDTH ? '' : `.p/${width}`}`;
}

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/)*\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The tile a path names, or undefined for a path that is not in the one spelling the specification allows. */
export function parseTilePath(path: string): TileName | undefined {
  const [, place, groups, partial] = PATH.exec(path) ?? [];
  if (place === undefined || groups === undefined) return undefined;
  const index = Number(groups.replaceAll(/[x/]/g, ''));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const name: TileName = {
    kind: place === 'entries' ? 'entries' : 'hashes',
    level: place === 'entries' ? 0 : Number(place),
    index,
    width,
  };
  if (name.level > 63 || (partial !== undefined && width >= TILE_WIDTH) || !Number.isSafeInteger(index))
    return undefined;
  return tilePath(name) === path ? name : undefined;
}

/** How many hashes level `level` has in a tree of `size` leaves: one for each full tile below. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** tlog-tiles, "Partial Tiles": the widest form in which a tree of `size` leaves has this tile, 0 when not at all. */
export function tileWidth(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, hashesAtLevel(size, level) - index * TILE_WIDTH));
}

/** The hashes a tile's bytes consist of. */
export function hashesOfTile(bytes: Buffer): Hash[] {
  const hashes: Hash[] = [];
  for (let at = 0; at + HASH_BYTES <= bytes.length; at += HASH_BYTES) hashes.push(bytes.subarray(at, at + HASH_BYTES));
  return hashes;
}

/**
 * Reads the nodes of a tree of `size` leaves out of its tiles, each tile once a call. The levels between those that
 * tiles hold are made by hashing (tlog-tiles, "Merkle Tree").
 */
export function hashesFromTiles(
  size: number,
  readTiles: (tiles: readonly Tile[]) => Promise<readonly Buffer[]>,
): HashReader {
  return {
    async read(nodes) {
      const places = nodes.map(tileOfNode);
      const wanted = new Map<string, Tile>();
      for (const { level, index } of places) {
        wanted.set(`${level}/${index}`, { level, index, width: tileWidth(size, level, index) });
      }
      const bytes = await readTiles([...wanted.values()]);
      const read = new Map([...wanted.keys()].map((key, at) => [key, hashesOfTile(bytes[at] ?? Buffer.alloc(0))]));
      return places.map(({ level, index, from, to }) => {
        const hashes = read.get(`${level}/${index}`)?.slice(from, to) ?? [];
        if (hashes.length < to - from) throw new Error(`tile ${level}/${index} has fewer than ${to} hashes`);
        return rootOfHashes(hashes);
      });
    },
  };
}

/** The tile that holds a node, and the hashes in it that the node is the root of. */
function tileOfNode({ level, index }: Node): { level: number; index: number; from: number; to: number } {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const span = 2 ** (level - tileLevel * TILE_HEIGHT);
  const first = index * span;
  const tile = Math.floor(first / TILE_WIDTH);
  return { level: tileLevel, index: tile, from: first - tile * TILE_WIDTH, to: first - tile * TILE_WIDTH + span };
}

/** tlog-tiles, "Log entries": each entry with its length before it as a big-endian uint16. */
export function entryBundle(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      if (entry.length > 0xffff) throw new RangeError('an entry has at most 65,535 bytes');
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}
