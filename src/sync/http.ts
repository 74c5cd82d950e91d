import { ProviderError } from './provider-error.js';
import { publicFetch } from './public-fetch.js';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, with the content type in `headers`. */
  readonly body?: string | Buffer;
  readonly signal: AbortSignal;
  /** Statuses that are a success besides 2xx, such as 404 for "not found, so not suppressed". */
  readonly also?: readonly number[];
  /** Refuses hosts that are not on the public internet, for URLs that somebody else may have written. */
  readonly publicOnly?: boolean;
  /** Taken out of error messages, besides the values of `headers`. */
  readonly secrets?: readonly string[];
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or undefined when the body was empty or something else. */
  readonly json: unknown;
  readonly text: string;
}

export interface HttpClient {
  /** Throws ProviderError by status; resolves for 2xx and the statuses in `also`. */
  request(request: HttpRequest): Promise<HttpResponse>;
}

const MAX_ANSWER = 32 * 1024 * 1024;

/** Names under which rate limiters tell when to come back, the plainest first. */
const RESETS = [
  'x-ratelimit-retry-after',
  'x-ratelimit-reset',
  'x-rate-limit-reset',
  'x-sib-ratelimit-reset',
  'ratelimit-reset',
] as const;

/** Seconds from `Retry-After` (RFC 9110 §10.2.3) or a rate limiter's reset header, at most an hour. */
export function retryAfterSeconds(headers: Headers, now: number): number | undefined {
  const after = headers.get('retry-after');
  if (after !== null) {
    const seconds = /^\d+(\.\d+)?$/.test(after) ? Number(after) : (Date.parse(after) - now) / 1000;
    if (Number.isFinite(seconds)) return Math.min(Math.max(seconds, 0), 3600);
  }
  const reset = RESETS.map((name) => headers.get(name)).find((value) => value !== null) ?? null;
  if (reset === null || !/^\d+(\.\d+)?$/.test(reset)) return undefined;
  // Providers give either seconds from now or a time of day in seconds.
  const value = Number(reset);
  return Math.min(Math.max(value > 1e9 ? value - now / 1000 : value, 0), 3600);
}

/**
 * A provider's message with whatever looks like an address, a number or a long secret taken out, and `secrets` themselves.
 */
export function redact(text: string, secrets: readonly string[] = []): string {
  let shown = text.slice(0, 2000);
  for (const secret of secrets) shown = shown.replaceAll(secret, '[secret]');
  return (
    shown
      .replace(/"[^"]{0,128}"(?:@|%40)[^\s"'<>,;()[\]{}]{1,255}/gu, '[address]')
      .replace(/[^\s"<>,;:()[\]{}]{1,320}(?:@|%40)[^\s"'<>,;()[\]{}]{1,255}/gu, '[address]')
      .replace(/\+?\d[\d\s().-]{6,}\d/g, '[number]')
      // A name such as CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE is what somebody must read.
      .replace(/[A-Za-z0-9_-]{32,}/g, (long) => (/^[A-Z]{2,}(?:_[A-Z]+)+$/.test(long) ? long : '[secret]'))
      .slice(0, 300)
  );
}

const OPEN_HEADERS = new Set(['accept', 'content-type', 'user-agent']);

/** What a request proves itself with: its headers, their last words, and the parts of basic credentials. */
function secretsOf(request: HttpRequest): string[] {
  const values = Object.entries(request.headers ?? {}).flatMap(([name, value]) => {
    if (OPEN_HEADERS.has(name.toLowerCase())) return [];
    const last = value.split(' ').at(-1) ?? '';
    return [value, last, ...(/^basic /i.test(value) ? Buffer.from(last, 'base64').toString('utf8').split(':') : [])];
  });
  return [...values, ...(request.secrets ?? [])].filter((value) => value.length >= 6);
}

function faultOf(status: number): ProviderError['fault'] {
  if (status === 401 || status === 403) return 'credentials';
  if (status === 429) return 'rate_limited';
  if (status === 408 || status === 425 || status >= 500) return 'unavailable';
  return 'refused';
}

/** The one client through which adapters speak HTTP: aborts with the lease's deadline, never follows a redirect. */
export function createHttp(options: { readonly now: () => number; readonly fetch?: typeof fetch }): HttpClient {
  const send = options.fetch ?? fetch;
  return {
    async request(request) {
      const headers = new Headers({ 'user-agent': 'hush/1', accept: 'application/json', ...request.headers });
      if (request.json !== undefined && !headers.has('content-type')) headers.set('content-type', 'application/json');
      let response: Response;
      let text: string;
      try {
        response = await (request.publicOnly ? publicFetch : send)(request.url, {
          method: request.method,
          headers,
          redirect: 'manual',
          signal: request.signal,
          ...(request.json !== undefined ? { body: JSON.stringify(request.json) } : {}),
          ...(request.body !== undefined ? { body: new Uint8Array(Buffer.from(request.body)) } : {}),
        });
        if (Number(response.headers.get('content-length') ?? 0) > MAX_ANSWER) {
          throw new ProviderError('unavailable', 'the answer is larger than 32 MB');
        }
        text = await response.text();
      } catch (error) {
        if (error instanceof ProviderError) throw error;
        const why = request.signal.aborted ? 'no answer before the deadline' : 'the connection failed';
        throw new ProviderError('unavailable', why, undefined, { cause: error });
      }
      if (response.ok || request.also?.includes(response.status)) {
        return { status: response.status, headers: response.headers, json: parseJson(text), text };
      }
      throw new ProviderError(
        faultOf(response.status),
        `${response.status} ${redact(text, secretsOf(request))}`.trim(),
        retryAfterSeconds(response.headers, options.now()),
      );
    },
  };
}

function parseJson(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
