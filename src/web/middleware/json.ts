import express, { type Request, type Response } from 'express';
import { HushError } from '../../core/errors.js';

/** Levels of arrays and objects. No request of ours has more than eight. */
const DEEPEST = 32;
const QUOTE = '"';

const invalid = (message: string, field: string, remedy: string) =>
  new HushError('invalid', message, { field, remedy });

/** Names in the text: its strings that a colon follows. Only for text that is known to be JSON. */
function namesIn(text: string): number {
  let names = 0;
  for (let start = text.indexOf(QUOTE); start !== -1; ) {
    let end = start;
    let escapes: number;
    do {
      end = text.indexOf(QUOTE, end + 1);
      escapes = 0;
      while (text.charCodeAt(end - 1 - escapes) === 92) escapes++;
    } while (escapes % 2 === 1);
    let next = end + 1;
    while (text.charCodeAt(next) <= 32) next++;
    if (text.charCodeAt(next) === 58) names++;
    start = text.indexOf(QUOTE, next);
  }
  return names;
}

/** Names in the value. Throws HushError for what cannot be stored and given back as it came. */
function namesOf(value: unknown, depth: number): number {
  if (typeof value === 'string') {
    if (/\p{Surrogate}/u.test(value)) {
      throw invalid('a text holds half of a character', 'body', 'send whole characters: \\ud83d\\ude00, not \\ud83d');
    }
    return 0;
  }
  if (value === null || typeof value !== 'object') return 0;
  if (depth === DEEPEST) throw invalid(`the body is nested deeper than ${DEEPEST} levels`, 'body', 'nest less');
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + namesOf(item, depth + 1), 0);
  const entries = Object.entries(value);
  return entries.reduce((sum, [name, item]) => sum + namesOf(name, depth) + namesOf(item, depth + 1), entries.length);
}

/** The first name that its object has twice, as a path. Only for text that is known to be JSON. */
function nameGivenTwice(text: string): string {
  const open: { names: Set<string> | undefined; at: string }[] = [];
  let last = '';
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const inner = open.at(-1);
    if (token === '{' || token === '[') {
      if (inner && !inner.names && inner.at === '') inner.at = '0';
      open.push({ names: token === '{' ? new Set() : undefined, at: '' });
    } else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && inner && !inner.names) inner.at = String(Number(inner.at) + 1);
    else if (token === ':' && inner?.names) {
      inner.at = String(JSON.parse(last));
      if (inner.names.has(inner.at)) return open.map(({ at }) => at).join('.');
      inner.names.add(inner.at);
    } else last = token;
  }
  return 'body';
}

/**
 * JSON that can be read in one way only (RFC 8259 §4: "names within an object SHOULD be unique"; I-JSON, RFC 7493): a name
 * given twice could be an opt-out of one person to a proxy and of another to us.
 *
 * Throws HushError `invalid`.
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('The body is not JSON.', 'body', 'send one JSON object in UTF-8');
  }
  if (namesOf(value, 0) !== namesIn(text)) {
    const field = nameGivenTwice(text);
    throw invalid(`${field} is given twice`, field, 'give every field once');
  }
  return value;
}

/** Text of bytes that have to be UTF-8, without a byte order mark. Throws HushError `invalid`. */
export function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid('The body is not UTF-8.', 'body', 'send UTF-8');
  }
}

/**
 * Reads a JSON body into `request.body`. At most `limit` octets, as body-parser writes them: `5mb`. What `quick` makes of the
 * bytes is taken as it is, and returned; it says undefined of what it does not know.
 */
export function readJsonBody(
  limit: string,
): <Value>(
  request: Request,
  response: Response,
  quick?: (bytes: Buffer) => Value | undefined,
) => Promise<Value | undefined> {
  const raw = express.raw({ limit, type: ['application/json', 'application/*+json'] });
  return async (request, response, quick) => {
    await new Promise<void>((resolve, reject) => {
      raw(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
    });
    if (!Buffer.isBuffer(request.body)) return undefined;
    const charset = /;\s*charset="?([^";\s]+)/i.exec(request.get('content-type') ?? '')?.[1];
    if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
      throw invalid(`JSON is UTF-8, not ${charset.slice(0, 20)}`, 'content-type', 'send application/json in UTF-8');
    }
    const known = quick?.(request.body);
    request.body = known ?? parseJson(utf8(request.body));
    return known;
  };
}
