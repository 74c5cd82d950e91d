import { createHash } from 'node:crypto';

/** A SHA-256 value, 32 bytes. */
export type Hash = Buffer;

/**
 * The root of a perfect subtree: that of the `2^level` leaves from `index × 2^level` on. Level 0 are the leaf hashes.
 */
export interface Node {
  readonly level: number;
  readonly index: number;
}

/**
 * All that proofs need of a stored tree: the hashes of perfect subtrees, in the order asked for. Every proof makes one
 * call, so that a storage may fetch what it needs at once.
 */
export interface HashReader {
  read(nodes: readonly Node[]): Promise<readonly Hash[]>;
}

export const HASH_BYTES = 32;

/** RFC 6962 §2.1: the hash of an empty list is the hash of an empty string. */
export const EMPTY_ROOT: Hash = createHash('sha256').digest();

const LEAF = Buffer.from([0]);
const NODE = Buffer.from([1]);

/** RFC 6962 §2.1: `MTH({d(0)}) = SHA-256(0x00 || d(0))`. */
export function leafHash(entry: Uint8Array): Hash {
  return createHash('sha256').update(LEAF).update(entry).digest();
}

/** RFC 6962 §2.1: `SHA-256(0x01 || left || right)`. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Hash {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** RFC 6962 §2.1: k, the largest power of two smaller than n, for n > 1. */
export function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/**
 * RFC 6962 §2.1: `MTH(D[n])` of leaf hashes. Also the root over any equal perfect subtrees, as those of one tile.
 */
export function rootOfHashes(hashes: readonly Hash[]): Hash {
  const [only] = hashes;
  if (only === undefined) return EMPTY_ROOT;
  if (hashes.length === 1) return only;
  const k = splitPoint(hashes.length);
  return nodeHash(rootOfHashes(hashes.slice(0, k)), rootOfHashes(hashes.slice(k)));
}

function log2(powerOfTwo: number): number {
  return Math.round(Math.log2(powerOfTwo));
}

/** The perfect subtrees that `D[start:end]` splits into, from left to right; start is a multiple of each one's size. */
export function rangeNodes(start: number, end: number): Node[] {
  const nodes: Node[] = [];
  for (let at = start; at < end; ) {
    let size = 1;
    while (size * 2 <= end - at) size *= 2;
    nodes.push({ level: log2(size), index: at / size });
    at += size;
  }
  return nodes;
}

/** Joins the hashes of `rangeNodes` from the right, which is what splitting at the largest power of two comes to. */
function joinRange(hashes: readonly Hash[]): Hash {
  return hashes.length === 0 ? EMPTY_ROOT : hashes.reduceRight((right, left) => nodeHash(left, right));
}

/** RFC 6962 §2.1: the root of the first `size` leaves. */
export async function treeRoot(size: number, reader: HashReader): Promise<Hash> {
  return size === 0 ? EMPTY_ROOT : joinRange(await reader.read(rangeNodes(0, size)));
}

/** One part of a proof: the subtree `D[start:end]`. */
type Range = readonly [start: number, end: number];

/** RFC 6962 §2.1.1, `PATH(m, D[n])`: the ranges whose hashes make the proof, from the leaf's sibling up. */
function pathRanges(index: number, start: number, end: number): Range[] {
  if (end - start <= 1) return [];
  const middle = start + splitPoint(end - start);
  return index < middle
    ? [...pathRanges(index, start, middle), [middle, end]]
    : [...pathRanges(index, middle, end), [start, middle]];
}

/** RFC 6962 §2.1.2, `SUBPROOF(m, D[n], b)`; `known` is b: the verifier has the hash of this very subtree. */
function subproofRanges(size: number, start: number, end: number, known: boolean): Range[] {
  if (size === end) return known ? [] : [[start, end]];
  const middle = start + splitPoint(end - start);
  return size <= middle
    ? [...subproofRanges(size, start, middle, known), [middle, end]]
    : [...subproofRanges(size, middle, end, false), [start, middle]];
}

async function readRanges(ranges: readonly Range[], reader: HashReader): Promise<Hash[]> {
  const parts = ranges.map(([start, end]) => rangeNodes(start, end));
  const hashes = await reader.read(parts.flat());
  let at = 0;
  return parts.map((part) => {
    at += part.length;
    return joinRange(hashes.slice(at - part.length, at));
  });
}

/**
 * RFC 6962 §2.1.1: the audit path of leaf `index` in the tree of the first `size` leaves.
 *
 * @throws RangeError when the tree has no such leaf.
 */
export function proveInclusion(index: number, size: number, reader: HashReader): Promise<Hash[]> {
  if (!(index >= 0 && index < size)) throw new RangeError(`a tree of ${size} leaves has no leaf ${index}`);
  return readRanges(pathRanges(index, 0, size), reader);
}

/**
 * RFC 6962 §2.1.2: proof that the tree of `newer` leaves begins with that of `older`. Empty when the sizes are equal.
 *
 * @throws RangeError for `older` of 0, about which RFC 6962 proves nothing, or beyond `newer`.
 */
export function proveConsistency(older: number, newer: number, reader: HashReader): Promise<Hash[]> {
  if (!(older >= 1 && older <= newer)) throw new RangeError(`no consistency proof from ${older} to ${newer} leaves`);
  return readRanges(subproofRanges(older, 0, newer, true), reader);
}

/**
 * RFC 9162 §2.1.3.2 (the check of RFC 6962's audit path, spelled out): true when `leaf` is at `index` of the tree with
 * this root.
 */
export function verifyInclusion(index: number, size: number, leaf: Hash, proof: readonly Hash[], root: Hash): boolean {
  if (!(Number.isSafeInteger(index) && index >= 0 && index < size)) return false;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && hash.equals(root);
}

/** RFC 9162 §2.1.4.2: true when the tree of `newer` leaves begins with that of `older`, by their roots. */
export function verifyConsistency(
  older: number,
  newer: number,
  olderRoot: Hash,
  newerRoot: Hash,
  proof: readonly Hash[],
): boolean {
  if (!(Number.isSafeInteger(newer) && older >= 1 && older <= newer)) return false;
  if (older === newer) return proof.length === 0 && olderRoot.equals(newerRoot);
  let node = older - 1;
  let last = newer - 1;
  while (node % 2 === 1) {
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  // Where the older tree is perfect the proof leaves its root out, because the verifier has it.
  const [first, ...rest] = node === 0 ? [olderRoot, ...proof] : proof;
  if (first === undefined) return false;
  let before = first;
  let after = first;
  for (const hash of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      before = nodeHash(hash, before);
      after = nodeHash(hash, after);
      while (node % 2 === 0 && node !== 0) {
        node /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      after = nodeHash(after, hash);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && before.equals(olderRoot) && after.equals(newerRoot);
}
