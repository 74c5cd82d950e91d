/**
 * A table from the first 12 bytes of a keyed hash to a kind, a time and 7 bytes: 28 bytes an entry, and few more for the
 * room between entries. Two of 50 million hashes are alike in 12 bytes once in 60 trillion such tables.
 *
 * 256 shards by the first byte, each an array sorted by key with gaps (linear probing in order, Amble and Knuth 1974), so
 * that a key that is not there is found out as fast as one that is, and no growth moves more than one shard.
 */
export interface KeyTable {
  /** True when the key is there; what is known of it is in `found` then, until the next call. */
  find(word0: number, word1: number, word2: number): boolean;
  readonly found: Entry;
  /** Puts an entry there, in place of the one that is. `kind` 1 to 16,777,215; `time` (ms) at most 48 bits. */
  set(word0: number, word1: number, word2: number, entry: Entry): void;
  /** Entries. */
  readonly size: number;
  /** Bytes of memory. */
  readonly bytes: number;
}

export interface Entry {
  kind: number;
  time: number;
  /** 4 bytes. */
  high: number;
  /** 3 bytes. */
  low: number;
}

/** Words of an entry: three of the key, time (low), time (high) and 2 bytes, 4 bytes, kind and 1 byte. Kind 0 is a gap. */
const WORDS = 7;
const SHARDS = 256;
/** Entries for each place. */
const MAX_LOAD = 0.94;
const LOAD_AFTER_GROWTH = 0.87;
/** Places behind the last one that keys begin at. */
const TAIL = 48;
const FIRST_CAPACITY = 16;
const SPREAD = 2 ** 24;

interface Shard {
  words: Uint32Array;
  /** Places that keys begin at. */
  capacity: number;
  count: number;
}

const newShard = (capacity: number): Shard => ({
  words: new Uint32Array((capacity + TAIL) * WORDS),
  capacity,
  count: 0,
});

/** The place (in words) at which the search for a key begins: the greater the key, the later. */
function homeOf(word0: number, capacity: number): number {
  return Math.floor(((word0 & 0xffffff) * capacity) / SPREAD) * WORDS;
}

/** The first place (in words) that is a gap or has the key or a greater one. */
function placeOf({ words, capacity }: Shard, word0: number, word1: number, word2: number): number {
  let place = homeOf(word0, capacity);
  for (; place < words.length && words[place + 6]! >>> 8 !== 0; place += WORDS) {
    const first = words[place]!;
    if (first < word0) continue;
    if (first > word0) break;
    const second = words[place + 1]!;
    if (second < word1) continue;
    if (second > word1 || words[place + 2]! >= word2) break;
  }
  return place;
}

function isAt({ words }: Shard, place: number, word0: number, word1: number, word2: number): boolean {
  return (
    place < words.length &&
    words[place + 6]! >>> 8 !== 0 &&
    words[place] === word0 &&
    words[place + 1] === word1 &&
    words[place + 2] === word2
  );
}

/** A larger shard with the same entries. Undefined where they crowd at the end of it. */
function grown(shard: Shard, load: number): Shard | undefined {
  const larger = newShard(Math.max(FIRST_CAPACITY, Math.ceil((shard.count + 1) / load)));
  let next = 0;
  for (let from = 0; from < shard.words.length; from += WORDS) {
    if (shard.words[from + 6]! >>> 8 === 0) continue;
    const place = Math.max(next, homeOf(shard.words[from]!, larger.capacity));
    if (place >= larger.words.length) return undefined;
    for (let word = 0; word < WORDS; word++) larger.words[place + word] = shard.words[from + word]!;
    next = place + WORDS;
  }
  larger.count = shard.count;
  return larger;
}

function written(words: Uint32Array, place: number, entry: Entry): void {
  const { kind, time, high, low } = entry;
  words[place + 3] = time % 2 ** 32;
  words[place + 4] = (Math.floor(time / 2 ** 32) << 16) | (low >>> 8);
  words[place + 5] = high;
  words[place + 6] = (kind << 8) | (low & 0xff);
}

export function createKeyTable(): KeyTable {
  const shards = Array.from({ length: SHARDS }, () => newShard(FIRST_CAPACITY));
  const found: Entry = { kind: 0, time: 0, high: 0, low: 0 };
  let size = 0;
  let bytes = shards.length * (FIRST_CAPACITY + TAIL) * WORDS * 4;

  function grow(index: number): Shard {
    const shard = shards[index]!;
    let larger = grown(shard, LOAD_AFTER_GROWTH);
    for (let load = LOAD_AFTER_GROWTH / 2; !larger; load /= 2) larger = grown(shard, load);
    bytes += larger.words.byteLength - shard.words.byteLength;
    shards[index] = larger;
    return larger;
  }

  return {
    found,
    get size() {
      return size;
    },
    get bytes() {
      return bytes;
    },

    find(word0, word1, word2) {
      const shard = shards[word0 >>> 24]!;
      const place = placeOf(shard, word0, word1, word2);
      if (!isAt(shard, place, word0, word1, word2)) return false;
      const { words } = shard;
      const fourth = words[place + 4]!;
      const last = words[place + 6]!;
      found.kind = last >>> 8;
      found.time = (fourth >>> 16) * 2 ** 32 + words[place + 3]!;
      found.high = words[place + 5]!;
      found.low = ((fourth & 0xffff) << 8) | (last & 0xff);
      return true;
    },

    set(word0, word1, word2, entry) {
      const index = word0 >>> 24;
      let shard = shards[index]!;
      let place = placeOf(shard, word0, word1, word2);
      if (isAt(shard, place, word0, word1, word2)) {
        written(shard.words, place, entry);
        return;
      }
      if (shard.count + 1 > shard.capacity * MAX_LOAD) {
        shard = grow(index);
        place = placeOf(shard, word0, word1, word2);
      }
      let gap = place;
      while (gap < shard.words.length && shard.words[gap + 6]! >>> 8 !== 0) gap += WORDS;
      while (gap >= shard.words.length) {
        shard = grow(index);
        place = placeOf(shard, word0, word1, word2);
        gap = place;
        while (gap < shard.words.length && shard.words[gap + 6]! >>> 8 !== 0) gap += WORDS;
      }
      const { words } = shard;
      words.copyWithin(place + WORDS, place, gap);
      words[place] = word0;
      words[place + 1] = word1;
      words[place + 2] = word2;
      written(words, place, entry);
      shard.count++;
      size++;
    },
  };
}
