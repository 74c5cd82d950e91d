import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HushError } from '../../src/core/errors.js';
import { type CsvRow, columnsTold, lineEndOf, openCsv } from '../../src/suppression/csv-rows.js';

async function* inChunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(text: string | Buffer, sizes: readonly number[] = [7], column = 'email') {
  const csv = await openCsv(inChunks(Buffer.from(text), sizes), (names) => names.includes(column));
  const rows: CsvRow[] = [];
  for await (const group of csv.rows) rows.push(...group);
  return { ...csv, rows };
}

async function fault(text: string | Buffer): Promise<HushError> {
  try {
    await read(text);
  } catch (error) {
    if (error instanceof HushError) return error;
    throw error;
  }
  throw new Error('no fault');
}

describe('rows of a CSV file', () => {
  const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
  const cell = fc.oneof(
    fc.constantFrom('', 'ana@example.com', 'Ünï', '=1+1', ' x '),
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom('a,b;c\t|', 'two\nlines', 'two\r\nlines', 'say "hi"', '\r', '"', '\0'),
  );

  test('have the cells that were written and the bytes they came in, however the file was cut', () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(',', ';', '\t', '|'),
        fc.array(fc.tuple(cell, cell, fc.boolean(), fc.constantFrom('\r\n', '\n', '\r')), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        fc.boolean(),
        async (delimiter, lines, sizes, bom, ended) => {
          const needs = (text: string) => /[",;\t|\r\n]/.test(text);
          const written = lines.map(([a, b, quotes, end], index) => {
            const line = [a, b].map((text) => (quotes || needs(text) ? quoted(text) : text)).join(delimiter);
            return line + (index === lines.length - 1 && !ended ? '' : end);
          });
          const header = `${bom ? '\ufeff' : ''}email${delimiter}note\n`;
          const file = header + written.join('');
          const csv = await read(file, sizes);
          expect(csv.delimiter).toBe(delimiter);
          expect(csv.header.bytes.toString()).toBe(header);
          expect(csv.header.cells).toEqual(['email', 'note']);
          expect(csv.rows.map(({ bytes }) => bytes.toString())).toEqual(written);
          expect(csv.rows.map(({ cells }) => cells)).toEqual(lines.map(([a, b]) => [a, b]));
          expect(csv.rows.map(({ number }) => number)).toEqual(lines.map((_, index) => index + 2));
        },
      ),
      { numRuns: 300 },
    ));

  test('keep bytes that are no UTF-8', async () => {
    const file = Buffer.from('email,name\nana@example.com,Jos\xe9\n', 'latin1');
    const csv = await read(file);
    expect(csv.rows[0]?.bytes).toEqual(file.subarray(11));
    expect(csv.rows[0]?.cells[0]).toBe('ana@example.com');
  });

  test('that are blank are numbered but are none', async () => {
    const csv = await read('email,name\n\nana@example.com,Ana\n\r\n');
    expect(csv.rows.map(({ number, blank }) => [number, blank])).toEqual([
      [2, true],
      [3, false],
      [4, true],
    ]);
  });

  test('may be ragged', async () => {
    const csv = await read('email,name\nana@example.com\nbo@example.com,Bo,more\n');
    expect(csv.rows.map(({ cells }) => cells.length)).toEqual([1, 3]);
  });

  test('have the delimiter under which the column is there', async () => {
    expect((await read('email\nana@example.com')).delimiter).toBe(',');
    expect((await read('name,first;email;code\nx;y;z')).delimiter).toBe(';');
    expect((await read('"a;b",email,c\n')).delimiter).toBe(',');
  });
});

describe('what is no CSV says so, names the row and quotes no cell', () => {
  const long = `email,name\nana@example.com,"${'x'.repeat(300 * 1024)}`;
  test.each<[string, string | Buffer, string, RegExp]>([
    ['nothing', '', 'body', /empty/],
    ['UTF-16', Buffer.from('\ufeffemail,name\n', 'utf16le'), 'body', /UTF-16/],
    ['UTF-16, the other way round', Buffer.from('\ufeffemail,name\n', 'utf16le').swap16(), 'body', /UTF-16/],
    ['a quote that is never closed', 'email,name\nbo@example.com,Bo\nana@example.com,"Ana', 'row 3', /never closed/],
    ['a row without end', long, 'row 2', /longer than/],
    ['a quote in the middle', 'email,name\nana@example.com,6" nails\n', 'row 2', /without quotes/],
    ['more after a quote', 'email,name\nana@example.com,"Ana"x\n', 'row 2', /closing quote/],
    ['a header with a broken quote', 'email,"na"me\nx,y\n', 'row 1', /closing quote/],
    ['one line without end', 'x'.repeat(300 * 1024), 'row 1', /no end/],
  ])('%s', async (_name, file, field, says) => {
    const error = await fault(file);
    expect(error.message).toMatch(says);
    expect(error.detail.field).toBe(field);
    expect(error.detail.remedy ?? '').not.toBe('');
    expect(JSON.stringify([error.message, error.detail])).not.toMatch(/ana|@/i);
  });

  test('columns are named, a person in the first line is not', async () => {
    const header = async (line: string) => columnsTold((await read(line)).header);
    expect(await header('Mail;Name\n')).toBe('the file has: Mail, Name');
    expect(await header('ana@example.org,Ana\n')).toMatch(/no header/);
    expect(await header('+1 (920) 555-0188,Ana\n')).toMatch(/no header/);
  });
});

test('a line end is CRLF, LF, CR or none', () => {
  expect(['a\r\n', 'a\n', 'a\r', 'a'].map((row) => lineEndOf(Buffer.from(row)).toString())).toEqual([
    '\r\n',
    '\n',
    '\r',
    '',
  ]);
});
