import { decodePercent } from '../core/token-text.js';

/** A path with a token as we write it: nothing to do. */
const WHOLE = /^\/(?:u|p|confirm|rights|access)\/[A-Za-z0-9_-]+(?:\?|$)/;
/** One that came through mail: another letter case, more slashes or backslashes, dots before it, anything behind it. */
const DAMAGED = /^[/\\.]*(u|p|confirm|rights|access)[/\\]+(.+)$/is;
/** RFC 9112 §3.2.2: a server takes the absolute form from anybody. */
const ABSOLUTE = /^https?:\/\/[^/\\?#]*/i;

/**
 * The request target of a link with what mail does to URLs on their way undone, but for the token itself, which is read
 * leniently (`openLink`). Any other target comes back as it is. Never throws.
 *
 * @example mendLinkTarget('//U/7k3m9q.?lang=es') // '/u/7k3m9q.?lang=es'
 */
export function mendLinkTarget(target: string): string {
  if (WHOLE.test(target)) return target;
  const [path = ''] = target.split('?', 1);
  const [, route, rest] = DAMAGED.exec(decodePercent(path.replace(ABSOLUTE, ''))) ?? [];
  if (route === undefined || rest === undefined) return target;
  // What is not printable ASCII is no part of a token; where a line was folded, the fold is found again as a blank.
  const token = encodeURIComponent(rest.replace(/[^\x21-\x7e]+/g, ' '));
  return `/${route.toLowerCase()}/${token}${target.slice(path.length)}`;
}
