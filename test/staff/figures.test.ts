import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SMALLEST, suppressSmallCounts } from '../../src/staff/small-counts.js';
import { bucketOf, edgeOf, quantilesOf } from '../../src/staff/time-to-suppress.js';

const counts = fc.dictionary(fc.constantFrom('api', 'link', 'form', 'phone', 'sms', 'mailto'), fc.nat(40));

describe('groups under ten', () => {
  test('are never shown, nor is a difference that gives one away', () => {
    fc.assert(
      fc.property(counts, (given) => {
        const { groups, total, hidden } = suppressSmallCounts(given);
        expect(Object.values(groups).every((count) => count >= SMALLEST)).toBe(true);
        expect(total).toBe(Object.values(groups).reduce((sum, count) => sum + count, 0));
        const left = Object.values(given).reduce((sum, count) => sum + count, 0) - total;
        expect(hidden).toBe(left > 0);
        expect(left).toBeLessThan(SMALLEST);
      }),
    );
  });

  test('together are shown as others where that is ten', () => {
    expect(suppressSmallCounts({ link: 20, form: 6, sms: 5 })).toEqual({
      groups: { link: 20, other: 11 },
      total: 31,
      hidden: false,
    });
    expect(suppressSmallCounts({ link: 20, form: 6 })).toEqual({ groups: { link: 20 }, total: 20, hidden: true });
  });
});

describe('time to suppress', () => {
  test('a time is in a bucket that ends at or after it, and at most a third after', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 1e6, noNaN: true }), (seconds) => {
        const edge = edgeOf(bucketOf(seconds));
        expect(edge).toBeGreaterThanOrEqual(seconds * 0.999_999);
        expect(edge).toBeLessThanOrEqual(seconds * 1.300_001);
      }),
    );
  });

  test('quantiles are never told shorter than they were', () => {
    const times = Array.from({ length: 1000 }, (_, at) => (at + 1) / 100);
    const buckets: Record<string, number> = {};
    for (const time of times) buckets[bucketOf(time)] = (buckets[bucketOf(time)] ?? 0) + 1;
    const found = quantilesOf(buckets);
    expect(found?.count).toBe(1000);
    expect(found?.p50).toBeGreaterThanOrEqual(5);
    expect(found?.p50).toBeLessThan(6.6);
    expect(found?.p99).toBeGreaterThanOrEqual(9.9);
    expect(quantilesOf({})).toBeUndefined();
  });
});
