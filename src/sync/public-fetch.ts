import { type LookupAddress, lookup } from 'node:dns';
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import { isIP } from 'node:net';
import { isPublicAddress } from '../core/ip-address.js';
import { ProviderError } from './provider-error.js';

/** A receiver of notifications has no reason to answer with more. */
const MAX_ANSWER = 1024 * 1024;

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
