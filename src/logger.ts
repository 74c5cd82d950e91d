import pino, { type Logger } from 'pino';

/** What looks like an address, a phone number, a token or a key. */
const PERSONAL = [
  /"[^"]{0,128}"(?:@|%40)[^\s"'<>,;()[\]{}]{1,255}/gu,
  /[^\s"'<>,;:()[\]{}=]{1,320}(?:@|%40)[^\s"'<>,;()[\]{}]{1,255}/gu,
  /\+?\d[\d\s().-]{8,}\d/g,
  /[A-Za-z0-9_-]{40,}|[A-Za-z0-9]{32,}/g,
];

/** A text that may quote somebody's words, with whatever looks personal taken out. */
export function withoutAddresses(text: string): string {
  return PERSONAL.reduce((shown, pattern) => shown.replace(pattern, '[…]'), text);
}

/** A path as it may be logged: without tokens, ids and addresses, wherever somebody put them. */
export function safePath(url: string): string {
  const [pathname = '/'] = url.split('?');
  return pathname
    .split('/')
    .map((part) => (part.length > 12 || /@|%40|\d{5}/i.test(part) ? '[…]' : part))
    .join('/')
    .slice(0, 120);
}

function errorFields(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: withoutAddresses(String(error)).slice(0, 500) };
  return {
    type: error.name,
    message: withoutAddresses(error.message).slice(0, 500),
    ...('code' in error ? { code: error.code } : {}),
    stack: withoutAddresses(error.stack ?? '')
      .split('\n')
      .filter((line) => line.trimStart().startsWith('at '))
      .slice(0, 12)
      .join('\n'),
    ...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
  };
}

/** The one logger: JSON lines, and no address or token in any of them. */
export function createLog(level: string): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: errorFields } });
}
