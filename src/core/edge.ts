import { EMPTY_ROOT, type Hash, nodeHash, rangeNodes, rootOfHashes } from './merkle.js';
import { hashesAtLevel, TILE_HEIGHT, TILE_WIDTH } from './tile.js';

/** A tile that has just become full. It never changes again. */
export interface FullTile {
  readonly level: number;
  readonly index: number;
  /** 256 hashes one after the other. */
  readonly hashes: Buffer;
  /** The root over them: the hash that this tile is at the level above. */
  readonly root: Hash;
}

/**
 * The right edge of a growing tree: its partial tiles and nothing else, so that adding a leaf costs one hash and a root
 * costs the partial tiles only, however large the tree is.
 */
export interface Edge {
  readonly size: number;
  /** Adds a leaf; returns the tiles that it filled, lowest first. */
  append(leaf: Hash): FullTile[];
  root(): Hash;
  copy(): Edge;
}

/** An edge from the partial tiles of a tree of `size` leaves: `levels[l]` are the hashes of the one at level l. */
export function createEdge(size = 0, levels: readonly (readonly Hash[])[] = []): Edge {
  const partial = levels.map((hashes) => [...hashes]);
  let leaves = size;
  for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
    const expected = hashesAtLevel(size, level) % TILE_WIDTH;
    if ((partial[level]?.length ?? 0) !== expected) throw new Error(`level ${level} of the edge lacks hashes`);
  }

  return {
    get size() {
      return leaves;
    },

    append(leaf) {
      const filled: FullTile[] = [];
      leaves++;
      for (let level = 0, hash = leaf; ; level++) {
        const hashes = partial[level] ?? [];
        partial[level] = hashes;
        hashes.push(hash);
        if (hashes.length < TILE_WIDTH) return filled;
        hash = rootOfHashes(hashes);
        filled.push({ level, index: hashesAtLevel(leaves, level + 1) - 1, hashes: Buffer.concat(hashes), root: hash });
        partial[level] = [];
      }
    },

    root() {
      // The perfect subtrees of the whole, largest first; each lies within one partial tile.
      const taken = new Map<number, number>();
      const hashes = rangeNodes(0, leaves).map(({ level }) => {
        const tile = Math.floor(level / TILE_HEIGHT);
        const from = taken.get(tile) ?? 0;
        const to = from + 2 ** (level - tile * TILE_HEIGHT);
        taken.set(tile, to);
        return rootOfHashes((partial[tile] ?? []).slice(from, to));
      });
      return hashes.length === 0 ? EMPTY_ROOT : hashes.reduceRight((right, left) => nodeHash(left, right));
    },

    copy: () => createEdge(leaves, partial),
  };
}
