import { describe, expect, test } from '@jest/globals';
import { backoff } from '../../src/core/backoff.js';

const waits = { firstMs: 1000, maxMs: 60_000 };

describe('how long to wait before another try', () => {
  test('it doubles from the first wait to the longest and stays there', () => {
    expect([1, 2, 3, 6, 7, 8, 5000].map((failures) => backoff(failures, waits))).toEqual([
      1000, 2000, 4000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  test('before anything failed it is the first wait', () => {
    expect(backoff(0, waits)).toBe(1000);
  });

  test('jitter takes a random part of its share off, never more', () => {
    expect([0, 0.5, 1].map((random) => backoff(2, { ...waits, jitter: 0.5 }, () => random))).toEqual([
      1000, 1500, 2000,
    ]);
  });
});
