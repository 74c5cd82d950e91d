import { expect, test } from '@jest/globals';
import { zipped } from '../../../src/rights/access/zip.js';
import { unzipped } from './unzip.js';

const AT = Date.UTC(2026, 10, 28, 23, 30, 10);

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function whole(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const read: Uint8Array[] = [];
  for await (const piece of bytes) read.push(piece);
  return Buffer.concat(read);
}

test('another program opens the archive, with names in any script and files that are empty', async () => {
  const archive = await whole(
    zipped(
      [
        { name: 'access.json', bytes: pieces('{"a":', '"ö"}') },
        { name: 'Zoë 数据.txt', bytes: pieces('x'.repeat(100_000)) },
        { name: 'empty.csv', bytes: pieces() },
      ],
      AT,
    ),
  );
  const files = [...unzipped(archive)].map(([name, bytes]) => [name, bytes.toString('utf8')]);
  expect(files).toEqual([
    ['access.json', '{"a":"ö"}'],
    ['Zoë 数据.txt', 'x'.repeat(100_000)],
    ['empty.csv', ''],
  ]);
});

test('its files bear the time in UTC, wherever the machine is', async () => {
  const zone = process.env.TZ;
  try {
    for (process.env.TZ of ['Asia/Kathmandu', 'UTC', 'America/Denver']) {
      const archive = await whole(zipped([{ name: 'a', bytes: pieces() }], AT));
      // APPNOTE.TXT 4.4.6: MS-DOS time, then date.
      expect([archive.readUInt16LE(10), archive.readUInt16LE(12)]).toEqual([
        (23 << 11) | (30 << 5) | 5,
        ((2026 - 1980) << 9) | (11 << 5) | 28,
      ]);
    }
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

test('a file that cannot be read is an error, never an archive that seems whole', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.from('as far as');
    throw new Error('the store is away');
  }
  await expect(whole(zipped([{ name: 'a', bytes: broken() }], AT))).rejects.toThrow('the store is away');
});

test('nothing is read ahead of who takes it', async () => {
  let read = 0;
  async function* counted(): AsyncGenerator<Buffer> {
    for (; read < 1000; read++) yield Buffer.alloc(1000);
  }
  const archive = zipped([{ name: 'a', bytes: counted() }], AT)[Symbol.asyncIterator]();
  for (let taken = 0; taken < 5; taken++) await archive.next();
  expect(read).toBeLessThan(10);
});
