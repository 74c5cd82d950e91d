import type { z } from 'zod';
import type { Binding } from '../../destination.js';
import { ProviderError } from '../../destination.js';
import type { HttpClient, HttpRequest, HttpResponse } from '../../http.js';

export interface Call {
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly json?: unknown;
  /** Sent as application/x-www-form-urlencoded; pairs where a field is repeated. */
  readonly form?: Readonly<Record<string, string>> | readonly (readonly [string, string])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly also?: readonly number[];
  /** What a 404 says does not exist, such as `list 7`: a fault of the catalog, which stops the destination. */
  readonly missing?: string;
}

export type Api = (
  method: HttpRequest['method'],
  path: string,
  signal: AbortSignal,
  call?: Call,
) => Promise<HttpResponse>;

/** RFC 3986 §2.3: everything but unreserved characters, so that an address can never change the path around it. */
export function encoded(value: string | number): string {
  return encodeURIComponent(value).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * A path whose inserted values are percent-encoded.
 *
 * @example at`/v3/lists/${'a/b'}/members` // '/v3/lists/a%2Fb/members'
 */
export function at(texts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return texts.reduce((path, text, i) => path + encoded(values[i - 1] ?? '') + text);
}

const isPairs = (form: NonNullable<Call['form']>): form is readonly (readonly [string, string])[] =>
  Array.isArray(form);

/** One provider's interface: base address and headers in one place. `secrets` are those that go in bodies. */
export function createApi(
  http: HttpClient,
  baseUrl: string,
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[] = [],
): Api {
  const base = baseUrl.replace(/\/+$/, '');
  return async (method, path, signal, call = {}) => {
    const pairs = Object.entries(call.query ?? {}).flatMap(([k, v]) =>
      v === undefined ? [] : [`${encoded(k)}=${encoded(v)}`],
    );
    const form =
      call.form &&
      (isPairs(call.form) ? call.form : Object.entries(call.form))
        .map(([k, v]) => `${encoded(k)}=${encoded(v)}`)
        .join('&');
    const also = [...(call.also ?? []), ...(call.missing === undefined ? [] : [404])];
    const answer = await http.request({
      method,
      url: `${base}${path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`,
      headers: {
        ...headers,
        ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
        ...call.headers,
      },
      signal,
      ...(call.json === undefined ? {} : { json: call.json }),
      ...(form === undefined ? {} : { body: form }),
      ...(also.length === 0 ? {} : { also }),
      ...(secrets.length === 0 ? {} : { secrets }),
    });
    if (answer.status === 404 && call.missing !== undefined)
      throw misconfigured(`${call.missing} does not exist there: correct the catalog`);
    return answer;
  };
}

/** The answer as its documented shape. An answer we cannot read leaves the outcome unknown: try again. */
export function read<T>(schema: z.ZodType<T>, response: Pick<HttpResponse, 'json'>): T {
  const parsed = schema.safeParse(response.json);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new ProviderError('unavailable', `the answer is not as documented${field === '' ? '' : ` at ${field}`}`);
}

/** A wrong list or audience in the catalog: like a wrong key it concerns every contact, so nothing is parked for it. */
export function misconfigured(message: string): ProviderError {
  return new ProviderError('credentials', message);
}

/** What the provider will never do for this account: nothing is sent until somebody has changed that and resumes. */
export function refusedForGood(message: string): ProviderError {
  return new ProviderError('credentials', message, undefined, { untilResumed: true });
}

/** Reads a binding's target by the adapter's schema, once per binding. */
export function targetReader<T>(schema: z.ZodType<T>): (binding: Binding) => T {
  const seen = new WeakMap<object, T>();
  return (binding) => {
    const known = seen.get(binding.target);
    if (known !== undefined) return known;
    const target = schema.parse(binding.target);
    seen.set(binding.target, target);
    return target;
  };
}
