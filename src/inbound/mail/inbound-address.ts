import { domainToASCII } from 'node:url';
import { brandByCode, brandById, type Catalog, topicByCode, topicById } from '../../core/catalog.js';
import type { ContactPoint } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import type { Channel, Purpose, Scope, ScopePurpose } from '../../core/scope.js';
import { openShort, sealShort } from '../../core/token.js';
import { decodePercent } from '../../core/token-text.js';

/** What a genuine token says: that we wrote to this contact, and about what. */
export interface Proof {
  readonly key: Buffer;
  readonly scope: Scope;
  /** Where the token was found. */
  readonly through: 'recipient' | 'return_path' | 'list_unsubscribe';
  /** The address itself, where the token holds it (a one-click link does). */
  readonly point?: ContactPoint;
  readonly brand?: string;
  readonly campaign?: string;
}

/** An address at our inbound domain, understood. */
export interface InboundAddress {
  /** `unsubscribe` is for people and their mail programs; `returned` for reports about mail we sent. */
  readonly role: 'unsubscribe' | 'returned';
  /** Undefined where there is none in the address. */
  readonly token: Proof | 'forged' | undefined;
}

/** Local parts without a token. RFC 2142 §4 and RFC 5321 §4.5.1 want `abuse` and `postmaster` to be reachable. */
const PLAIN: ReadonlyMap<string, InboundAddress['role']> = new Map([
  ['unsubscribe', 'unsubscribe'],
  ['bounce', 'returned'],
  ['bounces', 'returned'],
  ['fbl', 'returned'],
  ['abuse', 'returned'],
  ['postmaster', 'returned'],
]);

/** What stands before a token. `u` is written since its URL has to fit a line; `unsubscribe` before that, and for ever. */
const TAGS: ReadonlyMap<string, InboundAddress['role']> = new Map([
  ['u', 'unsubscribe'],
  ['unsubscribe', 'unsubscribe'],
  ['bounce', 'returned'],
  ['fbl', 'returned'],
]);
/** `+` as we write it; `-` where a mail host has that for its subaddresses; a blank where a form decoded the `+`. */
const TAGGED = /^([a-z]+)[+\- ](.*)$/is;
/** What programs leave behind a domain: `>`, `?subject=…`, a full stop. */
const AFTER_DOMAIN = /[^\p{L}\p{M}\p{N}.-].*$|\.+$/su;

/** What an envelope sender is to say. */
export interface ReturnPathRequest {
  readonly point: ContactPoint;
  readonly brand: string;
  readonly channel: Channel;
  readonly purpose: Purpose;
  readonly topic: string;
}

/** Reads and writes the addresses at which mail comes back: `u+TOKEN@`, `bounce+TOKEN@` and `fbl+TOKEN@` the inbound domain. */
export function createInboundAddresses(parts: { readonly keyring: Keyring; readonly catalog: Catalog }) {
  const { keyring, catalog } = parts;
  const domain = domainToASCII(catalog.group.inboundDomain);

  function proofOf(token: string): Proof | undefined {
    const content = openShort(keyring, token);
    if (!content) return undefined;
    // Brands and topics are retired, never removed. Should one be missing all the same, a genuine "no" counts for all.
    const brand = brandByCode(catalog, content.brandCode)?.id;
    const topic = topicByCode(catalog, content.topicCode)?.id ?? '*';
    return {
      key: Buffer.from(content.contact),
      scope: { brand: brand ?? '*', channel: content.channel, purpose: content.purpose, topic },
      through: 'recipient',
      ...(brand === undefined ? {} : { brand }),
    };
  }

  return {
    /** Undefined for an address that is not ours: another domain, or a local part that means nothing here. */
    read(address: string): InboundAddress | undefined {
      const text = decodePercent(address).trim();
      const at = text.lastIndexOf('@');
      if (at < 1 || domainToASCII(text.slice(at + 1).replace(AFTER_DOMAIN, '')) !== domain) return undefined;
      const local = text.slice(0, at).replace(/^"(.*)"$/s, '$1');
      const plain = PLAIN.get(local.toLowerCase());
      if (plain) return { role: plain, token: undefined };
      const [, tag = '', token = ''] = TAGGED.exec(local) ?? [];
      const role = TAGS.get(tag.toLowerCase());
      return role && { role, token: proofOf(token) ?? 'forged' };
    },

    /**
     * The envelope sender (VERP) of one message: a bounce that comes back to it proves which contact we wrote to. 44
     * octets before the @, of the 64 that RFC 5321 §4.5.3.1.1 allows.
     *
     * @example addresses.returnPath({ point, brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'news' })
     * // 'bounce+0d8v…@preferences.example.com'
     */
    returnPath({ point, brand, channel, purpose, topic }: ReturnPathRequest): string {
      const about: ScopePurpose = purpose === 'service' || purpose === 'legal' ? 'marketing' : purpose;
      const found = brandById(catalog, brand);
      const aboutTopic = topic === '*' ? undefined : topicById(catalog, topic);
      if (!found || (topic !== '*' && !aboutTopic)) {
        throw new HushError('invalid', found ? `there is no topic ${topic}` : `there is no brand ${brand}`, {
          field: found ? 'topic' : 'brand',
          remedy: 'use one of the catalog',
        });
      }
      const token = sealShort(keyring, {
        contact: contactKeyBytes(keyring, point),
        brandCode: found.code,
        topicCode: aboutTopic?.code ?? 0,
        channel,
        purpose: about,
      });
      return `bounce+${token}@${catalog.group.inboundDomain}`;
    },
  };
}

export type InboundAddresses = ReturnType<typeof createInboundAddresses>;
