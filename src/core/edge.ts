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
 * The right edge of a growing tree: its partial tiles and the roots of the perfect subtrees that make it up. Adding a leaf
 * costs two hashes on average and a root one for each level, however large the tree is.
 */
export interface Edge {
  readonly size: number;
  /** Adds a leaf; returns the tiles that it filled, lowest first. */
  append(leaf: Hash): FullTile[];
  root(): Hash;
  copy(): Edge;
}

interface Peak {
  readonly level: number;
  readonly hash: Hash;
}

/**
 * An edge from the partial tiles of a tree of `size` leaves: `levels[l]` are the hashes of the one at level l.
 *
 * @throws when these are not as many as such a tree has.
 */
export function createEdge(size = 0, levels: readonly (readonly Hash[])[] = []): Edge {
  for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
    const expected = hashesAtLevel(size, level) % TILE_WIDTH;
    if ((levels[level]?.length ?? 0) !== expected) throw new Error(`level ${level} of the tree's edge lacks hashes`);
  }
  return edgeOf(
    size,
    levels.map((hashes) => [...hashes]),
    peaksOf(size, levels),
  );
}

/** The perfect subtrees of the whole, largest first; each lies within one partial tile. */
function peaksOf(size: number, levels: readonly (readonly Hash[])[]): Peak[] {
  const taken = new Map<number, number>();
  return rangeNodes(0, size).map(({ level }) => {
    const tile = Math.floor(level / TILE_HEIGHT);
    const from = taken.get(tile) ?? 0;
    const to = from + 2 ** (level - tile * TILE_HEIGHT);
    taken.set(tile, to);
    return { level, hash: rootOfHashes((levels[tile] ?? []).slice(from, to)) };
  });
}

function edgeOf(size: number, partial: Hash[][], peaks: Peak[]): Edge {
  let leaves = size;

  function push(tile: number, hash: Hash): void {
    const hashes = partial[tile] ?? [];
    partial[tile] = hashes;
    hashes.push(hash);
  }

  return {
    get size() {
      return leaves;
    },

    append(leaf) {
      const filled: FullTile[] = [];
      leaves++;
      push(0, leaf);
      let hash = leaf;
      let level = 0;
      // Two perfect subtrees of one size side by side are one of the next size.
      for (let left = peaks.at(-1); left?.level === level; left = peaks.at(-1)) {
        peaks.pop();
        hash = nodeHash(left.hash, hash);
        level++;
        if (level % TILE_HEIGHT !== 0) continue;
        const tile = level / TILE_HEIGHT - 1;
        const index = hashesAtLevel(leaves, tile + 1) - 1;
        filled.push({ level: tile, index, hashes: Buffer.concat(partial[tile] ?? []), root: hash });
        partial[tile] = [];
        push(tile + 1, hash);
      }
      peaks.push({ level, hash });
      return filled;
    },

    root: () =>
      peaks.length === 0
        ? EMPTY_ROOT
        : peaks.map(({ hash }) => hash).reduceRight((right, left) => nodeHash(left, right)),

    copy: () =>
      edgeOf(
        leaves,
        partial.map((hashes) => [...hashes]),
        [...peaks],
      ),
  };
}
