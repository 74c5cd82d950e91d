import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { plainFont } from '../../../src/rights/letters/woff.js';

const { resolve } = createRequire(import.meta.url);
const read = (file: string) => readFileSync(resolve(file));

interface Table {
  readonly tag: string;
  readonly checksum: number;
  readonly bytes: Buffer;
}

/** The tables of a TrueType font, by its own list (OpenType specification, "Organization of an OpenType Font"). */
function tablesOf(font: Buffer): Table[] {
  return Array.from({ length: font.readUInt16BE(4) }, (_, n) => {
    const row = 12 + n * 16;
    const offset = font.readUInt32BE(row + 8);
    return {
      tag: font.toString('latin1', row, row + 4),
      checksum: font.readUInt32BE(row + 4),
      bytes: font.subarray(offset, offset + font.readUInt32BE(row + 12)),
    };
  });
}

function checksumOf(bytes: Buffer): number {
  const whole = Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
  let sum = 0;
  for (let at = 0; at < whole.length; at += 4) sum = (sum + whole.readUInt32BE(at)) >>> 0;
  return sum;
}

describe.each([
  '@fontsource/noto-sans-hebrew/files/noto-sans-hebrew-hebrew-400-normal.woff',
  '@fontsource/noto-sans-arabic/files/noto-sans-arabic-arabic-700-normal.woff',
  '@fontsource/unifontex/files/unifontex-latin-400-normal.woff',
])('the font inside %s', (file) => {
  const woff = read(file);
  const font = plainFont(woff);

  test('is as long as the file says, and begins as a TrueType font', () => {
    expect(font.length).toBe(woff.readUInt32BE(16));
    expect(font.readUInt32BE(0)).toBe(0x00010000);
    const count = font.readUInt16BE(4);
    const power = 2 ** Math.floor(Math.log2(count));
    expect([6, 8, 10].map((at) => font.readUInt16BE(at))).toEqual([power * 16, Math.log2(power), (count - power) * 16]);
  });

  test('has tables whose bytes match their checksums', () => {
    const tables = tablesOf(font);
    expect(tables.map(({ tag }) => tag)).toEqual(expect.arrayContaining(['cmap', 'glyf', 'head', 'loca', 'name']));
    // The checksum of `head` is taken with a zero in the place of the checksum of the whole font.
    for (const { tag, bytes } of tables) if (tag === 'head') bytes.writeUInt32BE(0, 8);
    expect(tables.map(({ tag, bytes }) => [tag, checksumOf(bytes)])).toEqual(
      tables.map(({ tag, checksum }) => [tag, checksum]),
    );
  });
});

test('a font that is no WOFF file stays as it is', () => {
  const font = read('@expo-google-fonts/noto-sans/400Regular/NotoSans_400Regular.ttf');
  expect(plainFont(font)).toBe(font);
});
