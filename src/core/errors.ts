/**
 * What a caller did wrong, or what is not available. Only `web/middleware/problem.ts` turns a kind into an HTTP status;
 * every message says what to do next.
 */
export type ErrorKind =
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'not_found'
  | 'method_not_allowed'
  | 'id_reused'
  | 'conflict'
  | 'too_large'
  | 'too_slow'
  | 'rate_limited'
  | 'unavailable';

export interface ErrorDetail {
  /** JSON-pointer-like name of the field at fault, e.g. `scope.channel`. */
  readonly field?: string;
  /** What the caller can do about it. */
  readonly remedy?: string;
  /** Further faults found in the same request. */
  readonly errors?: readonly { readonly field: string; readonly message: string }[];
  /** Seconds until trying again makes sense. */
  readonly retryAfter?: number;
}

export class HushError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly detail: ErrorDetail = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'HushError';
  }
}
