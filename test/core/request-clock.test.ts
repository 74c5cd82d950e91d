import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Policy } from '../../src/core/policy.js';
import {
  ageInDays,
  alertsOf,
  type Clocked,
  checkExtension,
  clockFor,
  daysLeft,
  deadlinesOf,
  dueAlerts,
  dueOf,
  isLate,
  purgeAt,
} from '../../src/core/request-clock.js';
import { policy } from '../support/golden.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const at = (text: string) => Date.parse(text);

/** The same policy in another zone: offsets of a quarter of an hour, moves at midnight, a day that was left out. */
const ZONES = [
  'America/Chicago',
  'America/New_York',
  'Europe/Berlin',
  'Europe/London',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Africa/Cairo',
  'Pacific/Apia',
  'Pacific/Kiritimati',
  'Pacific/Honolulu',
  'America/Havana',
  'UTC',
];
const inZone = (timeZone: string): Policy => ({
  ...policy,
  requests: policy.requests.map((clock) => ({ ...clock, timeZone })),
});

const open = (receivedAt: number, more: Partial<Clocked> = {}): Clocked => ({
  jurisdiction: 'US-WI',
  receivedAt,
  state: 'received',
  ...more,
});

/** As a calendar on the wall shows it: the sv-SE form is YYYY-MM-DD. */
const wall = (time: number, zone: string) =>
  new Intl.DateTimeFormat('sv-SE', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' }).format(time);
const plus = (date: string, days: number) =>
  new Date(Date.parse(`${date}T12:00:00Z`) + days * DAY).toISOString().slice(0, 10);
function plusMonths(date: string, months: number): string {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number);
  const last = new Date(Date.UTC(year, month - 1 + months + 1, 0)).getUTCDate();
  return new Date(Date.UTC(year, month - 1 + months, Math.min(day, last))).toISOString().slice(0, 10);
}

const instant = fc
  .integer({ min: at('2008-01-01T00:00:00Z') / 60_000, max: at('2045-01-01T00:00:00Z') / 60_000 })
  .map((n) => n * 60_000);
/** Near the changes of clocks, leap days and ends of months, where faults live. */
const edge = fc
  .tuple(
    fc.constantFrom(
      '2024-02-29T00:00:00Z',
      '2028-02-29T05:59:00Z',
      '2026-03-08T07:59:59Z',
      '2026-11-01T06:30:00Z',
      '2026-03-29T01:00:00Z',
      '2026-10-25T00:59:59Z',
      '2026-01-31T12:00:00Z',
      '2027-12-31T23:59:59Z',
      '2011-12-30T09:59:59Z',
      '2018-11-04T02:59:59Z',
    ),
    fc.integer({ min: -50 * HOUR, max: 50 * HOUR }),
  )
  .map(([text, offset]) => at(text) + offset);
const received = fc.oneof(instant, edge);
const jurisdiction = fc.constantFrom('US', 'US-CA', 'US-WI', 'DE', 'GB', 'FR-75', 'NO', 'CA-ON', 'JP');

describe('the deadlines', () => {
  test.each([
    // 45 days, then 45 more; Chicago's midnight is 05:00 or 06:00 UTC.
    ['US-WI', '2026-01-10T18:00:00Z', '2026-02-25T05:59:59.999Z', '2026-04-11T04:59:59.999Z'],
    // Received on the evening of the 9th in Chicago, though the 10th in UTC.
    ['US-CA', '2026-01-10T03:00:00Z', '2026-02-24T05:59:59.999Z', '2026-04-10T04:59:59.999Z'],
    // Over the leap day.
    ['US', '2028-01-20T12:00:00Z', '2028-03-06T05:59:59.999Z', '2028-04-20T04:59:59.999Z'],
    // One month, then two; 31 January has no 31 February.
    ['DE', '2026-01-31T12:00:00Z', '2026-02-28T22:59:59.999Z', '2026-04-28T21:59:59.999Z'],
    ['GB', '2028-01-31T12:00:00Z', '2028-02-29T22:59:59.999Z', '2028-04-29T21:59:59.999Z'],
    // Over the change to summer time: the day counts, not the hours.
    ['DE', '2026-03-15T12:00:00Z', '2026-04-15T21:59:59.999Z', '2026-06-15T21:59:59.999Z'],
  ])('%s, received %s: %s, extended %s', (where, receivedAt, due, extendedDue) => {
    const found = deadlinesOf(policy, { jurisdiction: where, receivedAt: at(receivedAt) });
    expect(new Date(found.due).toISOString()).toBe(due);
    expect(new Date(found.extendedDue).toISOString()).toBe(extendedDue);
  });

  test('receipt is acknowledged within ten days from Monday to Friday', () => {
    // Friday, 2 January 2026: Monday is the first of ten.
    const found = deadlinesOf(policy, open(at('2026-01-02T18:00:00Z')));
    expect(new Date(found.acknowledgeBy).toISOString()).toBe('2026-01-17T05:59:59.999Z');
    // Saturday and Sunday lead to the same day.
    expect(deadlinesOf(policy, open(at('2026-01-03T18:00:00Z'))).acknowledgeBy).toBe(found.acknowledgeBy);
    expect(deadlinesOf(policy, open(at('2026-01-04T18:00:00Z'))).acknowledgeBy).toBe(found.acknowledgeBy);
  });

  test('every deadline is the last millisecond of the wall calendar’s day, in any zone and year', () => {
    fc.assert(
      fc.property(received, jurisdiction, fc.constantFrom(...ZONES), (receivedAt, where, zone) => {
        const rules = inZone(zone);
        const { answer, extension } = clockFor(rules, where);
        const found = deadlinesOf(rules, { jurisdiction: where, receivedAt });
        const first = plus(plusMonths(wall(receivedAt, zone), answer.months ?? 0), answer.days ?? 0);
        const second = plus(plusMonths(first, extension.months ?? 0), extension.days ?? 0);
        for (const [due, date] of [
          [found.due, first],
          [found.extendedDue, second],
        ] as const) {
          // Samoa left 30 December 2011 out: what would end on it ends with the day before.
          expect(wall(due, zone) <= date).toBe(true);
          expect(wall(due + 1, zone) > date).toBe(true);
        }
        expect(found.acknowledgeBy).toBeLessThan(found.due);
        expect(found.due).toBeGreaterThan(receivedAt + 26 * DAY);
        // Never later than the letter of the law counts from receipt, in hours of the machine.
        expect(found.due).toBeLessThan(
          receivedAt + ((answer.days ?? 0) + (answer.months ?? 0) * 31 + 1) * DAY + 25 * HOUR,
        );
      }),
      { numRuns: 600 },
    );
  });
});

describe('an extension', () => {
  test('is possible once, up to the last millisecond of the first period', () => {
    const request = open(at('2026-01-10T18:00:00Z'));
    const { due, extendedDue } = deadlinesOf(policy, request);
    expect(() => checkExtension(policy, request, due)).not.toThrow();
    expect(() => checkExtension(policy, request, due + 1)).toThrow('first deadline has passed');
    const extended = { ...request, extendedAt: due };
    expect(() => checkExtension(policy, extended, due)).toThrow('extended already');
    expect(dueOf(policy, extended)).toBe(extendedDue);
    expect(isLate(policy, extended, due + 1)).toBe(false);
    expect(isLate(policy, extended, extendedDue + 1)).toBe(true);
  });
});

describe('alerts', () => {
  test('on days 30, 40 and 44, for the acknowledgement, and when it is late', () => {
    const request = open(at('2026-01-10T18:00:00Z'));
    expect(alertsOf(policy, request).map(({ id, at: time }) => [id, new Date(time).toISOString()])).toEqual([
      ['acknowledge', '2026-01-23T06:00:00.000Z'],
      ['acknowledge-late', '2026-01-24T06:00:00.000Z'],
      ['day-30', '2026-02-09T06:00:00.000Z'],
      ['day-40', '2026-02-19T06:00:00.000Z'],
      ['day-44', '2026-02-23T06:00:00.000Z'],
      ['late', '2026-02-25T06:00:00.000Z'],
    ]);
  });

  test('once extended, 15, 5 and 1 days before the new deadline', () => {
    const request = open(at('2026-01-10T18:00:00Z'), { acknowledgedAt: 1, extendedAt: at('2026-02-01T00:00:00Z') });
    expect(alertsOf(policy, request).map(({ id, day }) => [id, day])).toEqual([
      ['extended-30', 75],
      ['extended-40', 85],
      ['extended-44', 89],
      ['extended-late', undefined],
    ]);
  });

  test('whatever is done and however long nobody looks, none is missed, none comes twice, and nothing is late unseen', () => {
    const act = fc.record({
      after: fc.integer({ min: 0, max: 100 * DAY }),
      what: fc.constantFrom('acknowledge', 'extend', 'close', 'verify'),
    });
    const looks = fc.array(fc.integer({ min: 0, max: 40 * DAY }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(
        received,
        jurisdiction,
        fc.constantFrom(...ZONES),
        fc.array(act, { maxLength: 4 }),
        looks,
        (receivedAt, where, zone, acts, gaps) => {
          const rules = inZone(zone);
          let request: Clocked = { jurisdiction: where, receivedAt, state: 'received' };
          const raised: string[] = [];
          const ordered = [...acts].sort((a, b) => a.after - b.after);
          let now = receivedAt;
          let wasOpen = true;
          for (const gap of gaps) {
            const from = now;
            now += gap;
            for (const { after, what } of ordered.filter(
              (item) => receivedAt + item.after > from && receivedAt + item.after <= now,
            )) {
              const time = receivedAt + after;
              if (what === 'acknowledge' && request.acknowledgedAt === undefined)
                request = { ...request, acknowledgedAt: time };
              if (what === 'verify' && request.state === 'received') request = { ...request, state: 'in_progress' };
              if (what === 'close') request = { ...request, state: 'fulfilled' };
              if (what === 'extend') {
                try {
                  checkExtension(rules, request, time);
                  request = { ...request, extendedAt: time };
                } catch {
                  // Too late, or a second one.
                }
              }
            }
            wasOpen = request.state !== 'fulfilled';
            const told = dueAlerts(rules, request, new Set(raised), now);
            for (const alert of told) expect(alert.at).toBeLessThanOrEqual(now);
            raised.push(...told.map(({ id }) => id));
            // Seen: whoever is late and open has been told of, at the first look after it.
            if (isLate(rules, request, now))
              expect(raised.some((id) => id === 'late' || id === 'extended-late')).toBe(true);
            if (wasOpen && now >= alertsOf(rules, request).filter(({ kind }) => kind === 'nearing')[0]!.at) {
              expect(raised.some((id) => /^(day|extended)-\d/.test(id))).toBe(true);
            }
            if (!wasOpen) expect(told).toEqual([]);
          }
          expect(new Set(raised).size).toBe(raised.length);
          // A look later finds exactly what had not come yet, and nothing again.
          const rest = dueAlerts(rules, request, new Set(raised), now);
          expect(rest).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('the last comes before the deadline in every month of every year', () => {
    fc.assert(
      fc.property(received, jurisdiction, fc.boolean(), (receivedAt, where, extended) => {
        const request = {
          jurisdiction: where,
          receivedAt,
          state: 'received',
          ...(extended ? { extendedAt: receivedAt } : {}),
        } as const;
        const due = dueOf(policy, request);
        const nearing = alertsOf(policy, request).filter(({ kind }) => kind === 'nearing');
        expect(nearing).toHaveLength(3);
        for (const alert of nearing) {
          expect(alert.at).toBeGreaterThan(receivedAt);
          // At least a working day is left.
          expect(due - alert.at).toBeGreaterThan(23 * HOUR);
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('age and days left are those of the calendar, over a change of clocks too', () => {
  const request = open(at('2026-03-01T04:00:00Z'));
  // 28 February in Chicago; the clocks change on 8 March.
  expect(ageInDays(policy, request, at('2026-03-01T06:00:00Z'))).toBe(1);
  expect(ageInDays(policy, request, at('2026-03-15T05:00:00Z'))).toBe(15);
  expect(daysLeft(policy, request, request.receivedAt)).toBe(45);
  const { due } = deadlinesOf(policy, request);
  expect(daysLeft(policy, request, due)).toBe(0);
  expect(daysLeft(policy, request, due + 1)).toBe(-1);
});

test('the record is kept 24 calendar months after it was closed', () => {
  expect(new Date(purgeAt(policy, at('2024-02-29T10:00:00Z'))).toISOString()).toBe('2026-02-28T10:00:00.000Z');
});
