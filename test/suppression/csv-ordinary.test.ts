import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BLANK_ROW, NO_CELL, READ_ELSEWHERE } from '../../src/suppression/csv-ordinary.js';
import { type CsvBlock, openCsv } from '../../src/suppression/csv-rows.js';

async function* cut(bytes: Buffer, sizes: readonly number[]) {
  let from = 0;
  for (let n = 0; from < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 7;
    yield bytes.subarray(from, from + size);
    from += size;
  }
}

const PLACE = 1;
const open = (bytes: Buffer, sizes: readonly number[]) => openCsv(cut(bytes, sizes), () => [PLACE]);

interface Row {
  readonly bytes: string;
  readonly cell: string | undefined;
  readonly width: number;
  readonly blank: boolean;
  readonly broken: boolean;
  /** That of the contact is not more than the file has columns for. */
  readonly isWhole: boolean;
}

/** Rows, or what is wrong with the file. */
async function collect<T>(pieces: AsyncIterable<T>, rowsOf: (piece: T) => Row[]): Promise<(Row | string)[]> {
  const rows: (Row | string)[] = [];
  try {
    for await (const piece of pieces) rows.push(...rowsOf(piece));
  } catch (error) {
    rows.push(String(error));
  }
  return rows;
}

let ordinary = 0;
let elsewhere = 0;

function rowsIn({ bytes, spans, others }: CsvBlock, columns: number): Row[] {
  let from = 0;
  return Array.from({ length: spans.count }, (_, row) => {
    const [start, end] = [from, spans.ends[row] ?? 0];
    from = end;
    const cellFrom = spans.cellFrom[row] ?? 0;
    if (cellFrom === READ_ELSEWHERE) {
      elsewhere++;
      const other = others.get(row);
      if (!other) throw new Error('a row is nowhere');
      return rowFrom(other, columns);
    }
    ordinary++;
    const isMissing = cellFrom === NO_CELL || cellFrom === BLANK_ROW;
    return {
      bytes: bytes.subarray(start, end).toString('latin1'),
      cell: isMissing ? undefined : bytes.subarray(cellFrom, spans.cellTo[row]).toString(),
      width: spans.widths[row] ?? 0,
      blank: cellFrom === BLANK_ROW,
      broken: false,
      isWhole: true,
    };
  });
}

const rowFrom = (
  { bytes, cells, blank, broken }: { bytes: Buffer; cells: readonly string[]; blank: boolean; broken: boolean },
  columns: number,
): Row => ({
  bytes: bytes.toString('latin1'),
  cell: cells[PLACE],
  width: cells.length,
  blank,
  broken,
  isWhole: cells.slice(columns).every((cell) => cell.trim() === ''),
});

const cell = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('a@example.com', 'b', '', ' c ', '12', 'é@x.de', 'x'.repeat(90)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '"Doe, Jane"',
      '"a@example.com"',
      '""',
      '"say ""hi"" to"',
      '"a\nb"',
      '"c@x.de\r\n1,d@x.de,2"',
    ),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', ' ', 'ü', '\u0000'), maxLength: 6 }),
  },
);
const line = fc.tuple(
  fc.oneof(
    { weight: 6, arbitrary: fc.array(cell, { minLength: 3, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(cell, { maxLength: 5 }) },
  ),
  fc.constantFrom('\n', '\n', '\n', '\r\n', '\r\n', '\r'),
);
const file = fc
  .tuple(fc.constantFrom(',', ';', '\t'), fc.array(line, { maxLength: 40 }), fc.boolean())
  .map(([delimiter, lines, hasLastEnd]) => {
    const text = lines.map(([cells, end]) => cells.join(delimiter) + end).join('');
    return Buffer.from(`n${delimiter}email${delimiter}name\n${hasLastEnd ? text : text.replace(/[\r\n]+$/, '')}`);
  });
const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 40, max: 4000 })), {
  minLength: 1,
  maxLength: 4,
});

test('a file has the same rows for both readers, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(file, sizes, sizes, async (bytes, first, second) => {
      const [csv, blocks] = [await open(bytes, first), await open(bytes, second)];
      const columns = csv.header.cells.length;
      const rows = await collect(csv.rows, (group) => group.map((row) => rowFrom(row, columns)));
      const same = await collect(blocks.blocks, (block) => rowsIn(block, columns));
      // A blank row has one cell or none, which says nothing.
      const told = (row: Row | string) => (typeof row !== 'string' && row.blank ? row.bytes : row);
      expect(same.map(told)).toEqual(rows.map(told));
    }),
    { numRuns: 3000 },
  );
  expect(ordinary).toBeGreaterThan(5000);
  expect(elsewhere).toBeGreaterThan(1000);
});

test.each([
  ['longer than it may be', `1,${'a'.repeat(300_000)},x\n`],
  ['never closed', `1,a@example.com,"${'b'.repeat(300_000)}\n2,c@example.com,x\n`],
  ['long, and not too long', `1,a@example.com,${'b'.repeat(200_000)}\n2,c@example.com,x\n`],
  ['long and in quotes', `1,a@example.com,"${'b\n'.repeat(60_000)}"\n2,c@example.com,x\n`],
])('a row that is %s is the same for both', async (_name, text) => {
  const bytes = Buffer.from(`n,email,name\n0,z@example.com,y\n${text}`);
  const [csv, blocks] = [await open(bytes, [65_536]), await open(bytes, [65_536])];
  const rows = await collect(csv.rows, (group) => group.map((row) => rowFrom(row, 3)));
  expect(rows.length).toBeGreaterThan(1);
  expect(await collect(blocks.blocks, (block) => rowsIn(block, 3))).toEqual(rows);
});

test('ordinary rows are read without csv-parse, also between odd ones', async () => {
  const rows = Array.from(
    { length: 20_000 },
    (_, n) => `${n},p${n}@example.com,${n % 10 === 0 ? '5" nails' : '"Doe, ""J"""'}\n`,
  );
  const csv = await open(Buffer.from(`n,email,name\n${rows.join('')}`), [65_536]);
  [ordinary, elsewhere] = [0, 0];
  const found = await collect(csv.blocks, (block) => rowsIn(block, 3));
  expect(found).toHaveLength(20_000);
  expect(ordinary).toBeGreaterThan(1000);
});
