/** Header fields: RFC 5322 §2.2 unfolding and RFC 2047 encoded words, bounded and forgiving. */

/** One header block: names in lower case, values unfolded, in the order of the message. */
export interface Headers {
  readonly fields: readonly (readonly [name: string, value: string])[];
}

const MAX_FIELDS = 1000;
/** RFC 5322 has lines of 998; folded Received and DKIM fields reach a few thousand. Longer is an attack or garbage. */
const MAX_VALUE = 16_384;
const FIELD = /^([!-9;-~]{1,100})[ \t]{0,8}:/;

/** Parses a header block given as lines without line ends. Lines that are no field are skipped. */
export function parseHeaders(lines: readonly string[]): Headers {
  const fields: [string, string][] = [];
  for (const line of lines) {
    const last = fields.at(-1);
    if (/^[ \t]/.test(line)) {
      if (last && last[1].length < MAX_VALUE)
        last[1] = trimBlanks(`${last[1]} ${trimBlanks(line.slice(0, MAX_VALUE))}`);
      continue;
    }
    const name = FIELD.exec(line)?.[1];
    if (name === undefined || fields.length >= MAX_FIELDS) continue;
    fields.push([name.toLowerCase(), trimBlanks(line.slice(line.indexOf(':') + 1, MAX_VALUE))]);
  }
  return { fields };
}

/** `String.trim` would take the byte A0 for a blank, which ends letters of UTF-8. */
function trimBlanks(text: string): string {
  return text.replace(/^[ \t\r]+/, '').replace(/(?<![ \t\r])[ \t\r]+$/, '');
}

/** First value of a field, or the empty string. */
export function header(headers: Headers, name: string): string {
  return headers.fields.find(([n]) => n === name)?.[1] ?? '';
}

export function headerAll(headers: Headers, name: string): string[] {
  return headers.fields.filter(([n]) => n === name).map(([, value]) => value);
}

/** Decodes bytes of a named charset; an unknown name is read as UTF-8, then as Latin-1. Never throws. */
export function decodeBytes(bytes: Buffer, charset: string): string {
  for (const label of [charset.trim().toLowerCase() || 'utf-8', 'utf-8']) {
    try {
      return new TextDecoder(label, { fatal: label === 'utf-8' && charset === '' }).decode(bytes);
    } catch {
      // Unknown label, or not UTF-8 after all.
    }
  }
  return bytes.toString('latin1');
}

/** Quoted-printable to bytes, RFC 2045 §6.7; what is not valid is kept as it stands. */
export function decodeQuotedPrintable(text: string): Buffer {
  const joined = text.replace(/[ \t]{0,76}=[ \t]{0,76}\r?\n/g, (soft) => soft.slice(0, soft.indexOf('=')));
  return Buffer.from(
    joined.replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
}

/** A message is read as one character a byte; bytes that are no UTF-8 stay Latin-1. */
function decodeUtf8(value: string): string {
  if (!/[\u0080-\u00ff]/.test(value) || /[\u0100-\uffff]/.test(value)) return value;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}

const ENCODED_WORD = /=\?([A-Za-z0-9_-]{1,40})(?:\*[A-Za-z-]{1,20})?\?([BbQq])\?([!->@-~]{0,2000})\?=/g;

/**
 * RFC 2047 §6, and RFC 6532 for headers in plain UTF-8. White space between two encoded words goes; what decodes to a
 * control character is a blank.
 */
export function decodeWords(value: string): string {
  return decodeUtf8(value.slice(0, MAX_VALUE))
    .replace(/\?=[ \t]{1,20}=\?/g, '?==?')
    .replace(ENCODED_WORD, (_, charset: string, encoding: string, text: string) =>
      decodeBytes(
        encoding.toUpperCase() === 'B' ? Buffer.from(text, 'base64') : decodeQuotedPrintable(text.replaceAll('_', ' ')),
        charset,
      ),
    )
    .replace(/\p{Cc}+/gu, ' ');
}
