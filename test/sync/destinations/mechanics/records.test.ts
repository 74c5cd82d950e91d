import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  csvFormat,
  ndjsonFormat,
  type RecordFormat,
  type Row,
} from '../../../../src/sync/destinations/mechanics/records.js';

const COLUMNS = ['type', 'contact', 'reason'];

async function readBack(format: RecordFormat, text: string | Readable): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of format.read(typeof text === 'string' ? Readable.from([Buffer.from(text)]) : text)) {
    rows.push(row);
  }
  return rows;
}

const oddPiece = fc.constantFrom(
  '"',
  '""',
  ',',
  ';',
  '\t',
  ' ',
  "'",
  '=',
  '-',
  '\n',
  '\r\n',
  '\u2028',
  'é',
  'a@b.example',
);
const cell = fc.oneof(
  fc.array(oddPiece, { maxLength: 5 }).map((pieces) => pieces.join('')),
  fc.string(),
);
const rows = fc.array(fc.record({ type: fc.constant('email'), contact: cell, reason: cell }), { maxLength: 5 });
const onOneLine = (row: Row): Row =>
  Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value.replace(/[\r\n\u2028\u2029]+/g, ' ')]));

describe('a suppression file as CSV', () => {
  for (const forPeople of [true, false]) {
    test(`what is written for ${forPeople ? 'people' : 'programs'} reads back, one row a line`, async () => {
      const format = csvFormat(COLUMNS, forPeople);
      await fc.assert(
        fc.asyncProperty(rows, async (written) => {
          const lines = written.map((row) => format.write(row));
          expect(lines.join('')).not.toMatch(/[\r\n\u2028\u2029]/);
          expect(await readBack(format, [format.head, ...lines, ''].join('\r\n'))).toEqual(written.map(onOneLine));
        }),
        { numRuns: 50 },
      );
    });
  }

  test('the bytes of a line are those that readers know', () => {
    const write = (contact: string, forPeople = false) =>
      csvFormat(COLUMNS, forPeople).write({ type: 'email', contact, reason: '' });
    expect(write('ana@example.com')).toBe('email,ana@example.com,');
    expect(write('"ana b"@example.com')).toBe('email,"""ana b""@example.com",');
    expect(['a,b', 'a;b', 'a\tb', ' a', 'a ', 'a\nb'].map((text) => write(text))).toEqual([
      'email,"a,b",',
      'email,"a;b",',
      'email,"a\tb",',
      'email," a",',
      'email,"a ",',
      'email,a b,',
    ]);
    expect([write('=a', true), write('\n=a', true), write('=a')]).toEqual(["email,'=a,", 'email," =a",', 'email,=a,']);
  });

  test('a line that somebody has shortened, emptied or left without a CR is read as far as it goes', async () => {
    const text = 'type,contact,reason\nemail,a@b.example\r\n\r\nemail,c"d@b.example,x,more\n';
    expect(await readBack(csvFormat(COLUMNS, false), text)).toEqual([
      { type: 'email', contact: 'a@b.example', reason: '' },
      { type: 'email', contact: 'c"d@b.example', reason: 'x' },
    ]);
  });
});

test('what is written as NDJSON reads back, one row a line', async () => {
  const format = ndjsonFormat(COLUMNS);
  await fc.assert(
    fc.asyncProperty(rows, async (written) => {
      const text = written.map((row) => `${format.write(row)}\n`).join('');
      expect(await readBack(format, text)).toEqual(
        written.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== ''))),
      );
    }),
    { numRuns: 50 },
  );
});

test.each([csvFormat(COLUMNS, true), ndjsonFormat(COLUMNS)])('a file that is gone is an error', async (format) => {
  await expect(readBack(format, createReadStream('no such file'))).rejects.toMatchObject({ code: 'ENOENT' });
});
