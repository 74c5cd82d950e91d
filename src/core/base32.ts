const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The value of each letter by its character code, in either case, with the look-alikes o, i and l; -1 for others. */
const VALUES = new Int8Array(128).fill(-1);
for (const [value, letter] of [...ALPHABET].entries()) {
  for (const form of [letter, letter.toLowerCase()]) VALUES[form.charCodeAt(0)] = value;
}
for (const [alike, letter] of ['O0', 'o0', 'I1', 'i1', 'L1', 'l1']) {
  VALUES[alike?.charCodeAt(0) ?? 0] = ALPHABET.indexOf(letter ?? '');
}

/**
 * Crockford base32, upper case, no padding. Chosen because it survives being read out by phone and being lower-cased by
 * a mail program. @see https://www.crockford.com/base32.html
 */
export function encodeBase32(bytes: Uint8Array): string {
  let out = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out += ALPHABET[(buffer >>> bits) & 31];
      buffer &= (1 << bits) - 1;
    }
  }
  if (bits > 0) out += ALPHABET[(buffer << (5 - bits)) & 31];
  return out;
}

/**
 * Decodes any letter case and the look-alikes o, i and l. Returns undefined for anything else, and for texts whose
 * spare bits are not zero, so that one value has one text (per case and look-alike).
 */
export function decodeBase32(text: string, length: number): Uint8Array | undefined {
  if (text.length !== Math.ceil((length * 8) / 5)) return undefined;
  const out = new Uint8Array(length);
  let buffer = 0;
  let bits = 0;
  let at = 0;
  for (let index = 0; index < text.length; index++) {
    const value = VALUES[text.charCodeAt(index)] ?? -1;
    if (value < 0) return undefined;
    buffer = (buffer << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      if (at < length) out[at++] = (buffer >>> bits) & 255;
      buffer &= (1 << bits) - 1;
    }
  }
  return at === length && buffer === 0 ? out : undefined;
}
