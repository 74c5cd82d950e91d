/**
 * Keys of ordinary email addresses, four at a time: HMAC-SHA-256 under the lookup key with the state after the key's block
 * remembered. AssemblyScript; `npm run wasm` compiles it into `src/core/contact-keys-wasm.ts`.
 *
 * What is ordinary is less than what is an address: whatever is not is told to be so, and `normaliseContact` reads it.
 *
 * @see FIPS 180-4 §6.2.2 (SHA-256), RFC 2104 (HMAC)
 */
const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
const H0 = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** State of four hashes after the inner and the outer block of the key; the state that is worked on. */
const INNER = memory.data(128, 16);
const OUTER = memory.data(128, 16);
const STATE = memory.data(128, 16);
/** Words of four blocks, and what is made of them. */
const W = memory.data(1024, 16);
const BLOCKS = memory.data(256, 16);
const TARGETS = memory.data(16, 16);

export const MAX_ITEMS: u32 = 8192;
export const MAX_TEXT: u32 = 1 << 19;
export const text = heap.alloc(MAX_TEXT + 64);
/** Offset and length of each item in the text. */
export const spans = heap.alloc(MAX_ITEMS * 8);
export const keys = heap.alloc(MAX_ITEMS * 16);
export const groups = heap.alloc(MAX_ITEMS * 16);
export const kinds = heap.alloc(MAX_ITEMS);

function rotr(x: v128, n: i32): v128 {
  return v128.or(i32x4.shr_u(x, n), i32x4.shl(x, 32 - n));
}
function at(base: usize, i: i32): v128 {
  return v128.load(base + ((<usize>i) << 4));
}
function s0(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 7), rotr(x, 18)), i32x4.shr_u(x, 3));
}
function s1(x: v128): v128 {
  return v128.xor(v128.xor(rotr(x, 17), rotr(x, 19)), i32x4.shr_u(x, 10));
}

/** One block of each of four hashes: FIPS 180-4 §6.2.2. */
function compress(): void {
  for (let i = 16; i < 64; i++) {
    const w = i32x4.add(i32x4.add(s1(at(W, i - 2)), at(W, i - 7)), i32x4.add(s0(at(W, i - 15)), at(W, i - 16)));
    v128.store(W + ((<usize>i) << 4), w);
  }
  let a = at(STATE, 0);
  let b = at(STATE, 1);
  let c = at(STATE, 2);
  let d = at(STATE, 3);
  let e = at(STATE, 4);
  let f = at(STATE, 5);
  let g = at(STATE, 6);
  let h = at(STATE, 7);
  for (let i = 0; i < 64; i++) {
    const S1 = v128.xor(v128.xor(rotr(e, 6), rotr(e, 11)), rotr(e, 25));
    const ch = v128.bitselect(f, g, e);
    const k = v128.load32_splat(K + ((<usize>i) << 2));
    const t1 = i32x4.add(i32x4.add(i32x4.add(h, S1), i32x4.add(ch, k)), at(W, i));
    const S0 = v128.xor(v128.xor(rotr(a, 2), rotr(a, 13)), rotr(a, 22));
    const maj = v128.bitselect(c, b, v128.xor(a, b));
    const t2 = i32x4.add(S0, maj);
    h = g;
    g = f;
    f = e;
    e = i32x4.add(d, t1);
    d = c;
    c = b;
    b = a;
    a = i32x4.add(t1, t2);
  }
  v128.store(STATE, i32x4.add(a, at(STATE, 0)));
  v128.store(STATE + 16, i32x4.add(b, at(STATE, 1)));
  v128.store(STATE + 32, i32x4.add(c, at(STATE, 2)));
  v128.store(STATE + 48, i32x4.add(d, at(STATE, 3)));
  v128.store(STATE + 64, i32x4.add(e, at(STATE, 4)));
  v128.store(STATE + 80, i32x4.add(f, at(STATE, 5)));
  v128.store(STATE + 96, i32x4.add(g, at(STATE, 6)));
  v128.store(STATE + 112, i32x4.add(h, at(STATE, 7)));
}

function bigEndian(x: v128): v128 {
  return i8x16.shuffle(x, x, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12);
}

function keyState(pad: u32, target: usize): void {
  for (let i = 0; i < 8; i++) v128.store(STATE + (i << 4), i32x4.splat(load<u32>(H0 + (i << 2))));
  for (let i = 0; i < 16; i++) {
    v128.store(W + (i << 4), v128.xor(bigEndian(i32x4.splat(load<u32>(text + (i << 2)))), i32x4.splat(pad)));
  }
  compress();
  memory.copy(target, STATE, 128);
}

/** The key, 64 bytes (filled up with zeros) at the beginning of the text. */
export function setKey(): void {
  keyState(0x36363636, INNER);
  keyState(0x5c5c5c5c, OUTER);
}

let queued: i32 = 0;

/** HMAC of what is queued. */
function flush(): void {
  if (queued === 0) return;
  for (let i = 0; i < 16; i += 4) {
    // A transposition of four words of four blocks.
    const a = bigEndian(v128.load(BLOCKS + (i << 2)));
    const b = bigEndian(v128.load(BLOCKS + 64 + (i << 2)));
    const c = bigEndian(v128.load(BLOCKS + 128 + (i << 2)));
    const d = bigEndian(v128.load(BLOCKS + 192 + (i << 2)));
    const ab0 = i32x4.shuffle(a, b, 0, 4, 1, 5);
    const ab1 = i32x4.shuffle(a, b, 2, 6, 3, 7);
    const cd0 = i32x4.shuffle(c, d, 0, 4, 1, 5);
    const cd1 = i32x4.shuffle(c, d, 2, 6, 3, 7);
    const w = W + (i << 4);
    v128.store(w, i64x2.shuffle(ab0, cd0, 0, 2));
    v128.store(w + 16, i64x2.shuffle(ab0, cd0, 1, 3));
    v128.store(w + 32, i64x2.shuffle(ab1, cd1, 0, 2));
    v128.store(w + 48, i64x2.shuffle(ab1, cd1, 1, 3));
  }
  memory.copy(STATE, INNER, 128);
  compress();
  memory.copy(W, STATE, 128);
  v128.store(W + 128, i32x4.splat(0x80000000));
  memory.fill(W + 144, 0, 96);
  v128.store(W + 240, i32x4.splat(768));
  memory.copy(STATE, OUTER, 128);
  compress();
  for (let lane = 0; lane < queued; lane++) {
    const target = load<u32>(TARGETS + (lane << 2));
    for (let i = 0; i < 4; i++) store<u32>(target + (i << 2), load<u32>(STATE + (i << 4) + (lane << 2)));
  }
  queued = 0;
}

/** The block that is begun next. */
function block(): usize {
  return BLOCKS + (queued << 6);
}

function queue(length: i32, target: usize): void {
  const b = block();
  memory.fill(b + length, 0, 64 - length);
  store<u8>(b + length, 0x80);
  const bits = (64 + length) << 3;
  store<u8>(b + 62, <u8>(bits >> 8));
  store<u8>(b + 63, <u8>bits);
  store<u32>(TARGETS + (queued << 2), <u32>target);
  queued++;
  if (queued === 4) flush();
}

/** What a byte is: 1 letter, 2 digit, 3 . 4 - 5 _ or +, 6 @, 0 anything else. */
const CLASS = memory.data(256);
/** Once, before anything else. */
export function prepare(): void {
  for (let c = 0; c < 26; c++) {
    store<u8>(CLASS + 97 + c, 1);
    store<u8>(CLASS + 65 + c, 1);
  }
  for (let c = 48; c < 58; c++) store<u8>(CLASS + c, 2);
  store<u8>(CLASS + 46, 3);
  store<u8>(CLASS + 45, 4);
  store<u8>(CLASS + 95, 5);
  store<u8>(CLASS + 43, 5);
  store<u8>(CLASS + 64, 6);
}

const EMAIL = memory.data<u8>([101, 109, 97, 105, 108, 58]); // email:
// aliases:mailbox:
const MAILBOX = memory.data<u8>([97, 108, 105, 97, 115, 101, 115, 58, 109, 97, 105, 108, 98, 111, 120, 58]);
/** A message and its padding fill one block of 64 bytes. */
const MAX_MESSAGE = 55;

/** Domains whose mailboxes have several spellings. */
const MAX_DOMAINS = 64;
const DOMAIN_BYTES = 128;
const CANONICAL_AT = 64;
/** For each 128 bytes: length, what to do (1: dots mean nothing, 2: ask the rules), length of the canonical domain; domain at 4, canonical at 64. */
export const domains = heap.alloc(MAX_DOMAINS * DOMAIN_BYTES);
export const domainCount = memory.data(4);

function domainOf(from: usize, length: i32): usize {
  const count = load<i32>(domainCount);
  for (let i = 0; i < count; i++) {
    const entry = domains + i * DOMAIN_BYTES;
    if (load<u8>(entry) === length && memory.compare(entry + 4, from, length) === 0) return entry;
  }
  return 0;
}

/** The spelling of a mailbox without dots. */
function queueGroup(address: usize, before: i32, entry: usize, target: usize): u8 {
  const canonical = load<u8>(entry + 2);
  if (load<u8>(entry + 1) !== 1 || 17 + before + canonical > MAX_MESSAGE) return 3;
  const b = block();
  memory.copy(b, MAILBOX, 16);
  let to: i32 = 16;
  for (let i = 0; i < before; i++) {
    const byte = load<u8>(address + i);
    if (byte !== 46) store<u8>(b + to++, load<u8>(CLASS + byte) === 1 ? byte | 32 : byte);
  }
  store<u8>(b + to++, 64);
  memory.copy(b + to, entry + CANONICAL_AT, canonical);
  queue(to + canonical, target);
  return 2;
}

/**
 * 0: not ordinary. 1: its key is made. 2: its key and the id of its group are made. 3: its key is made, and it may be of a group.
 */
function item(from: usize, length: i32, key: usize, group: usize): u8 {
  if (length < 6 || length > MAX_MESSAGE - 6) return 0;
  const b = block();
  memory.copy(b, EMAIL, 6);
  const to = b + 6;
  let i: i32 = 0;
  let last: u8 = 3;
  for (; i < length; i++) {
    const byte = load<u8>(from + i);
    const kind = load<u8>(CLASS + byte);
    if (kind === 6) break;
    if (kind === 0 || (kind === 3 && last === 3) || (i === 0 && kind > 2)) return 0;
    store<u8>(to + i, kind === 1 ? byte | 32 : byte);
    last = kind;
  }
  if (i === length || last === 3) return 0;
  store<u8>(to + i, 64);
  const before = i;
  const domain = ++i;
  let label = i;
  let letters = true;
  last = 3;
  for (; i < length; i++) {
    const byte = load<u8>(from + i);
    const kind = load<u8>(CLASS + byte);
    if (kind === 0 || kind > 4 || (kind > 2 && last > 2)) return 0;
    store<u8>(to + i, kind === 1 ? byte | 32 : byte);
    if (kind === 3) {
      label = i + 1;
      letters = true;
    } else if (kind !== 1) letters = false;
    last = kind;
  }
  if (last > 2 || !letters || label === domain || i - label < 2) return 0;
  const entry = domainOf(to + domain, length - domain);
  queue(6 + length, key);
  return entry === 0 ? 1 : queueGroup(from, before, entry, group);
}

/** Makes the keys of so many items. */
export function makeKeys(count: i32): void {
  for (let i = 0; i < count; i++) {
    const span = spans + (i << 3);
    const places = (<usize>i) << 4;
    store<u8>(kinds + i, item(text + load<u32>(span), load<u32>(span + 4), keys + places, groups + places));
  }
  flush();
}
