/**
 * Adds calendar months in UTC; a day that the month lacks becomes its last (31 August + 6 months = 28 or 29 February).
 * docs/decision-rules.md, 8 and 10.
 */
export function addMonths(at: number, months: number): number {
  const from = new Date(at);
  const day = from.getUTCDate();
  const to = new Date(at);
  to.setUTCDate(1);
  to.setUTCMonth(to.getUTCMonth() + months);
  const last = new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() + 1, 0)).getUTCDate();
  to.setUTCDate(Math.min(day, last));
  return to.getTime();
}

/** Milliseconds of a day in UTC. */
export const DAY_MS = 86_400_000;
const MINUTE = 60_000;
const QUARTER = 15 * MINUTE;

const formats = new Map<string, Intl.DateTimeFormat>();

function localFormat(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone);
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit' });
    formats.set(zone, format);
  }
  return format;
}

/** Minutes since local midnight at `at` (ms) in an IANA zone. */
export function localMinutes(at: number, zone: string): number {
  const [hours = '0', minutes = '0'] = localFormat(zone).format(at).split(':');
  return Number(hours) * 60 + Number(minutes);
}

/** The day of a time (ms) in UTC, as `2026-11-28`: what is counted by day is counted by this one. */
export const utcDay = (at: number): string => new Date(at).toISOString().slice(0, 10);

/** A day as a calendar shows it; month 1–12. */
export interface LocalDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const dateFormats = new Map<string, Intl.DateTimeFormat>();

const longFormats = new Map<string, Intl.DateTimeFormat>();

/** "November 24, 2026", "24 de noviembre de 2026": the day of a time (ms) in an IANA zone, as a language writes it. */
export function longDate(language: string, at: number, timeZone = 'UTC'): string {
  const id = `${language} ${timeZone}`;
  // Making one costs a hundred times what using it costs.
  const format = longFormats.get(id) ?? new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone });
  longFormats.set(id, format);
  return format.format(at);
}

/** The day that a calendar in the zone shows at `at` (ms). */
export function localDate(at: number, zone: string): LocalDate {
  let format = dateFormats.get(zone);
  if (!format) {
    // The Gregorian calendar with Latin digits, whatever the machine's locale.
    format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: zone,
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
    });
    dateFormats.set(zone, format);
  }
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return { year: parts.get('year') ?? 0, month: parts.get('month') ?? 0, day: parts.get('day') ?? 0 };
}

const dayNumber = ({ year, month, day }: LocalDate): number => Math.floor(Date.UTC(year, month - 1, day) / DAY_MS);

function dateOf(at: number): LocalDate {
  const date = new Date(at);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}

/** So many calendar days later (earlier when negative), whatever clocks do meanwhile. */
export function addDaysTo(date: LocalDate, days: number): LocalDate {
  return dateOf((dayNumber(date) + days) * DAY_MS);
}

/** So many calendar months later; a day that the month lacks becomes its last. */
export function addMonthsTo(date: LocalDate, months: number): LocalDate {
  return dateOf(addMonths(dayNumber(date) * DAY_MS, months));
}

/** So many days from Monday to Friday later. Public holidays count as any day, so the result is never too late. */
export function addBusinessDaysTo(date: LocalDate, days: number): LocalDate {
  let number = dayNumber(date);
  for (let left = days; left > 0; ) {
    number++;
    // Day 0, 1 January 1970, was a Thursday.
    const weekday = (((number + 4) % 7) + 7) % 7;
    if (weekday !== 0 && weekday !== 6) left--;
  }
  return dateOf(number * DAY_MS);
}

/** The last millisecond of a local day. A day of 23 or 25 hours, or without a midnight, ends where the next one begins. */
export function endOfDay(date: LocalDate, zone: string): number {
  const wanted = dayNumber(date);
  // No zone is further from UTC than 14 hours; local days differ by one more around the date line's moves.
  let inside = wanted * DAY_MS - 15 * 3_600_000;
  let outside = (wanted + 1) * DAY_MS + 39 * 3_600_000;
  while (outside - inside > 1) {
    const middle = Math.floor((inside + outside) / 2);
    if (dayNumber(localDate(middle, zone)) <= wanted) inside = middle;
    else outside = middle;
  }
  return inside;
}

/** True for a time zone this runtime knows. */
export function isTimeZone(zone: string): boolean {
  try {
    localFormat(zone);
    return true;
  } catch {
    return false;
  }
}

/** Hours of the local day, `from` inclusive, `to` exclusive. */
export interface Hours {
  readonly from: number;
  readonly to: number;
}

export function insideHours(at: number, zones: readonly string[], hours: Hours): boolean {
  return zones.every((zone) => {
    const minutes = localMinutes(at, zone);
    return minutes >= hours.from * 60 && minutes < hours.to * 60;
  });
}

/**
 * The first instant after `at` (ms) inside the hours of every zone, or undefined if there is none within three days.
 * Searches in quarters of an hour, then halves the last one: zones change their offset in no finer step, but windows
 * may open at any second of the day in the past.
 */
export function nextInsideHours(at: number, zones: readonly string[], hours: Hours): number | undefined {
  let outside = at;
  let probe = Math.floor(at / QUARTER) * QUARTER + QUARTER;
  for (let step = 0; step < 3 * 24 * 4; step++, probe += QUARTER) {
    if (!insideHours(probe, zones, hours)) {
      outside = probe;
      continue;
    }
    let inside = probe;
    while (inside - outside > 1) {
      const middle = Math.floor((inside + outside) / 2);
      if (insideHours(middle, zones, hours)) inside = middle;
      else outside = middle;
    }
    return inside;
  }
  return undefined;
}
