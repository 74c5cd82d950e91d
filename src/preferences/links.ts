import { createHmac } from 'node:crypto';
import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import {
  type Brand,
  brandByCode,
  brandById,
  type Catalog,
  type Topic,
  topicByCode,
  topicById,
} from '../core/catalog.js';
import type { ContactPoint } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { contactKeyBytes, type Keyring } from '../core/keys.js';
import type { Channel, Purpose, Scope, ScopePurpose } from '../core/scope.js';
import { sealedContact } from '../core/sealed-contact.js';
import { type LinkKind, openLink, sealLink, sealShort } from '../core/token.js';

/** A fresh link lives for so long (ms). */
export const FRESH_FOR = 30 * 60_000;
/** A fresh link to one address: a few a day for each who asks for it, not two at once. */
export const LINK_QUOTA = { perDay: 3, everyMs: 5 * 60_000 } as const;
/** An undo link in a mail lives for so long (ms): long enough for a holiday. */
export const UNDO_FOR = 30 * DAY_MS;

export interface LinkRequest {
  readonly point: ContactPoint;
  readonly brand: string;
  readonly channel: Channel;
  readonly purpose: Purpose;
  readonly topic: string;
  readonly campaign: string;
}

export interface MailLinks {
  readonly oneClickUrl: string;
  readonly preferencesUrl: string;
  readonly headers: {
    readonly 'List-Unsubscribe': string;
    readonly 'List-Unsubscribe-Post': string;
    /** RFC 9477: where a mailbox provider sends complaints about this message. */
    readonly 'CFBL-Address': string;
  };
}

/** A link somebody followed, understood. */
export interface Link {
  readonly token: string;
  readonly kind: LinkKind;
  readonly brand: Brand;
  readonly topic: Topic | undefined;
  readonly point: ContactPoint;
  readonly key: Buffer;
  /** What the link is about: what one-click denies. */
  readonly scope: Scope;
  readonly reference: string;
  readonly expires?: number;
  /** Names the link as the source of what is done through it, so that it can undo that and nothing else. */
  readonly tag: string;
}

/** Whether the time of a link is over at `now` (ms). What denies counts even then. */
export function isOver({ expires }: Pick<Link, 'expires'>, now: number): boolean {
  return expires !== undefined && expires <= now;
}

interface LinkContext {
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly publicUrl: () => string;
}

/** The numbers that stand for a brand and a topic in a token. Throws HushError('invalid') for unknown ones. */
function codesOf(catalog: Catalog, brand: string, topic: string): { brandCode: number; topicCode: number } {
  const found = brandById(catalog, brand);
  if (!found)
    throw new HushError('invalid', `there is no brand ${brand}`, {
      field: 'brand',
      remedy: 'use a brand of the catalog',
    });
  if (topic === '*') return { brandCode: found.code, topicCode: 0 };
  const about = topicById(catalog, topic);
  if (!about)
    throw new HushError('invalid', `there is no topic ${topic}`, {
      field: 'topic',
      remedy: 'use a topic of the catalog',
    });
  return { brandCode: found.code, topicCode: about.code };
}

function sealToken(
  { keyring, catalog }: LinkContext,
  {
    kind,
    point,
    scope,
    reference,
    expires,
  }: Pick<Link, 'kind' | 'point' | 'scope' | 'reference'> & { expires?: number },
): string {
  return sealLink(keyring, {
    kind,
    ...codesOf(catalog, scope.brand, scope.topic),
    channel: scope.channel,
    purpose: scope.purpose,
    contactType: point.type,
    address: point.given,
    reference,
    ...(expires === undefined ? {} : { expires }),
  });
}

function tagOf(keyring: Keyring, token: string): string {
  const hash = createHmac('sha256', keyring.lookup).update(`tag:${token}`).digest();
  return `link-${encodeBase32(hash.subarray(0, 5)).toLowerCase()}`;
}

/** The link of a token of ours, whether or not its time is over. */
function openToken({ keyring, catalog }: LinkContext, text: string): Link | undefined {
  const opened = openLink(keyring, text);
  if (!opened) return undefined;
  const { token, content } = opened;
  const brand = brandByCode(catalog, content.brandCode);
  const topic = content.topicCode === 0 ? undefined : topicByCode(catalog, content.topicCode);
  if (!brand || (content.topicCode !== 0 && !topic)) return undefined;
  const point = sealedContact(content.contactType, content.address, catalog.group.defaultCountry);
  return {
    token,
    kind: content.kind,
    brand,
    topic,
    point,
    key: contactKeyBytes(keyring, point),
    scope: { brand: brand.id, channel: content.channel, purpose: content.purpose, topic: topic?.id ?? '*' },
    reference: content.reference,
    tag: tagOf(keyring, token),
    ...(content.expires === undefined ? {} : { expires: content.expires }),
  };
}

function linksForMail(context: LinkContext, request: LinkRequest): MailLinks {
  const { keyring, catalog } = context;
  const { point, brand, channel, purpose, topic, campaign } = request;
  // A message about the account cannot be refused one by one; who presses its button wants less marketing.
  const about: ScopePurpose = purpose === 'service' || purpose === 'legal' ? 'marketing' : purpose;
  const scope: Scope = { brand, channel, purpose: about, topic };
  const token = sealToken(context, { kind: 'mailed', point, scope, reference: campaign });
  const contact = contactKeyBytes(keyring, point);
  const short = sealShort(keyring, { contact, ...codesOf(catalog, brand, topic), channel, purpose: about });
  const oneClickUrl = `${context.publicUrl()}/u/${token}`;
  const { inboundDomain } = catalog.group;
  return {
    oneClickUrl,
    preferencesUrl: `${context.publicUrl()}/p/${token}`,
    headers: {
      // Each URL fits a line of 78: longer ones Python's and other libraries write as encoded words, which no program reads.
      'List-Unsubscribe': `<${oneClickUrl}>, <mailto:u+${short}@${inboundDomain}>`,
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      'CFBL-Address': `fbl+${short}@${inboundDomain}; report=arf`,
    },
  };
}

/** What a link that is about everything of a brand is for. */
const wholeBrand = (brand: string): Scope => ({ brand, channel: '*', purpose: '*', topic: '*' });

/** Makes and reads the links in mail. They need no store: the address is inside, so a contact need not exist yet. */
export function createLinks(context: LinkContext) {
  function seal(kind: LinkKind, point: ContactPoint, scope: Scope, reference: string, expires?: number): string {
    return sealToken(context, { kind, point, scope, reference, ...(expires === undefined ? {} : { expires }) });
  }

  return {
    seal,
    open: (text: string): Link | undefined => openToken(context, text),

    /** The links and headers of one message. */
    forMail: (request: LinkRequest): MailLinks => linksForMail(context, request),

    /**
     * The link of a token, also of one that mail has damaged (see `openLink`). Undefined for one that is forged or from
     * another installation, and for one whose time is over. Never throws.
     */
    read(text: string, now: number): Link | undefined {
      const link = openToken(context, text);
      return link && isOver(link, now) ? undefined : link;
    },

    /** A token for a page that may lift denials and show data, for half an hour. */
    fresh(point: ContactPoint, brand: string, now: number): string {
      return seal('fresh', point, wholeBrand(brand), encodeBase32(context.keyring.randomBytes(10)), now + FRESH_FOR);
    },

    /** What a fresh link turns into once it is used: the same powers until the link's own end. */
    session(link: Link, until: number): string {
      return seal('session', link.point, wholeBrand(link.brand.id), link.reference, until);
    },

    /** A token that undoes one event of one contact. */
    undo(point: ContactPoint, brand: string, event: string, now: number): string {
      return seal('undo', point, wholeBrand(brand), event, now + UNDO_FOR);
    },

    confirm(point: ContactPoint, scope: Scope, id: string, expires: number): string {
      return seal('confirm', point, scope, id, expires);
    },
  };
}

export type Links = ReturnType<typeof createLinks>;
