import { type LookupAddress, lookup } from 'node:dns';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { BlockList, isIP } from 'node:net';
import { ProviderError } from './provider-error.js';

/** Addresses that are not on the public internet. @see https://www.iana.org/assignments/iana-ipv4-special-registry */
const RESERVED = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  RESERVED.addSubnet(net, bits, 'ipv4');
}
/** Global unicast is 2000::/3; NAT64 and 6to4 reach IPv4 through it. */
const GLOBAL = new BlockList();
GLOBAL.addSubnet('2000::', 3, 'ipv6');
for (const [net, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  RESERVED.addSubnet(net, bits, 'ipv6');
}

/** Nobody who is merely told needs to say more. */
const MAX_ANSWER = 1024 * 1024;

/** True for an address that everybody on the internet can reach. */
export function isPublicAddress(ip: string): boolean {
  if (isIP(ip) === 4) return !RESERVED.check(ip, 'ipv4');
  return isIP(ip) === 6 && GLOBAL.check(ip, 'ipv6') && !RESERVED.check(ip, 'ipv6');
}

const refused = () =>
  new ProviderError('credentials', 'the URL leads to a private address: set allowPrivate if that is meant');

/**
 * A `fetch` that only connects to public addresses. The check is made on the very addresses connected to, so that a name
 * that resolves differently the second time gets nowhere. Follows no redirect.
 */
export async function publicFetch(url: string, init: RequestInit): Promise<Response> {
  const to = new URL(url);
  const literal = to.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw refused();
  return new Promise((resolve, reject) => {
    const asked = (to.protocol === 'https:' ? secure : plain)(
      to,
      {
        method: init.method ?? 'GET',
        headers: Object.fromEntries(new Headers(init.headers)),
        ...(init.signal ? { signal: init.signal } : {}),
        agent: false,
        lookup(host, options, done) {
          lookup(host, { ...options, all: true }, (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => {
            const first = found?.[0];
            if (error || !first) return done(error ?? new Error('the name has no address'), '', 4);
            if (!found.every((one) => isPublicAddress(one.address))) return done(refused(), '', 4);
            // Node asks for all of them when it tries IPv6 and IPv4 side by side.
            if (options.all) return done(null, found);
            done(null, first.address, first.family);
          });
        },
      },
      (answer) => {
        const parts: Buffer[] = [];
        let length = 0;
        answer.on('data', (part: Buffer) => {
          length += part.length;
          if (length > MAX_ANSWER) asked.destroy(new Error('the answer is too long'));
          else parts.push(part);
        });
        answer.on('error', reject);
        answer.on('end', () => {
          const status = answer.statusCode ?? 0;
          const body = status === 204 || status === 304 ? null : new Uint8Array(Buffer.concat(parts));
          const headers = Object.entries(answer.headers).flatMap(([name, value]): [string, string][] =>
            value === undefined ? [] : [[name, String(value)]],
          );
          resolve(new Response(body, { status, headers }));
        });
      },
    );
    asked.on('error', reject);
    asked.end(init.body ?? undefined);
  });
}
