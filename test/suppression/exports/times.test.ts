import { describe, expect, test } from '@jest/globals';
import { exportTime } from '../../../src/suppression/exports/times.js';

describe('a time as exports write it', () => {
  test.each([
    ['2023-05-04 03:02:01', '2023-05-04T03:02:01.000Z'],
    ['2023/05/04 03:02:01', '2023-05-04T03:02:01.000Z'],
    ['2023-05-04T03:02:01.123456', '2023-05-04T03:02:01.000Z'],
    ['2023-05-04T03:02:01+02:00', '2023-05-04T01:02:01.000Z'],
    ['2023-05-04 03:02:01 +0000', '2023-05-04T03:02:01.000Z'],
    ['2019-12-10T08:58:33-05:00', '2019-12-10T13:58:33.000Z'],
    ['2023-05-04 03:02:01 UTC', '2023-05-04T03:02:01.000Z'],
    ['Fri, 21 Oct 2011 11:02:55 GMT', '2011-10-21T11:02:55.000Z'],
    ['Thu, 13 Oct 2011 18:02:00 UTC', '2011-10-13T18:02:00.000Z'],
    ['Fri, 21 Oct 2011 11:02:55 +0200', '2011-10-21T09:02:55.000Z'],
    ['1443651141', '2015-09-30T22:12:21.000Z'],
    ['1443651141123', '2015-09-30T22:12:21.123Z'],
    ['1585680000.5', '2020-03-31T18:40:00.500Z'],
    ['Mar 3, 2026 10:15 PM', '2026-03-03T22:15:00.000Z'],
    ['March 3, 2026', '2026-03-03'],
    ['21-Oct-2011', '2011-10-21'],
    ['2023-05-04', '2023-05-04'],
    ['12:00'.padStart(0), undefined],
    ['2023-02-30', undefined],
    ['2023-05-04 25:00:00', undefined],
    ['ana@example.com', undefined],
    ['', undefined],
  ])('%s', (text, expected) => {
    expect(exportTime(text, 'mdy', 'UTC')).toBe(expected);
  });

  test('the order of day and month is the product’s, unless only one reading is a day', () => {
    expect(exportTime('03/04/2023', 'mdy', 'UTC')).toBe('2023-03-04');
    expect(exportTime('03/04/2023', 'dmy', 'UTC')).toBe('2023-04-03');
    expect(exportTime('31/12/2023 11:05', 'mdy', 'UTC')).toBe('2023-12-31T11:05:00.000Z');
    expect(exportTime('12/31/2023', 'dmy', 'UTC')).toBe('2023-12-31');
    expect(exportTime('31-12-2023 11:05:09', 'dmy', 'UTC')).toBe('2023-12-31T11:05:09.000Z');
  });

  test('12 AM is midnight and 12 PM noon', () => {
    expect(exportTime('08/31/2023 12:10 AM', 'mdy', 'UTC')).toBe('2023-08-31T00:10:00.000Z');
    expect(exportTime('08/31/2023 12:10 pm', 'mdy', 'UTC')).toBe('2023-08-31T12:10:00.000Z');
  });

  test('a time that names no zone is of the zone given, and an hour that comes twice is the later one', () => {
    expect(exportTime('2026-01-15 09:00', 'mdy', 'America/Chicago')).toBe('2026-01-15T15:00:00.000Z');
    expect(exportTime('2026-07-15 09:00', 'mdy', 'America/Chicago')).toBe('2026-07-15T14:00:00.000Z');
    expect(exportTime('2026-11-01 01:30', 'mdy', 'America/Chicago')).toBe('2026-11-01T07:30:00.000Z');
    expect(exportTime('2026-07-15 09:00 UTC', 'mdy', 'America/Chicago')).toBe('2026-07-15T09:00:00.000Z');
    expect(exportTime('2026-07-15 09:00', 'mdy', 'Asia/Kolkata')).toBe('2026-07-15T03:30:00.000Z');
  });
});
