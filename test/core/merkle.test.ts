import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createEdge, type FullTile } from '../../src/core/edge.js';
import {
  EMPTY_ROOT,
  type Hash,
  leafHash,
  nodeHash,
  proveConsistency,
  proveInclusion,
  rootOfHashes,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
} from '../../src/core/merkle.js';
import { entryBundle, hashesFromTiles, parseTilePath, type Tile, tilePath, tileWidth } from '../../src/core/tile.js';

/** The definition of RFC 6962 §2.1, word for word. */
function naiveRoot(entries: readonly Buffer[]): Buffer {
  const [only] = entries;
  if (only === undefined) return createHash('sha256').digest();
  if (entries.length === 1)
    return createHash('sha256')
      .update(Buffer.concat([Buffer.of(0), only]))
      .digest();
  let k = 1;
  while (k * 2 < entries.length) k *= 2;
  const halves = [naiveRoot(entries.slice(0, k)), naiveRoot(entries.slice(k))];
  return createHash('sha256')
    .update(Buffer.concat([Buffer.of(1), ...halves]))
    .digest();
}

/** Tiles in memory, made by an edge as the sealer makes them. */
function grow(entries: readonly Buffer[]) {
  const edge = createEdge();
  const full = new Map<string, FullTile>();
  const hashed = entries.map(leafHash);
  for (const hash of hashed) for (const tile of edge.append(hash)) full.set(`${tile.level}/${tile.index}`, tile);
  const read = ({ level, index, width }: Tile): Buffer => {
    const tile = full.get(`${level}/${index}`);
    if (tile) return tile.hashes.subarray(0, width * 32);
    const first = index * 256;
    const hashes = Array.from(
      { length: width },
      (_, at) => (level === 0 ? hashed[first + at] : full.get(`${level - 1}/${first + at}`)?.root) ?? Buffer.alloc(0),
    );
    return Buffer.concat(hashes);
  };
  const cache = new Map<string, Buffer>();
  const cached = (tile: Tile): Buffer => {
    const name = `${tile.level}/${tile.index}/${tile.width}`;
    const bytes = cache.get(name) ?? read(tile);
    cache.set(name, bytes);
    return bytes;
  };
  return { edge, full, reader: (size: number) => hashesFromTiles(size, async (tiles) => tiles.map(cached)) };
}

const entriesUpTo = (size: number) => Array.from({ length: size }, (_, at) => Buffer.from(`entry ${at}`));

// The vectors of the Certificate Transparency reference implementation (RFC 6962), merkletree/testonly.
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  (hex) => Buffer.from(hex, 'hex'),
);
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

describe('the tree of RFC 6962', () => {
  test('the empty tree is the hash of nothing', () => {
    expect(EMPTY_ROOT.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(createEdge().root()).toEqual(EMPTY_ROOT);
  });

  test.each(ROOTS.map((root, at) => [at + 1, root] as const))('%i leaves have the known root', async (size, root) => {
    const entries = LEAVES.slice(0, size);
    expect(rootOfHashes(entries.map(leafHash)).toString('hex')).toBe(root);
    const { edge, reader } = grow(entries);
    expect(edge.root().toString('hex')).toBe(root);
    expect((await treeRoot(size, reader(size))).toString('hex')).toBe(root);
  });

  test('known paths: RFC 6962 §2.1.3, the tree of seven leaves', async () => {
    const entries = LEAVES.slice(0, 7);
    const [a, b, c, d, e, f, j] = entries.map(leafHash);
    if (!a || !b || !c || !d || !e || !f || !j) throw new Error('seven leaves');
    const g = nodeHash(a, b);
    const h = nodeHash(c, d);
    const i = nodeHash(e, f);
    const k = nodeHash(g, h);
    const l = nodeHash(i, j);
    const { reader } = grow(entries);
    expect(await proveInclusion(0, 7, reader(7))).toEqual([b, h, l]);
    expect(await proveInclusion(3, 7, reader(7))).toEqual([c, g, l]);
    expect(await proveInclusion(4, 7, reader(7))).toEqual([f, j, k]);
    expect(await proveInclusion(6, 7, reader(7))).toEqual([i, k]);
    expect(await proveConsistency(3, 7, reader(7))).toEqual([c, d, g, l]);
    expect(await proveConsistency(4, 7, reader(7))).toEqual([l]);
    expect(await proveConsistency(6, 7, reader(7))).toEqual([i, j, k]);
  });

  test('proofs of every size to 200 verify, and elsewhere or changed they do not', async () => {
    const entries = entriesUpTo(200);
    const { reader } = grow(entries);
    const roots: Hash[] = [];
    for (let size = 1; size <= 200; size++) roots[size] = await treeRoot(size, reader(size));
    for (let size = 1; size <= 200; size++) {
      const root = roots[size] ?? EMPTY_ROOT;
      expect(root.equals(naiveRoot(entries.slice(0, size)))).toBe(true);
      // Each position to 130, past every power of two below; of the sizes beyond, eight.
      const step = size <= 130 ? 1 : Math.floor(size / 8);
      for (let index = size % step; index < size; index += step) {
        const leaf = leafHash(entries[index] ?? Buffer.alloc(0));
        const proof = await proveInclusion(index, size, reader(size));
        if (!verifyInclusion(index, size, leaf, proof, root)) throw new Error(`inclusion of ${index} in ${size}`);
        if (size > 1 && verifyInclusion((index + 1) % size, size, leaf, proof, root))
          throw new Error(`${index} proven elsewhere`);
        const consistency = await proveConsistency(index + 1, size, reader(size));
        const older = roots[index + 1] ?? EMPTY_ROOT;
        if (!verifyConsistency(index + 1, size, older, root, consistency))
          throw new Error(`consistency ${index + 1} to ${size}`);
        if (verifyConsistency(index + 1, size, leafHash(older), root, consistency))
          throw new Error('a foreign root is consistent');
      }
    }
  });

  test('a proof with any bit flipped, a hash dropped or one added is refused', async () => {
    const entries = entriesUpTo(200);
    const { reader } = grow(entries);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 200 }),
        fc.nat(),
        fc.nat(),
        fc.integer({ min: 0, max: 255 }),
        async (size, position, place, bit) => {
          const index = position % size;
          const root = await treeRoot(size, reader(size));
          const leaf = leafHash(entries[index] ?? Buffer.alloc(0));
          const proof = await proveInclusion(index, size, reader(size));
          const flip = (hash: Hash) => {
            const copy = Buffer.from(hash);
            copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
            return copy;
          };
          const flipped = proof.map((hash, at) => (at === place % proof.length ? flip(hash) : hash));
          expect(verifyInclusion(index, size, leaf, flipped, root)).toBe(false);
          expect(verifyInclusion(index, size, flip(leaf), proof, root)).toBe(false);
          expect(verifyInclusion(index, size, leaf, proof, flip(root))).toBe(false);
          expect(verifyInclusion(index, size, leaf, proof.slice(1), root)).toBe(false);
          expect(verifyInclusion(index, size, leaf, [...proof, leaf], root)).toBe(false);

          const older = (position % (size - 1)) + 1;
          const olderRoot = await treeRoot(older, reader(older));
          const consistency = await proveConsistency(older, size, reader(size));
          const changed = consistency.map((hash, at) => (at === place % consistency.length ? flip(hash) : hash));
          expect(verifyConsistency(older, size, olderRoot, root, changed)).toBe(false);
          expect(verifyConsistency(older, size, olderRoot, flip(root), consistency)).toBe(false);
          expect(verifyConsistency(older, size, flip(olderRoot), root, consistency)).toBe(false);
          expect(verifyConsistency(older, size, olderRoot, root, [...consistency, leaf])).toBe(false);
          expect(verifyConsistency(older, size, olderRoot, root, consistency.slice(0, -1))).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('a tree over three levels of tiles grows to the root that its definition gives', async () => {
    const entries = entriesUpTo(66_000);
    const { edge, full, reader } = grow(entries);
    expect(edge.root()).toEqual(naiveRoot(entries));
    expect([...full.keys()].filter((name) => name.startsWith('1/'))).toEqual(['1/0']);
    const root = await treeRoot(66_000, reader(66_000));
    expect(root).toEqual(edge.root());
    for (const index of [0, 255, 256, 65_535, 65_536, 65_999]) {
      const proof = await proveInclusion(index, 66_000, reader(66_000));
      expect(verifyInclusion(index, 66_000, leafHash(entries[index] ?? Buffer.alloc(0)), proof, root)).toBe(true);
    }
    for (const older of [1, 255, 256, 257, 65_535, 65_536, 65_537]) {
      const proof = await proveConsistency(older, 66_000, reader(66_000));
      expect(verifyConsistency(older, 66_000, await treeRoot(older, reader(older)), root, proof)).toBe(true);
    }
  });

  test('an edge goes on from partial tiles as if it had never stopped', () => {
    const entries = entriesUpTo(700);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 699 }), (size) => {
        const { edge, full } = grow(entries.slice(0, size));
        const level0 = entries.slice(size - (size % 256), size).map(leafHash);
        const level1 = Array.from(
          { length: Math.floor(size / 256) },
          (_, at) => full.get(`0/${at}`)?.root ?? Buffer.alloc(0),
        );
        const again = createEdge(size, [level0, level1]);
        expect(again.root()).toEqual(edge.root());
        for (const entry of entries.slice(size))
          expect(again.append(leafHash(entry))).toEqual(edge.append(leafHash(entry)));
        expect(again.root()).toEqual(edge.root());
      }),
      { numRuns: 40 },
    );
    expect(() => createEdge(300, [[]])).toThrow('lacks hashes');
  });
});

describe('tiles', () => {
  test('paths are those of tlog-tiles', () => {
    expect(tilePath({ kind: 'hashes', level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067');
    expect(tilePath({ kind: 'hashes', level: 1, index: 0, width: 17 })).toBe('tile/1/000.p/17');
    expect(tilePath({ kind: 'entries', level: 0, index: 999, width: 1 })).toBe('tile/entries/999.p/1');
    expect(parseTilePath('tile/0/x001/x234/067')).toEqual({ kind: 'hashes', level: 0, index: 1_234_067, width: 256 });
  });

  test.each([
    'tile/0/67',
    'tile/00/067',
    'tile/64/000',
    'tile/0/x000/067',
    'tile/0/001/067',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/01',
    'tile/-1/000',
    'tile/entries/000.p/',
    'tile/data/000',
    'tile/0/000/',
    'tile/0/000\n',
  ])('%j is no tile', (path) => {
    expect(parseTilePath(path)).toBeUndefined();
  });

  test('every path read is the path written', () => {
    fc.assert(
      fc.property(
        fc.nat(63),
        fc.maxSafeNat(),
        fc.integer({ min: 1, max: 256 }),
        fc.boolean(),
        (level, index, width, isEntries) => {
          const name = isEntries
            ? ({ kind: 'entries', level: 0, index, width } as const)
            : ({ kind: 'hashes', level, index, width } as const);
          expect(parseTilePath(tilePath(name))).toEqual(name);
        },
      ),
    );
  });

  test('a tree of 70,000 has the tiles that the specification counts', () => {
    expect(tileWidth(70_000, 0, 272)).toBe(256);
    expect(tileWidth(70_000, 0, 273)).toBe(112);
    expect(tileWidth(70_000, 0, 274)).toBe(0);
    expect(tileWidth(70_000, 1, 1)).toBe(17);
    expect(tileWidth(70_000, 2, 0)).toBe(1);
    expect(tileWidth(256, 1, 0)).toBe(1);
  });

  test('an entry bundle has a length before each entry', () => {
    expect(entryBundle([Buffer.from('ab'), Buffer.alloc(0)]).toString('hex')).toBe('000261620000');
    expect(() => entryBundle([Buffer.alloc(65_536)])).toThrow(RangeError);
  });
});
