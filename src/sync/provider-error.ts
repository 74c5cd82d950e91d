/**
 * `credentials`: 401/403 — stop, alert, keep what waits. `rate_limited`: 429 — wait, not a failure. `refused`: 4xx about
 * an address in the batch — bisect, park. `unavailable`: 5xx, timeout, network — the outcome is unknown, try again.
 */
export type ProviderFault = 'credentials' | 'rate_limited' | 'refused' | 'unavailable';

export class ProviderError extends Error {
  constructor(
    readonly fault: ProviderFault,
    message: string,
    /** Seconds. */
    readonly retryAfter?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'ProviderError';
  }
}
