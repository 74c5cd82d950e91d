import { type ContactPoint, normaliseContact } from '../../core/contact-point.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import { ALL_MARKETING, scopeText } from '../../core/scope.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import type { Links } from '../../preferences/links.js';
import { meaningOf } from '../sms/meaning.js';
import type { TextWords } from '../sms/text-words.js';
import { findAddress } from './address.js';
import type { InboundAddresses, Proof } from './inbound-address.js';
import { isRedacted, proofsIn } from './proof.js';
import { type Returned, type ReturnedKind, type ReturnedMail, UNDISCLOSED_RECIPIENT } from './returned.js';

/** `message`: words of a person, which only a person can read. */
export type FindingKind = ReturnedKind | 'message';

/** Why nothing is recorded, or not yet. */
export type Why = 'means_nothing' | 'forged_token' | 'no_proof' | 'nobody_named' | 'not_an_address';

/** The event a finding turns into, without what is the same for all of a message. */
export type FoundEvent = Pick<Draft, 'subject' | 'type' | 'scope' | 'kind' | 'link'>;

/** One thing a message says about one contact, and what follows from it. */
export interface Finding {
  readonly kind: FindingKind;
  /** As the message gives it; absent where only a token names the contact. */
  readonly address?: string;
  readonly reason?: string;
  readonly status?: string;
  readonly feedbackType?: string;
  readonly diagnostic?: string;
  readonly what:
    | {
        readonly act: 'record';
        readonly event: FoundEvent;
        readonly key: Buffer;
        readonly proof: Proof['through'] | 'own_word';
        /** The person gets a notice with an undo: nobody checked who wrote. */
        readonly notice?: ContactPoint;
      }
    | {
        readonly act: 'review';
        readonly why: Why;
        readonly point: ContactPoint;
        readonly key: Buffer;
        /** Whom a genuine token in the message names instead. */
        readonly tokenOf?: Buffer;
      }
    | { readonly act: 'ignore'; readonly why: Why };
}

interface Parts {
  readonly addresses: InboundAddresses;
  readonly links: Pick<Links, 'read'>;
  readonly keyring: Keyring;
  readonly country: string;
  /** The words people stop by, shared with texts. */
  readonly stopWords: TextWords;
}

/** Our own names for what machines call themselves; a reply from one is not a person's. */
const MACHINE = /^(?:mailer-daemon|postmaster|mail-daemon|noreply|no-reply|bounces?|double-bounce)(?:[+-].*)?@/i;

/**
 * What a message asks for. Two rules decide: a `mailto:` unsubscribe with a genuine token counts whoever sent it (its
 * holder may deny); a bounce or complaint counts only for the contact that a genuine token of ours names, or else waits.
 *
 * @param now ms since 1970
 */
export function findingsOf(mail: ReturnedMail, envelopeTo: readonly string[], now: number, parts: Parts): Finding[] {
  const { addresses, links, keyring, country, stopWords } = parts;
  const inboxes = [...new Set([...envelopeTo, ...mail.envelopeTo].map((address) => address.toLowerCase()))]
    .map((address) => addresses.read(address))
    .filter((address) => address !== undefined);
  const keyOf = (point: ContactPoint): Buffer => contactKeyBytes(keyring, point);
  const pointOf = (address: string | undefined): ContactPoint | undefined => {
    if (address === undefined || address === UNDISCLOSED_RECIPIENT) return undefined;
    try {
      return normaliseContact({ email: address }, country);
    } catch (error) {
      if (error instanceof HushError) return undefined;
      throw error;
    }
  };
  const fromAddress = findAddress(mail.from ?? '');
  const from = pointOf(fromAddress);

  const unsubscribeInboxes = inboxes.filter(({ role }) => role === 'unsubscribe');
  const genuine = unsubscribeInboxes.flatMap(({ token }) => (token && token !== 'forged' ? [token] : []));
  const optOuts = unique(genuine, ({ key, scope }) => `${key.toString('hex')} ${scopeText(scope)}`).map(
    (token): Finding => {
      const own = from && keyOf(from).equals(token.key) ? from : undefined;
      return {
        kind: 'opt_out',
        ...(own ? { address: own.given } : {}),
        reason: 'mailto',
        what: recorded(token, own, { type: 'opted_out', scope: token.scope }),
      };
    },
  );
  if (genuine.length === 0 && unsubscribeInboxes.some(({ token }) => token === 'forged')) {
    optOuts.push({ kind: 'opt_out', reason: 'mailto', what: { act: 'ignore', why: 'forged_token' } });
  }

  const proofs = [
    ...inboxes.flatMap(({ role, token }) => (role === 'returned' && token && token !== 'forged' ? [token] : [])),
    ...proofsIn(mail.original, { addresses, links, now }),
  ];
  const isOwnRequest = ({ kind, address }: Returned) =>
    kind === 'opt_out' && mail.original === undefined && address === fromAddress;
  const isPerson = asksBesideSigns(mail, stopWords);
  const reported = mail.recipients.filter(
    (returned) => !isOwnRequest(returned) && !(isPerson && returned.kind === 'auto_reply'),
  );
  const returned = reported.map((item): Finding => {
    const { kind, address, reason, status, feedbackType, diagnostic } = item;
    const facts = { kind, address, reason, ...optional({ status, feedbackType, diagnostic }) };
    return { ...facts, what: judge(item, pointOf(address), proofs, keyOf) };
  });

  const isOurs = from !== undefined && addresses.read(from.given) !== undefined;
  if (!from || isOurs || reported.length > 0 || optOuts.length > 0) return [...optOuts, ...returned];

  // Apple Mail writes `Auto-Submitted: auto-replied` on what a person sent with its button.
  const pressed = mail.recipients.some(isOwnRequest);
  const isMachine = mail.nullSender || MACHINE.test(from.given) || (mail.automatic !== 'no' && !isPerson);
  if (!pressed && isMachine) return [];
  // 16 CFR 316.5: a reply to an address of ours is all that may be asked for, so a person's own word counts at once.
  if (pressed || unsubscribeInboxes.some(({ token }) => token === undefined)) {
    return [
      {
        kind: 'opt_out',
        address: from.given,
        reason: 'own_word',
        what: {
          act: 'record',
          event: { subject: { point: from }, type: 'opted_out', scope: ALL_MARKETING },
          key: keyOf(from),
          proof: 'own_word',
          notice: from,
        },
      },
    ];
  }
  if (inboxes.length === 0) return [];
  return [
    {
      kind: 'message',
      address: from.given,
      what: { act: 'review', why: 'no_proof', point: from, key: keyOf(from) },
    },
  ];
}

/** An absence notice quotes our subject and says much; a person who only asks to be left alone is brief. */
const BRIEF = 120;

/** Whether a message with signs of a program that people's mail may carry as well asks to stop in words of its own. */
function asksBesideSigns({ automatic, subject = '', words }: ReturnedMail, stopWords: TextWords): boolean {
  const asks = (text: string) => meaningOf(text, stopWords).act === 'stop';
  if (automatic === 'likely') return asks(subject) || asks(words);
  return automatic === 'by_subject' && (asks(subject) || (words.length <= BRIEF && asks(words)));
}

function recorded(
  proof: Proof,
  point: ContactPoint | undefined,
  event: Omit<FoundEvent, 'subject' | 'link'>,
): Finding['what'] {
  const known = point ?? proof.point;
  const subject: Subject = known ? { point: known } : { key: proof.key, type: 'email' };
  const link =
    proof.brand === undefined
      ? {}
      : { link: { brand: proof.brand, ...(proof.campaign === undefined ? {} : { campaign: proof.campaign }) } };
  return { act: 'record', event: { subject, ...event, ...link }, key: proof.key, proof: proof.through };
}

function judge(
  { kind, address }: Returned,
  point: ContactPoint | undefined,
  proofs: readonly Proof[],
  keyOf: (point: ContactPoint) => Buffer,
): Finding['what'] {
  const eventOf = (proof: Proof): Omit<FoundEvent, 'subject' | 'link'> | undefined => {
    switch (kind) {
      case 'hard':
      case 'soft':
        return { type: 'bounced', kind };
      case 'complaint':
        return { type: 'complained' };
      case 'opt_out':
        return { type: 'opted_out', scope: proof.scope };
      case 'auto_reply':
      case 'other':
        return undefined;
    }
  };
  if (kind === 'auto_reply' || kind === 'other') return { act: 'ignore', why: 'means_nothing' };
  const key = point && keyOf(point);
  const own = key && proofs.find((proof) => proof.key.equals(key));
  const ownEvent = own && eventOf(own);
  if (own && ownEvent) return recorded(own, point, ownEvent);

  const named = unique(proofs, ({ key: contact }) => contact.toString('hex'));
  const [only] = named;
  const isFeedback = kind === 'complaint' || kind === 'opt_out';
  const hiddenEvent = only && named.length === 1 && isFeedback && isRedacted(address, only) && eventOf(only);
  if (hiddenEvent) {
    // A one-click link has the address inside, where the short token has its key only.
    return recorded(proofs.find((proof) => proof.point !== undefined) ?? only, undefined, hiddenEvent);
  }
  if (address === UNDISCLOSED_RECIPIENT) return { act: 'ignore', why: 'nobody_named' };
  if (!point || !key) return { act: 'ignore', why: 'not_an_address' };
  // One soft bounce changes nothing, and forged ones must not add up: nothing for a person to decide.
  if (kind === 'soft') return { act: 'ignore', why: 'no_proof' };
  return { act: 'review', why: 'no_proof', point, key, ...(only && named.length === 1 ? { tokenOf: only.key } : {}) };
}

/** The same token stands in several headers. */
function unique(proofs: readonly Proof[], idOf: (proof: Proof) => string): Proof[] {
  const first = new Map<string, Proof>();
  for (const proof of proofs) if (!first.has(idOf(proof))) first.set(idOf(proof), proof);
  return [...first.values()];
}

function optional<T extends Record<string, string | undefined>>(fields: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}
