/**
 * Adds calendar months in UTC; a day that the month lacks becomes its last (31 August + 6 months = 28 or 29 February).
 * `policy.md` §3, rules 8 and 10.
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
