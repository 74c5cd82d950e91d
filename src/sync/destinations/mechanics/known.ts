/** What was seen is looked for again after this long (ms): lists are rarely removed, and a wrong id is never right by itself. */
const KNOWN_MS = 10 * 60_000;

/**
 * Looks for a list before it is written to, where the provider would take a wrong id for something else or blame the
 * addresses. `look` throws when it is not there; what it found is remembered for ten minutes.
 */
export function createKnown(now: () => number): (key: string | number, look: () => Promise<void>) => Promise<void> {
  const seen = new Map<string | number, number>();
  return async (key, look) => {
    if ((seen.get(key) ?? Number.NEGATIVE_INFINITY) > now() - KNOWN_MS) return;
    await look();
    seen.set(key, now());
  };
}
