import ipaddr from 'ipaddr.js';

/** Everything that is routed on the public internet lies in it (RFC 4291 §2.4). */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');

function parse(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  // Not the other notations of IPv4 (`127.1`, `0x7f.1`): no address of a connection is written so.
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  return ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}

/**
 * True for an address that everybody on the internet can reach: one of unicast without another purpose.
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
export function isPublicAddress(text: string): boolean {
  const address = parse(text);
  if (address?.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv4 || address.match(GLOBAL_UNICAST);
}

/** A network rather than one address: /24 of IPv4, /64 of IPv6, which one customer has whole. `unknown` for no address. */
export function networkOf(text: string): string {
  const address = parse(text);
  if (!address) return 'unknown';
  const plain = address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
  if (plain instanceof ipaddr.IPv4) return plain.octets.slice(0, 3).join('.');
  return plain.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':');
}
