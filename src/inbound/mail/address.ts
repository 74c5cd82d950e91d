/** Finding a mail address in a header, a status field or a line of prose. */

/** Longer than the 64 of RFC 5321 §4.5.3.1.1: servers deliver to more. A dot at its ends is part of it, as in `.jane@ezweb.ne.jp`. */
const LOCAL = '[^\\s@<>()\\[\\],;:"\\\\]{1,240}';
const DOMAIN = '(?:[\\p{L}\\p{N}_](?:[\\p{L}\\p{N}_-]{0,62})(?:\\.[\\p{L}\\p{N}_](?:[\\p{L}\\p{N}_-]{0,62})){1,20})';
const BARE = new RegExp(`^${LOCAL}@${DOMAIN}$`, 'u');
const QUOTED = new RegExp(`^"[^"\\x00-\\x1f]{1,62}"@${DOMAIN}$`, 'u');
const LITERAL = new RegExp(`^${LOCAL}@\\[(?:[0-9.]{7,15}|IPv6:[0-9A-Fa-f:.]{2,45})\\]$`, 'u');
/** RFC 5321 §4.5.3.1.3 leaves 254 octets for an address. */
const MAX_ADDRESS = 254;

/** Whether the text is one address and nothing else, with a domain that could be on the internet. */
export function isAddress(text: string): boolean {
  if (text.length > MAX_ADDRESS || text.length < 5) return false;
  if (LITERAL.test(text)) return true;
  if (!BARE.test(text) && !QUOTED.test(text)) return false;
  return /\.[\p{L}][\p{L}\p{N}-]{1,62}$/u.test(text);
}

/** The first address in the text: in angle brackets if there is one, else the first word that is an address. */
export function findAddress(text: string): string | undefined {
  const short = text.slice(0, 2000);
  for (let open = short.indexOf('<'); open >= 0; open = short.indexOf('<', open + 1)) {
    const close = short.indexOf('>', open);
    if (close < 0) break;
    const inside = clean(short.slice(open + 1, close));
    if (isAddress(inside)) return inside;
  }
  const quoted = /"[^"\s]{1,62}"@[^\s<>,;"]{3,190}/.exec(short)?.[0];
  if (quoted !== undefined && isAddress(clean(quoted))) return clean(quoted);
  for (const word of short.split(/[\s<>(),;]+/, 400)) {
    const candidate = clean(word);
    if (isAddress(candidate)) return candidate;
  }
  return undefined;
}

/** Every address in a header such as To. */
export function findAddresses(text: string): string[] {
  const found = new Set<string>();
  for (const word of text.slice(0, 8000).split(/[\s<>(),;"]+/, 1000)) {
    const candidate = clean(word);
    if (isAddress(candidate)) found.add(candidate);
  }
  return [...found];
}

function clean(word: string): string {
  const bare = word.trim().replace(/^(?:mailto:|smtp:|rfc822;)/i, '');
  const start = /^[\s<>[\](){}`';:*]*/.exec(bare)?.[0].length ?? 0;
  let end = bare.length;
  while (end > start && "<>[](){}`';:.,*\r\n ".includes(bare[end - 1]!)) {
    if (bare[end - 1] === ']' && bare.includes('@[')) break;
    end--;
  }
  return bare.slice(start, end);
}

/**
 * The address of a Final-Recipient or Original-Recipient field, `type; address` (RFC 3464 §2.3.1). `utf-8` addresses carry
 * `\x{…}` (RFC 6533 §3), `rfc822` ones may still be in the xtext of ORCPT (RFC 3461 §4).
 */
export function recipientAddress(field: string): string | undefined {
  const semicolon = field.indexOf(';');
  const type = semicolon < 0 ? 'rfc822' : field.slice(0, semicolon).trim().toLowerCase();
  const value = semicolon < 0 ? field : field.slice(semicolon + 1);
  if (type === 'x-unix' || type === 'x400') return undefined;
  const address = findAddress(type === 'utf-8' ? decodeUnitext(value) : value);
  return address === undefined ? undefined : decodeXtext(address);
}

function decodeUnitext(text: string): string {
  return text.replace(/\\x\{([0-9A-Fa-f]{2,6})\}/g, (whole, hex: string) => {
    const point = Number.parseInt(hex, 16);
    return point > 0x20 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)
      ? String.fromCodePoint(point)
      : whole;
  });
}

/** xtext must write `+` as +2B and `=` as +3D, so an address with any other plus sign is not in xtext. */
function decodeXtext(address: string): string {
  if (!/\+(?:2B|3D)/.test(address) || /\+(?!2B|3D)/.test(address)) return address;
  const decoded = address.replaceAll('+2B', '+').replaceAll('+3D', '=');
  return isAddress(decoded) ? decoded : address;
}
