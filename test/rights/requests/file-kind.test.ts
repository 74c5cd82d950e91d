import { expect, test } from '@jest/globals';
import { createTypeReader, safeFileName } from '../../../src/rights/requests/file-kind.js';

/** An ISO base media file of a brand, as phones write them: ISO/IEC 23008-12 §10. */
const ftyp = (brand: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, 0, 0, 24]),
    Buffer.from(`ftyp${brand}\0\0\0\0mif1heic`, 'latin1'),
    Buffer.alloc(5000, 7),
  ]);
const bytes = (...parts: (string | number[] | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))));
const JPEG = [0xff, 0xd8, 0xff, 0xe1, 0, 16];
const PNG = [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10];

async function typeOf(content: Buffer, piece = 1000): Promise<string | undefined> {
  const reader = createTypeReader();
  for (let at = 0; at < content.length; at += piece) reader.take(content.subarray(at, at + piece));
  return reader.whole();
}

test.each([
  ['a photo of an iPhone', ftyp('heic'), 'image/heic'],
  ['one of the general kind', ftyp('mif1'), 'image/heif'],
  ['a series of photos', ftyp('hevc'), 'image/heic'],
  ['a JPEG', bytes(JPEG, Buffer.alloc(9000, 1), [0xff, 0xd9]), 'image/jpeg'],
  // A motion photo: the picture, then a film of several megabytes.
  ['a JPEG with a film behind it', bytes(JPEG, Buffer.alloc(90_000, 1), [0xff, 0xd9], ftyp('mp42')), 'image/jpeg'],
  ['a PDF', bytes('%PDF-1.7\n', Buffer.alloc(9000, 65), '\n%%EOF\n'), 'application/pdf'],
  ['a WebP', bytes('RIFF', [0, 1, 0, 0], 'WEBPVP8 ', Buffer.alloc(300, 1)), 'image/webp'],
  ['a text', Buffer.from('Mi reclamación: ñandú 王\n'.repeat(900)), 'text/plain'],
  ['a text that begins like a bitmap', Buffer.from('BMW of my mother, claim 77'), 'text/plain'],
  ['a text cut within a letter at every piece', Buffer.from('王'.repeat(2000)), 'text/plain'],
])('%s is taken for what it is', async (_name, content, type) => {
  expect(await typeOf(content)).toBe(type);
  expect(await typeOf(content, 100_000)).toBe(type);
});

test.each([
  ['half a PDF', bytes('%PDF-1.7\n', Buffer.alloc(9000, 65))],
  ['half a PNG', bytes(PNG, Buffer.alloc(900, 1))],
  ['a film', ftyp('mp42')],
  ['an archive', bytes([0x50, 0x4b, 3, 4, 20, 0, 0, 0], Buffer.alloc(400))],
  ['a page', Buffer.from(`${'x'.repeat(995)}<script>alert(1)</script>`)],
  ['a page behind ten thousand letters', Buffer.from(`${'x'.repeat(9_993)}< html>`)],
  ['a text with a control character', Buffer.from('a\u0000b')],
  ['a text that ends within a letter', Buffer.from('abc王').subarray(0, 5)],
  ['nothing', Buffer.alloc(0)],
])('%s is not taken', async (_name, content) => {
  expect(await typeOf(content)).toBeUndefined();
  expect(await typeOf(content, 100_000)).toBeUndefined();
});

test('a name keeps what is safe of it, with the ending of what the file is', () => {
  expect(safeFileName('IMG_0042.HEIC', 'image/heic')).toBe('IMG_0042.heic');
  expect(safeFileName('../../"evil\r\nSet-Cookie: a=b".html', 'application/pdf')).toMatch(/^[A-Za-z0-9 _-]+\.pdf$/);
});
