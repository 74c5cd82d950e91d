export interface Waits {
  readonly firstMs: number;
  readonly maxMs: number;
  /** The share of a wait, 0 to 1, of which a random part is taken off, so that retries spread. None unless given. */
  readonly jitter?: number;
}

/**
 * How long (ms) to wait before another try: doubled with every failure, from the first wait to the longest.
 *
 * @param failures before this wait; 1 after the first
 * @param random from 0 to 1; needed for jitter only
 */
export function backoff(
  failures: number,
  { firstMs, maxMs, jitter = 0 }: Waits,
  random: () => number = () => 1,
): number {
  const wait = Math.min(firstMs * 2 ** Math.max(0, failures - 1), maxMs);
  return Math.round(wait * (1 - jitter + jitter * random()));
}
