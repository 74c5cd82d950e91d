import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { file } from '../../../src/sync/destinations/file.js';
import { batch, bind, build, conformance, entry, faultOf, never, ODD, strictSettings } from './conformance.js';

const binding = bind({});
const rows = z.array(z.record(z.string(), z.string()));
const csv = (text: string) => rows.parse(parse(text, { columns: true }));
const folders: string[] = [];
const folder = async () => {
  const made = await mkdtemp(join(tmpdir(), 'hush-file-'));
  folders.push(made);
  return made;
};
afterEach(async () => {
  for (const made of folders.splice(0)) await rm(made, { recursive: true, force: true });
});

for (const readers of ['programs', 'people']) {
  for (const format of ['csv', 'ndjson']) {
    conformance(`File, ${format} for ${readers}`, {
      secrets: [],
      async make() {
        const dataDir = await folder();
        const destination = build(file, { folder: 'out', format, readers, fullEverySeconds: 0 }, [binding], {
          dataDir,
        });
        return {
          destination,
          binding,
          async suppressed() {
            const names = await readdir(join(dataDir, 'out')).catch(() => []);
            const full = names.find((name) => name === `offers.full.${format}`);
            if (!full) return [];
            const text = await readFile(join(dataDir, 'out', full), 'utf8');
            const lines = text.trim().split('\n');
            const found =
              format === 'csv'
                ? csv(text)
                : lines.filter(Boolean).map((line) => z.record(z.string(), z.string()).parse(JSON.parse(line)));
            return found.map((row) => {
              const cell = row.contact ?? '';
              // As a spreadsheet shows it: the apostrophe in front only says "text".
              return (format === 'csv' && readers === 'people' ? cell.replace(/^'/, '') : cell).toLowerCase();
            });
          },
          close: async () => destination.close?.(),
        };
      },
    });
  }
}

describe('File', () => {
  strictSettings(file, { folder: 'x' }, { file: 'a' });

  const make = async (settings: Record<string, unknown> = {}, dataDir?: string) => {
    const dir = dataDir ?? (await folder());
    const destination = build(file, { folder: '.', fullEverySeconds: 0, ...settings }, [binding], { dataDir: dir });
    return { dir, destination, read: (name: string) => readFile(join(dir, name), 'utf8'), names: () => readdir(dir) };
  };

  test('each batch leaves a delta with the next number, in order', async () => {
    const { destination, read } = await make();
    await destination.send(binding, 'suppress', [entry('a@example.com'), entry('b@example.com')], never());
    await destination.send(binding, 'lift', [entry('a@example.com')], never());
    expect(csv(await read('offers.delta.00000001.csv')).map((row) => [row.action, row.contact])).toEqual([
      ['suppress', 'a@example.com'],
      ['suppress', 'b@example.com'],
    ]);
    expect(csv(await read('offers.delta.00000002.csv')).map((row) => [row.action, row.contact])).toEqual([
      ['lift', 'a@example.com'],
    ]);
    expect(csv(await read('offers.full.csv'))).toMatchObject([
      {
        type: 'email',
        contact: 'b@example.com',
        reason: 'opted_out',
        since: '2026-03-03T00:00:00.000Z',
        receipt: 'r_ABCD-EFGH',
      },
    ]);
  });

  test('after a crash between delta and full file, the next start has both', async () => {
    const { dir, destination, read } = await make();
    await destination.send(binding, 'suppress', batch(3), never());
    const before = await readdir(dir);
    // The delta is there, the full file was not built any more, and a half-written file lies about.
    await writeFile(
      join(dir, 'offers.delta.00000002.csv'),
      'action,type,contact,reason,since,receipt\r\nlift,email,person1@example.com,x,,\r\n',
    );
    await writeFile(join(dir, '.offers.0123456789ab.tmp'), 'action,type,cont');
    const again = await make({}, dir);
    await again.destination.send(binding, 'suppress', [entry('new@example.com')], never());
    expect(before).toContain('offers.full.00000001.csv');
    expect(await again.names()).toContain('offers.delta.00000003.csv');
    expect(
      csv(await read('offers.full.csv'))
        .map((row) => row.contact)
        .sort(),
    ).toEqual(['new@example.com', 'person0@example.com', 'person2@example.com']);
  });

  test('after a crash between writing the full file and cleaning up, the older one changes nothing', async () => {
    const { dir, destination, read } = await make();
    await destination.send(binding, 'suppress', batch(2), never());
    const old = await read('offers.full.00000001.csv');
    await destination.send(binding, 'lift', batch(1), never());
    await writeFile(join(dir, 'offers.full.00000001.csv'), old);
    await rm(join(dir, 'offers.full.csv'));
    const again = await make({}, dir);
    await again.destination.close?.();
    await again.destination.send(binding, 'lift', [entry('nobody@example.com')], never());
    expect(csv(await read('offers.full.csv')).map((row) => row.contact)).toEqual(['person1@example.com']);
  });

  test('numbers go on when the reader has taken the deltas away', async () => {
    const { dir, destination, names, read } = await make();
    await destination.send(binding, 'suppress', batch(2), never());
    await rm(join(dir, 'offers.delta.00000001.csv'));
    await destination.send(binding, 'suppress', [entry('later@example.com')], never());
    expect(await names()).toContain('offers.delta.00000002.csv');
    expect(csv(await read('offers.full.csv'))).toHaveLength(3);
  });

  test('two processes that write at once lose no batch', async () => {
    const first = await make();
    const second = await make({}, first.dir);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? first : second).destination.send(binding, 'suppress', batch(5, i * 5), never()),
      ),
    );
    await first.destination.close?.();
    await second.destination.close?.();
    const names = await first.names();
    expect(names.filter((name) => name.includes('.delta.'))).toHaveLength(20);
    expect(csv(await first.read('offers.full.csv'))).toHaveLength(100);
    expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('the full file may lag behind the deltas, and is whole when the destination closes', async () => {
    const { destination, read } = await make({ fullEverySeconds: 3600 });
    await destination.send(binding, 'suppress', batch(1), never());
    await destination.send(binding, 'suppress', batch(1, 1), never());
    expect(csv(await read('offers.full.csv'))).toHaveLength(1);
    await destination.close?.();
    expect(csv(await read('offers.full.csv'))).toHaveLength(2);
  });

  test('hashes are of the lower-cased address, and nothing readable leaves', async () => {
    for (const hash of ['sha256', 'md5'] as const) {
      const { destination, read } = await make({ hash });
      await destination.send(binding, 'suppress', [entry(' Ana.Muster@Example.COM ')], never());
      const [row] = csv(await read('offers.full.csv'));
      expect(row?.[hash]).toBe(createHash(hash).update('ana.muster@example.com').digest('hex'));
      expect((await read('offers.full.csv')) + (await read('offers.delta.00000001.csv'))).not.toMatch(/ana/i);
      expect(destination.form).toBe('hashed');
      expect(destination.readBack).toBeUndefined();
      await destination.send(binding, 'lift', [entry('ANA.MUSTER@example.com')], never());
      expect(csv(await read('offers.full.csv'))).toEqual([]);
    }
  });

  test('formulas are neutralised for people only', async () => {
    const cells = ['=cmd|x@example.com', '+1@example.com', '-a@example.com', "'=q@example.com", 'plain@example.com'];
    const people = await make({ readers: 'people' });
    await people.destination.send(binding, 'suppress', cells.map(entry), never());
    expect(csv(await people.read('offers.full.csv')).map((row) => row.contact)).toEqual([
      "'=cmd|x@example.com",
      "'+1@example.com",
      "'-a@example.com",
      "''=q@example.com",
      'plain@example.com',
    ]);
    const programs = await make();
    await programs.destination.send(binding, 'suppress', cells.map(entry), never());
    expect(csv(await programs.read('offers.full.csv')).map((row) => row.contact)).toEqual(cells);
  });

  test('read-back goes through more than one page', async () => {
    const { destination } = await make();
    await destination.send(binding, 'suppress', batch(10_000), never());
    await destination.send(binding, 'suppress', batch(5, 10_000), never());
    const first = await destination.readBack?.(binding, undefined, never());
    const second = await destination.readBack?.(binding, first?.next, never());
    expect([first?.entries.length, second?.entries.length, second?.next]).toEqual([10_000, 5, undefined]);
  });

  test('a folder that cannot be written stops the destination, without its path in the error', async () => {
    const dir = await folder();
    await writeFile(join(dir, 'occupied'), '');
    const { destination } = await make({ folder: 'occupied/inside' }, dir);
    const error = await faultOf(destination.send(binding, 'suppress', batch(1), never()));
    expect(error).toMatchObject({ fault: 'credentials' });
    expect(error.message).not.toContain(dir);
  });

  test('names of lists cannot leave the folder', () => {
    for (const name of ['../up', 'a/b', '.hidden', 'a.b', ''])
      expect(file.target.safeParse({ file: name }).success).toBe(false);
  });

  test('every odd address survives being written and read', async () => {
    const { destination } = await make({ readers: 'people' });
    await destination.send(binding, 'suppress', ODD.map(entry), never());
    const page = await destination.readBack?.(binding, undefined, never());
    expect(page?.entries.map((one) => one.address).sort()).toEqual([...ODD].sort());
  });
});
