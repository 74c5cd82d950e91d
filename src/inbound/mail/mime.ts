/**
 * A bounded MIME reader (RFC 2045, 2046). mailparser builds every attachment and follows every level; a message that comes
 * from anybody wants a reader that stops: at a depth, a number of parts, and a number of bytes.
 */
import { htmlPieces } from '../../mail/html-pieces.js';
import { decodeBytes, decodeQuotedPrintable, type Headers, header, parseHeaders } from './headers.js';

/** Larger messages are cut here before anything is read. */
const MAX_MESSAGE_BYTES = 10 * 1024 * 1024;
/** A report, its status fields and the headers of the original come first; what follows is our own attachment. */
export const MAX_READ_BYTES = 1024 * 1024;
const MAX_DEPTH = 12;
const MAX_PARTS = 60;
const MAX_LINES = 50_000;
/** What one part may contribute as text. */
const MAX_PART_CHARS = 256 * 1024;

/** A leaf of the MIME tree, decoded. */
export interface Part {
  /** `text/plain` and so on, in lower case. */
  type: string;
  text: string;
  /** Set when the part lies directly in a multipart/alternative. */
  alternative: boolean;
}

export interface Entity {
  headers: Headers;
  parts: Part[];
  /** Body as it came, without decoding; for reports whose MIME is broken. */
  rawBody: string;
}

interface Budget {
  parts: number;
}

/** Reads a message. Never throws; bytes past the limits are left out. */
export function readMessage(raw: Buffer): Entity {
  const text = raw.subarray(0, Math.min(MAX_MESSAGE_BYTES, MAX_READ_BYTES)).toString('latin1');
  const lines = text.replaceAll('\0', '').split(/\r\n|\n|\r/, MAX_LINES);
  while (lines.length > 1 && (lines[0]?.trim() === '' || lines[0]?.startsWith('From '))) lines.shift();
  return readEntity(lines);
}

/** Reads a message that is already text, such as the body of a message/rfc822 part. */
export function readEmbedded(text: string): Entity {
  return readMessage(Buffer.from(text, 'utf8'));
}

function readEntity(lines: string[]): Entity {
  const blank = lines.indexOf('');
  const head = blank < 0 ? lines : lines.slice(0, blank);
  const body = blank < 0 ? [] : lines.slice(blank + 1);
  const headers = parseHeaders(head);
  const parts: Part[] = [];
  collect(headers, body, false, 0, parts, { parts: MAX_PARTS });
  return { headers, parts, rawBody: body.join('\n').slice(0, MAX_PART_CHARS) };
}

function collect(headers: Headers, body: string[], alternative: boolean, depth: number, out: Part[], budget: Budget) {
  if (budget.parts-- <= 0) return;
  const contentType = header(headers, 'content-type');
  const type = mediaType(contentType);
  const boundary = type.startsWith('multipart/') ? parameter(contentType, 'boundary') : '';
  const pieces = boundary && depth < MAX_DEPTH ? splitParts(body, boundary) : [];
  if (pieces.length === 0) {
    out.push({
      type: type.startsWith('multipart/') ? 'text/plain' : type,
      text: decodeBody(headers, body, contentType),
      alternative,
    });
    return;
  }
  for (const piece of pieces) {
    const { headers: inner, body: rest } = splitPart(piece);
    collect(inner, rest, type === 'multipart/alternative', depth + 1, out, budget);
  }
}

/** RFC 2046 §5.1.1; a missing closing delimiter is common in bounces that were cut. */
function splitParts(body: readonly string[], boundary: string): string[][] {
  const delimiter = `--${boundary}`;
  const pieces: string[][] = [];
  let current: string[] | undefined;
  for (const line of body) {
    if (line.startsWith(delimiter)) {
      const rest = line.slice(delimiter.length).trim();
      if (rest === '--') break;
      if (rest === '') {
        if (pieces.length >= MAX_PARTS) break;
        current = [];
        pieces.push(current);
        continue;
      }
    }
    current?.push(line);
  }
  return pieces;
}

/**
 * Splits a part into its headers and body. Some gateways put the returned message where the part's own headers belong; a
 * block of mail headers without a Content-Type is therefore taken as the message itself.
 */
function splitPart(lines: string[]): { headers: Headers; body: string[] } {
  const blank = lines.indexOf('');
  const head = blank < 0 ? lines : lines.slice(0, blank);
  const headers = parseHeaders(head);
  if (headers.fields.length === 0 && blank !== 0) return { headers, body: lines };
  const names = new Set(headers.fields.map(([name]) => name));
  if (names.has('received') && names.has('from')) {
    return { headers: parseHeaders(['Content-Type: message/rfc822']), body: lines };
  }
  return { headers, body: blank < 0 ? [] : lines.slice(blank + 1) };
}

function decodeBody(headers: Headers, body: readonly string[], contentType: string): string {
  const text = body.join('\n').slice(0, MAX_PART_CHARS);
  const encoding = header(headers, 'content-transfer-encoding').toLowerCase();
  let bytes = Buffer.from(text, 'latin1');
  if (encoding.startsWith('quoted-printable')) bytes = Buffer.from(decodeQuotedPrintable(text));
  else if (encoding.startsWith('base64') && /^[A-Za-z0-9+/=\s]*$/.test(text.slice(0, 2000))) {
    bytes = Buffer.from(text, 'base64');
  }
  return decodeBytes(bytes, parameter(contentType, 'charset')).replaceAll('\r\n', '\n').replaceAll('\0', '');
}

/** `Text/Plain; charset=x` → `text/plain`. Without a type, RFC 2045 §5.2 says text/plain. */
export function mediaType(contentType: string): string {
  return /^\s*([A-Za-z0-9.+-]{1,60}\/[A-Za-z0-9.+-]{1,80})/.exec(contentType)?.[1]?.toLowerCase() ?? 'text/plain';
}

/** A parameter of a structured header, RFC 2045 §5.1; quoted or bare. */
export function parameter(value: string, name: string): string {
  for (const piece of splitOutsideQuotes(value).slice(1, 40)) {
    const equals = piece.indexOf('=');
    if (equals < 0 || piece.slice(0, equals).trim().toLowerCase() !== name) continue;
    const raw = piece.slice(equals + 1).trim();
    return raw.startsWith('"') ? raw.slice(1).split('"', 1)[0]!.trim() : raw.split(/[\s;]/, 1)[0]!;
  }
  return '';
}

function splitOutsideQuotes(value: string): string[] {
  const pieces: string[] = [''];
  let quoted = false;
  for (const char of value.slice(0, 4000)) {
    if (char === '"') quoted = !quoted;
    if (char === ';' && !quoted) pieces.push('');
    else pieces[pieces.length - 1] += char;
  }
  return pieces;
}

/** Elements that begin a line where they open and where they close. */
const BLOCKS = new Set(['br', 'p', 'div', 'tr', 'li', 'h1', 'h2', 'h3', 'table', 'pre']);

/** Text of an HTML part: tags out, blocks to lines. Time grows with its length only. */
export function htmlToText(html: string): string {
  return htmlPieces(html)
    .map((piece) => (piece.kind === 'text' ? piece.text : BLOCKS.has(piece.tag) ? '\n' : ''))
    .join('');
}
