import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HushError } from '../../src/core/errors.js';
import { columnsNamed } from '../../src/suppression/contact-column.js';
import { type CsvRow, columnNames, lineEndOf, openCsv } from '../../src/suppression/csv-rows.js';

async function* inChunks(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (let n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(text: string | Buffer, sizes: readonly number[] = [7], column = 'email') {
  const csv = await openCsv(inChunks(Buffer.from(text), sizes), (names) => columnsNamed(names, column));
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

describe('a wrong quote costs its own line', () => {
  test.each<[string, string, string[]]>([
    ['in the middle of a cell', 'a@example.com,5" pipe', ['a@example.com', '5" pipe']],
    ['that is never closed', 'a@example.com,"Ana', ['a@example.com', '"Ana']],
    ['with more behind it', 'a@example.com,"Ana"x', ['a@example.com', '"Ana"x']],
    ['doubled', '"a@example.com",""Ana""', ['a@example.com', '""Ana""']],
    ['beside cells that are quoted well', '"a@example.com","Ann, A." x', ['a@example.com', '"Ann, A." x']],
  ])('%s', async (_name, wrong, cells) => {
    for (const end of ['\n', '\r\n', '\r'])
      for (const sizes of [[1], [5], [1000]]) {
        const csv = await read(
          ['email,note', wrong, 'b@example.com,x', '"c@example.com","two\nlines"', ''].join(end),
          sizes,
        );
        expect(csv.rows.map((row) => row.cells)).toEqual([
          cells,
          ['b@example.com', 'x'],
          ['c@example.com', 'two\nlines'],
        ]);
        expect(csv.rows.map(({ bytes }) => bytes.toString()).join('')).toBe(
          [wrong, 'b@example.com,x', '"c@example.com","two\nlines"', ''].join(end),
        );
        expect(csv.rows.map(({ number, broken }) => [number, broken])).toEqual([2, 3, 4].map((one) => [one, false]));
      }
  });

  test('that hides where cells end makes a row without cells', async () => {
    const csv = await read('email,note\n"Ann, a@example.com,x\nb@example.com,x\n');
    expect(csv.rows.map(({ cells, broken }) => [cells.length, broken])).toEqual([
      [0, true],
      [2, false],
    ]);
  });

  test('and is not taken for the end of another that swallows rows between them', async () => {
    for (const file of [
      'email,note\na@example.com,"5 pipe\nb@example.com,x\nc@example.com,6"\nd@example.com,x\n',
      'note,email\n"5 pipe,a@example.com\nx,b@example.com\n6",c@example.com\nx,d@example.com\n',
      'email\n"a@example.com\nb@example.com\nc@example.com"\nd@example.com\n',
    ]) {
      const csv = await read(file);
      expect(csv.rows).toHaveLength(4);
      const place = csv.header.cells.indexOf('email');
      expect(csv.rows.slice(1).map(({ cells }) => cells[place]?.replace(/"$/, ''))).toEqual([
        'b@example.com',
        'c@example.com',
        'd@example.com',
      ]);
    }
  });

  test('on every line costs no more than a line each', async () => {
    const lines = Array.from({ length: 3000 }, (_, n) => `user${n}@example.com,"\n`);
    const csv = await read(`email,note\n${lines.join('')}`, [64 * 1024]);
    expect(csv.rows.map(({ bytes }) => bytes.toString())).toEqual(lines);
  });

  test('a text of several lines stays one cell, with an address in it too', async () => {
    const csv = await read('email,note\na@example.com,"write to\nb@example.com\nTel:+19205550100"\nc@example.com,x\n');
    expect(csv.rows.map(({ cells }) => cells[0])).toEqual(['a@example.com', 'c@example.com']);
  });
});

describe('a first line sep=', () => {
  test.each(['sep=;\n', '\ufeffsep=;\r\n', '"sep=;"\n', 'SEP=;\n'])(
    '%j says the delimiter and is kept',
    async (line) => {
      for (const sizes of [[1], [4], [1000]]) {
        const csv = await read(`${line}email;n\na@example.com;1,2\n`, sizes);
        expect([csv.preamble.toString(), csv.delimiter]).toEqual([line, ';']);
        expect(csv.header.cells).toEqual(['email', 'n']);
        expect(csv.rows.map(({ cells, number }) => [cells, number])).toEqual([[['a@example.com', '1,2'], 2]]);
      }
    },
  );
  test('may name a delimiter that is none of the usual', async () => {
    const csv = await read('sep=^\nemail^n\na@example.com^1\n');
    expect(csv.rows.map(({ cells }) => cells)).toEqual([['a@example.com', '1']]);
  });
});

describe('what is no CSV says so, names the row and quotes no cell', () => {
  const long = `email,name\nana@example.com,"${'x'.repeat(300 * 1024)}`;
  test.each<[string, string | Buffer, string, RegExp]>([
    ['nothing', '', 'body', /empty/],
    ['UTF-16', Buffer.from('\ufeffemail,name\n', 'utf16le'), 'body', /UTF-16/],
    ['UTF-16, the other way round', Buffer.from('\ufeffemail,name\n', 'utf16le').swap16(), 'body', /UTF-16/],
    ['a row without end', long, 'row 2', /longer than/],
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
    const header = async (line: string) => columnNames((await read(line)).header);
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
