import { createHash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createKeyTable, type Entry } from '../../src/core/key-table.js';

type Key = readonly [number, number, number];
const word = fc.integer({ min: 0, max: 0xffffffff });
/** Keys of one shard that crowd, and any others. */
const key: fc.Arbitrary<Key> = fc.oneof(
  fc.tuple(
    fc.constantFrom(0x01000000, 0x01000001, 0x01fffffe, 0x01ffffff),
    fc.integer({ min: 0, max: 40 }),
    fc.integer({ min: 0, max: 3 }),
  ),
  fc.tuple(word, word, word),
);
const entry = fc.record({
  kind: fc.integer({ min: 1, max: 0xffffff }),
  time: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
  high: word,
  low: fc.integer({ min: 0, max: 0xffffff }),
});

test('the table has what was last put there, and nothing else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(key, entry), { maxLength: 400 }),
      fc.array(key, { maxLength: 40 }),
      (sets, others) => {
        const table = createKeyTable();
        const model = new Map<string, Entry>();
        for (const [at, put] of sets) {
          table.set(...at, put);
          model.set(String(at), put);
        }
        expect(table.size).toBe(model.size);
        for (const at of [...sets.map(([one]) => one), ...others] as Key[]) {
          const known = model.get(String(at));
          expect(table.find(...at)).toBe(known !== undefined);
          if (known) expect(table.found).toEqual(known);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('a hundred thousand hashes take at most 32 bytes each, as they come and in order', () => {
  const hashes = Array.from({ length: 100_000 }, (_, n) => {
    const bytes = createHash('sha256').update(String(n)).digest();
    return [bytes.readUInt32BE(0), bytes.readUInt32BE(4), bytes.readUInt32BE(8)] as const;
  });
  for (const list of [hashes, [...hashes].sort((a, b) => a[0] - b[0])]) {
    const table = createKeyTable();
    list.forEach((at, n) => {
      table.set(...at, { kind: 1 + (n % 5), time: 1_700_000_000_000 + n, high: n, low: n & 0xffffff });
    });
    expect(table.size).toBe(hashes.length);
    const empty = createKeyTable().bytes;
    expect((table.bytes - empty) / hashes.length).toBeLessThan(32.5);
    list.forEach((at, n) => {
      if (!table.find(...at) || table.found.high !== n) throw new Error(`lost ${n}`);
    });
  }
});
