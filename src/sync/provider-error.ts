/**
 * `credentials`: 401/403 — stop, alert, keep what waits. `rate_limited`: 429 — wait, not a failure. `refused`: 4xx about
 * an address in the batch — bisect, park. `unavailable`: 5xx, timeout, network — the outcome is unknown, try again.
 */
export type ProviderFault = 'credentials' | 'rate_limited' | 'refused' | 'unavailable';

/** A time (ms) that never comes: nothing is sent until somebody resumes the destination, or a process starts anew. */
export const UNTIL_RESUMED = Number.MAX_SAFE_INTEGER;

export class ProviderError extends Error {
  /** Of `credentials`: asking again by ourselves is no use, somebody must change something first. */
  readonly untilResumed: boolean;

  constructor(
    readonly fault: ProviderFault,
    message: string,
    /** Seconds. */
    readonly retryAfter?: number,
    options: ErrorOptions & { readonly untilResumed?: boolean } = {},
  ) {
    super(message, options);
    this.name = 'ProviderError';
    this.untilResumed = options.untilResumed ?? false;
  }
}
