import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { z } from 'zod';
import { HushError } from '../../../core/errors.js';
import type { InboundRequest } from '../../destination.js';

/** A request before its body is read. */
export type RequestHead = Omit<InboundRequest, 'body'>;

/** Refuses a request whose sender is not proven. Says what to check, never what was expected. */
export function forged(why: string): HushError {
  return new HushError('unauthorized', why, { remedy: 'check the signing secret of this destination in the catalog' });
}

/** Compares two texts in time that does not depend on where they differ, nor on their lengths. */
export function sameText(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}

export function header(request: RequestHead, name: string): string {
  return request.headers[name.toLowerCase()] ?? '';
}

/** Refuses a request without the header of its signature. False: the signature itself covers the body, which is to be read. */
export function carriesSignature(request: RequestHead, name: string): false {
  if (header(request, name) === '') throw forged('the request carries no signature');
  return false;
}

export function hmac(
  algorithm: 'sha1' | 'sha256',
  secret: string | Buffer,
  encoding: 'hex' | 'base64',
  ...parts: readonly (string | Buffer)[]
): string {
  const mac = createHmac(algorithm, secret);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
}

/** Refuses what was signed too long ago, or too far in the future. `at` and `now` in ms. */
export function checkClock(at: number, now: number, windowSeconds: number): void {
  if (!Number.isFinite(at) || Math.abs(now - at) > windowSeconds * 1000) {
    throw forged('the request was signed outside the allowed time');
  }
}

/**
 * A signed time as digits and nothing else. `Number` also reads `1777636800e0` and `1777636800.0`: where time and token are
 * signed in one piece, the letters of one could be given to the other, and a used signature would look like a new one.
 */
export function signedTime(text: string): number {
  if (!/^[1-9]\d{8,13}$/.test(text)) throw forged('the time that was signed is no number');
  return Number(text);
}

/** Refuses a request without the expected `Authorization: Basic`. */
export function checkBasic(request: RequestHead, user: string, password: string): void {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  if (!sameText(header(request, 'authorization'), expected)) throw forged('the user or password is wrong');
}

/** Refuses a request without the expected `Authorization: Bearer`. */
export function checkBearer(request: RequestHead, token: string): void {
  if (!sameText(header(request, 'authorization'), `Bearer ${token}`)) throw forged('the token is wrong');
}

/** Refuses a request whose URL lacks the secret we gave the provider, as `?secret=…`. */
export function checkUrlSecret(request: RequestHead, secret: string): void {
  const given = new URL(request.url, 'http://localhost').searchParams.get('secret') ?? '';
  if (!sameText(given, secret)) throw forged('the secret in the URL is wrong');
}

/** A webhook whose secret is not set cannot be believed. */
export function configured(secret: string | undefined, name: string): string {
  if (secret === undefined) {
    throw new HushError('unauthorized', 'webhooks of this destination are not set up', {
      remedy: `set ${name} in its settings`,
    });
  }
  return secret;
}

/** The body as JSON of the expected shape, or HushError `invalid`. */
export function jsonBody<T>(body: Buffer, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw new HushError('invalid', 'the body is not JSON');
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new HushError('invalid', 'the body is not what this provider documents', {
    field: parsed.error.issues[0]?.path.join('.') ?? '',
  });
}

/** The largest form of a provider has some thirty. */
const MAX_FIELDS = 500;

/** The fields of an urlencoded body, or HushError `invalid` when one of `needed` is not there. */
export function formBody(body: Buffer, needed: readonly string[] = []): Readonly<Record<string, string>> {
  const text = body.toString('utf8');
  // Read before a signature over the fields can be checked: many small ones take long to parse.
  if (text.split('&', MAX_FIELDS + 1).length > MAX_FIELDS)
    throw new HushError('invalid', 'the body has too many fields');
  const fields = new URLSearchParams(text);
  const missing = needed.find((name) => !fields.has(name));
  if (missing !== undefined)
    throw new HushError('invalid', 'the body is not what this provider documents', { field: missing });
  return Object.fromEntries(fields);
}

/** A short stable id made of the fields that make an event itself. */
export function stableId(...parts: readonly (string | number | undefined)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 32);
}

/** What a replayed request has in common with the first: the text that was signed, in one piece as it was signed. */
export function replayKeyOf(...signed: readonly (string | Buffer)[]): string {
  const hash = createHash('sha256');
  for (const part of signed) hash.update(part);
  return hash.digest('base64url');
}
