import type { Links } from '../../preferences/links.js';
import { findAddresses } from './address.js';
import type { InboundAddresses, Proof } from './inbound-address.js';
import type { OriginalMessage } from './returned.js';

/** Headers of our own message that carry a token when we sent it. */
const CARRIERS = ['list-unsubscribe', 'return-path', 'errors-to', 'x-envelope-from', 'x-return-path', 'cfbl-address'];
/** The path of a link. The host is not compared: the token's own seal says whether it is ours. */
const LINK = /\/[up]\/+([^\s<>,"]{20,4096})/gi;
/** Tokens looked at in one message: a forger may write thousands. */
const MAX_LINKS = 20;

/** Every genuine token in the headers of the message that came back. */
export function proofsIn(
  original: OriginalMessage | undefined,
  parts: { readonly addresses: InboundAddresses; readonly links: Pick<Links, 'read'>; readonly now: number },
): Proof[] {
  if (!original) return [];
  return CARRIERS.flatMap((name) => {
    const value = original.headers.get(name);
    if (value === undefined) return [];
    const through = name === 'list-unsubscribe' ? 'list_unsubscribe' : 'return_path';
    const linked = [...value.matchAll(LINK)].slice(0, MAX_LINKS).flatMap(([, token = '']): Proof[] => {
      const link = parts.links.read(token, parts.now);
      if (link?.kind !== 'mailed') return [];
      return [
        {
          key: link.key,
          scope: link.scope,
          through,
          point: link.point,
          brand: link.brand.id,
          ...(link.reference === '' ? {} : { campaign: link.reference }),
        },
      ];
    });
    const written = findAddresses(value.replaceAll('?', ' '))
      .slice(0, MAX_LINKS)
      .flatMap((address): Proof[] => {
        const token = parts.addresses.read(address)?.token;
        return token && token !== 'forged' ? [{ ...token, through }] : [];
      });
    return [...linked, ...written];
  });
}

/** Local parts that feedback loops, and our own placeholder, put in place of a person's. */
const HIDDEN = /redact|undisclosed|anonym|hidden|^[x*•.-]{3,}$/i;

/**
 * True where a complaint hides its recipient (RFC 5965 §4, RFC 6590: the local part replaced, the domain often left). The
 * token then says who it was.
 */
export function isRedacted(address: string, proof: Proof): boolean {
  const at = address.lastIndexOf('@');
  if (HIDDEN.test(address.slice(0, at))) return true;
  const domain = address.slice(at + 1).toLowerCase();
  return proof.point?.type === 'email' && proof.point.normalised.endsWith(`@${domain}`);
}
