const DAY_MS = 86_400_000;
/** The days whose text is remembered: those of one list mostly lie within some years. */
const MAX_DAYS = 20_000;
const MAX_MS = Date.UTC(9999, 11, 31);
const days = new Map<number, Buffer>();

function dayOf(day: number): Buffer {
  const known = days.get(day);
  if (known) return known;
  if (days.size >= MAX_DAYS) days.clear();
  const text = Buffer.from(new Date(day * DAY_MS).toISOString().slice(0, 11));
  days.set(day, text);
  return text;
}

/**
 * Writes a time as `toISOString` does, and returns where it ends. A sixth of its price, for answers of many rows.
 *
 * @param ms since 1970
 */
export function writeIso(bytes: Uint8Array, at: number, ms: number): number {
  if (!(ms >= 0 && ms < MAX_MS) || !Number.isInteger(ms)) {
    const text = Buffer.from(new Date(ms).toISOString());
    bytes.set(text, at);
    return at + text.length;
  }
  const day = Math.floor(ms / DAY_MS);
  const text = dayOf(day);
  for (let place = 0; place < 11; place++) bytes[at + place] = text[place]!;
  let rest = ms - day * DAY_MS;
  const milliseconds = rest % 1000;
  rest = (rest - milliseconds) / 1000;
  const seconds = rest % 60;
  rest = (rest - seconds) / 60;
  const minutes = rest % 60;
  const hours = (rest - minutes) / 60;
  bytes[at + 11] = 48 + Math.trunc(hours / 10);
  bytes[at + 12] = 48 + (hours % 10);
  bytes[at + 13] = 58;
  bytes[at + 14] = 48 + Math.trunc(minutes / 10);
  bytes[at + 15] = 48 + (minutes % 10);
  bytes[at + 16] = 58;
  bytes[at + 17] = 48 + Math.trunc(seconds / 10);
  bytes[at + 18] = 48 + (seconds % 10);
  bytes[at + 19] = 46;
  bytes[at + 20] = 48 + Math.trunc(milliseconds / 100);
  bytes[at + 21] = 48 + (Math.trunc(milliseconds / 10) % 10);
  bytes[at + 22] = 48 + (milliseconds % 10);
  bytes[at + 23] = 90;
  return at + 24;
}
