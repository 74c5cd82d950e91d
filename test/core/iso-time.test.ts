import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { writeIso } from '../../src/core/iso-time.js';

test('a time is written as Date writes it, and nothing else is touched', () => {
  const time = fc.oneof(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: -8.64e15, max: 8.64e15 }));
  fc.assert(
    fc.property(time, (ms) => {
      const bytes = Buffer.alloc(40, 33);
      const end = writeIso(bytes, 3, ms);
      expect(bytes.toString()).toBe(`!!!${new Date(ms).toISOString()}${'!'.repeat(40 - end)}`);
    }),
    { numRuns: 2000 },
  );
});
