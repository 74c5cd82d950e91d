import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  addMonths,
  insideHours,
  isTimeZone,
  localMinutes,
  longDate,
  nextInsideHours,
} from '../../src/core/calendar.js';

const at = (text: string) => Date.parse(text);
const iso = (time: number | undefined) => (time === undefined ? undefined : new Date(time).toISOString());
const MINUTE = 60_000;
const DAY_HOURS = { from: 8, to: 21 };

describe('months are added in UTC; a day that the month lacks becomes its last', () => {
  test.each([
    ['2026-08-31T12:00:00.000Z', 6, '2027-02-28T12:00:00.000Z'],
    ['2023-08-31T12:00:00.000Z', 6, '2024-02-29T12:00:00.000Z'],
    ['2024-02-29T00:00:00.000Z', 12, '2025-02-28T00:00:00.000Z'],
    ['2024-02-29T00:00:00.000Z', 24, '2026-02-28T00:00:00.000Z'],
    ['2024-02-29T00:00:00.000Z', 48, '2028-02-29T00:00:00.000Z'],
    ['2096-02-29T00:00:00.000Z', 48, '2100-02-28T00:00:00.000Z'],
    ['2026-01-31T23:59:59.999Z', 1, '2026-02-28T23:59:59.999Z'],
    ['2026-03-31T00:00:00.000Z', 3, '2026-06-30T00:00:00.000Z'],
    ['2026-12-31T00:00:00.000Z', 2, '2027-02-28T00:00:00.000Z'],
    ['2026-11-30T00:00:00.000Z', 3, '2027-02-28T00:00:00.000Z'],
    ['2026-05-31T00:00:00.000Z', -3, '2026-02-28T00:00:00.000Z'],
    ['2026-05-15T08:30:00.000Z', 0, '2026-05-15T08:30:00.000Z'],
    // Across the spring of Chicago: UTC knows no gap.
    ['2026-02-08T08:30:00.000Z', 1, '2026-03-08T08:30:00.000Z'],
  ])('%s + %i months = %s', (from, months, to) => expect(iso(addMonths(at(from), months))).toBe(to));

  test('never skip a month and never change the time of day', () => {
    const when = fc.integer({ min: at('1970-01-01'), max: at('2150-01-01') });
    fc.assert(
      fc.property(when, fc.integer({ min: 0, max: 60 }), (from, months) => {
        const [a, b] = [new Date(from), new Date(addMonths(from, months))];
        expect(b.getUTCFullYear() * 12 + b.getUTCMonth() - a.getUTCFullYear() * 12 - a.getUTCMonth()).toBe(months);
        expect(b.getUTCDate()).toBeLessThanOrEqual(a.getUTCDate());
        expect(from - a.setUTCHours(0, 0, 0, 0)).toBe(b.getTime() - new Date(b).setUTCHours(0, 0, 0, 0));
      }),
    );
  });
});

describe('local minutes', () => {
  test.each([
    ['a winter morning', '2026-01-15T14:30:00Z', 'America/Chicago', 8 * 60 + 30],
    ['a summer morning', '2026-07-15T14:30:00Z', 'America/Chicago', 9 * 60 + 30],
    ['the last minute before the gap', '2026-03-08T07:59:59Z', 'America/Chicago', 119],
    ['the first after it: two o’clock is three', '2026-03-08T08:00:00Z', 'America/Chicago', 180],
    ['one o’clock', '2026-11-01T06:00:00Z', 'America/Chicago', 60],
    ['and one o’clock again', '2026-11-01T07:00:00Z', 'America/Chicago', 60],
    ['midnight is 0, never 24', '2026-01-15T06:00:00Z', 'America/Chicago', 0],
    ['a quarter of an hour off', '2026-01-15T00:00:00Z', 'Asia/Kathmandu', 5 * 60 + 45],
    ['half an hour of summer time', '2026-01-15T00:00:00Z', 'Australia/Lord_Howe', 11 * 60],
    ['and none', '2026-07-15T00:00:00Z', 'Australia/Lord_Howe', 10 * 60 + 30],
  ])('%s', (_name, time, zone, minutes) => expect(localMinutes(at(time), zone)).toBe(minutes));
});

describe('calling hours', () => {
  test('begin at the first second and end before the last', () => {
    const inside = (time: string) => insideHours(at(time), ['America/Chicago'], DAY_HOURS);
    expect([
      inside('2026-01-15T13:59:59.999Z'),
      inside('2026-01-15T14:00:00Z'),
      inside('2026-01-16T02:59:59.999Z'),
      inside('2026-01-16T03:00:00Z'),
    ]).toEqual([false, true, true, false]);
  });

  test.each([
    ['before the morning', '2026-01-15T13:00:00Z', ['America/Chicago'], '2026-01-15T14:00:00.000Z'],
    ['after the evening', '2026-01-16T03:00:00Z', ['America/Chicago'], '2026-01-16T14:00:00.000Z'],
    ['a millisecond too early', '2026-01-15T13:59:59.999Z', ['America/Chicago'], '2026-01-15T14:00:00.000Z'],
    ['the night that loses an hour', '2026-03-08T04:00:00Z', ['America/Chicago'], '2026-03-08T13:00:00.000Z'],
    ['the night that gains one', '2026-11-01T04:00:00Z', ['America/Chicago'], '2026-11-01T14:00:00.000Z'],
    [
      'two zones: New York and Honolulu',
      '2026-01-15T13:00:00Z',
      ['America/New_York', 'Pacific/Honolulu'],
      '2026-01-15T18:00:00.000Z',
    ],
    [
      'both on the way to bed',
      '2026-01-16T02:00:00Z',
      ['America/New_York', 'Pacific/Honolulu'],
      '2026-01-16T18:00:00.000Z',
    ],
  ])('%s: the first instant inside all zones', (_name, from, zones, to) => {
    expect(iso(nextInsideHours(at(from), zones, DAY_HOURS))).toBe(to);
  });

  test('that never come are none', () => {
    expect(nextInsideHours(at('2026-01-15T00:00:00Z'), ['UTC'], { from: 9, to: 9 })).toBeUndefined();
    // Kiritimati and Honolulu share the clock, not the day: 24 hours apart; Auckland and London are too far for a short window.
    expect(
      nextInsideHours(at('2026-01-15T00:00:00Z'), ['Pacific/Auckland', 'Europe/London'], { from: 10, to: 12 }),
    ).toBeUndefined();
  });

  test('agree with a look at every minute, in any zone, around any change of its clocks', () => {
    const zones = fc.constantFrom(
      'America/Chicago',
      'America/St_Johns',
      'Europe/Berlin',
      'Asia/Kathmandu',
      'Australia/Lord_Howe',
      'Pacific/Chatham',
      'Africa/Casablanca',
      'America/Havana',
      'Pacific/Apia',
      'Pacific/Honolulu',
    );
    const changes = ['2026-03-08', '2026-03-29', '2026-04-05', '2026-11-01', '2026-10-25', '2011-12-30', '2026-07-01'];
    fc.assert(
      fc.property(
        fc.constantFrom(...changes),
        fc.integer({ min: -24 * 60, max: 24 * 60 }),
        fc.array(zones, { minLength: 1, maxLength: 2 }),
        fc.integer({ min: 0, max: 12 }),
        (day, minutes, chosen, from) => {
          const hours = { from, to: from + 11 };
          const start = at(`${day}T00:00:00Z`) + minutes * MINUTE;
          let naive: number | undefined;
          for (let step = 1; step < 60 * 40 && naive === undefined; step++) {
            const time = start + step * MINUTE;
            if (insideHours(time, chosen, hours)) naive = time;
          }
          const found = nextInsideHours(start, chosen, hours);
          // From outside on: only then it is asked.
          if (!insideHours(start, chosen, hours) && naive !== undefined) expect(iso(found)).toBe(iso(naive));
        },
      ),
      { numRuns: 60 },
    );
  });
});

test('a time zone is one that this runtime knows', () => {
  expect(['America/Chicago', 'UTC', 'Europe/Kyiv'].map(isTimeZone)).toEqual([true, true, true]);
  expect(['Mars/Olympus', '', 'America/Chicago; DROP', '__proto__', 'x'.repeat(5000)].map(isTimeZone)).toEqual(
    Array(5).fill(false),
  );
});

test('a day is written as each language writes it, in the zone asked for', () => {
  const at = Date.UTC(2026, 10, 24, 3);
  expect(['en', 'es', 'de', 'fr'].map((language) => longDate(language, at))).toEqual([
    'November 24, 2026',
    '24 de noviembre de 2026',
    '24. November 2026',
    '24 novembre 2026',
  ]);
  expect(longDate('en', at, 'America/Chicago')).toBe('November 23, 2026');
  expect(longDate('en', at)).toBe('November 24, 2026');
});
