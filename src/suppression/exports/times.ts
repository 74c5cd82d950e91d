/** How a date of numbers alone is to be read: 3/4/2026 is March with `mdy`, April with `dmy`. */
export type DateOrder = 'mdy' | 'dmy';

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const CLOCK = String.raw`(?:[T\s,]+(?:at\s+)?(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?\s*([ap])?\.?(?:m\.?)?)?`;
const ZONE = String.raw`\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2}|(?:UTC|GMT)[+-]\d{2}:?\d{2})?`;
const YEAR_FIRST = new RegExp(String.raw`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})${CLOCK}${ZONE}$`, 'i');
const NUMBERS = new RegExp(String.raw`^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})${CLOCK}${ZONE}$`, 'i');
/** "Mar 3, 2026 10:15 AM", "March 3 2026", also behind a weekday. */
const MONTH_FIRST = new RegExp(
  String.raw`^(?:[a-z]{3,9},?\s+)?([a-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})${CLOCK}${ZONE}$`,
  'i',
);
/** "Fri, 21 Oct 2011 11:02:55 GMT" (RFC 5322), "21 October 2011", "21-Oct-2011". */
const DAY_FIRST = new RegExp(
  String.raw`^(?:[a-z]{3,9},?\s+)?(\d{1,2})[\s-]+([a-z]{3,9})\.?[\s-]+(\d{4})${CLOCK}${ZONE}$`,
  'i',
);

interface Parts {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Of the time of day; undefined where there is a day alone. */
  readonly clock: readonly (string | undefined)[];
  readonly zone: string | undefined;
}

const monthOf = (name = ''): number => MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1;

function partsOf(text: string, order: DateOrder): Parts | undefined {
  const rest = (found: RegExpExecArray) => ({ clock: found.slice(4, 8), zone: found[8] });
  const first = YEAR_FIRST.exec(text);
  if (first) return { year: Number(first[1]), month: Number(first[2]), day: Number(first[3]), ...rest(first) };
  const numbers = NUMBERS.exec(text);
  if (numbers) {
    const [one, two] = [Number(numbers[1]), Number(numbers[2])];
    // What can only be read one way is read so: an account set to the other order writes it.
    const dayFirst = one > 12 || (order === 'dmy' && two <= 12);
    const [day, month] = dayFirst ? [one, two] : [two, one];
    return { year: Number(numbers[3]), month, day, ...rest(numbers) };
  }
  const named = MONTH_FIRST.exec(text);
  if (named) return { year: Number(named[3]), month: monthOf(named[1]), day: Number(named[2]), ...rest(named) };
  const dayNamed = DAY_FIRST.exec(text);
  if (!dayNamed) return undefined;
  const [, day, month, year] = dayNamed;
  return { year: Number(year), month: monthOf(month), day: Number(day), ...rest(dayNamed) };
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** What a clock in the zone shows at `at`, as if it were UTC (ms). */
function shownIn(zone: string, at: number): number {
  const format =
    formats.get(zone) ??
    new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  formats.set(zone, format);
  const part = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const get = (name: Intl.DateTimeFormatPartTypes) => part.get(name) ?? 0;
  return Date.UTC(get('year'), get('month') - 1, get('day'), get('hour'), get('minute'), get('second'));
}

/** The time (ms) at which clocks in the zone show this; of an hour that comes twice the later one, for a denial counts from then. */
function inZone(wall: number, zone: string): number {
  const candidates = [-86_400_000, 0, 86_400_000].map((near) => wall - (shownIn(zone, wall + near) - (wall + near)));
  const fitting = candidates.filter((at) => shownIn(zone, at) === wall);
  return Math.max(...(fitting.length > 0 ? fitting : candidates));
}

function offsetMs(zone: string): number {
  const [, sign, hours, minutes] = /([+-])(\d{2}):?(\d{2})$/.exec(zone) ?? [];
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

/**
 * A time as exports write it, in RFC 3339 UTC, or a day as `2026-03-01`; undefined for what is neither. Takes seconds and
 * milliseconds since 1970, ISO 8601, RFC 5322, names of months in English, and numbers in the order given.
 *
 * @param zone IANA zone of a time that names none
 */
export function exportTime(text: string, order: DateOrder, zone: string): string | undefined {
  const plain = text.trim().replace(/\u202f|\u00a0/g, ' ');
  if (/^\d{9,10}(\.\d+)?$/.test(plain)) return new Date(Math.round(Number(plain) * 1000)).toISOString();
  if (/^\d{12,13}$/.test(plain)) return new Date(Number(plain)).toISOString();
  const parts = partsOf(plain, order);
  if (!parts) return undefined;
  const { year, month, day, clock, zone: named } = parts;
  const midnight = Date.UTC(year, month - 1, day);
  const made = new Date(midnight);
  if (month < 1 || made.getUTCMonth() !== month - 1 || made.getUTCDate() !== day || year < 1990) return undefined;
  const [hour, minute, second = '0', half] = clock;
  if (hour === undefined) return made.toISOString().slice(0, 10);
  const hours = half === undefined ? Number(hour) : (Number(hour) % 12) + (half.toLowerCase() === 'p' ? 12 : 0);
  if (hours > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const wall = midnight + ((hours * 60 + Number(minute)) * 60 + Math.min(59, Number(second))) * 1000;
  return new Date(named === undefined ? inZone(wall, zone) : wall - offsetMs(named)).toISOString();
}
