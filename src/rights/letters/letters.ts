import { createHmac } from 'node:crypto';
import { encodeBase32 } from '../../core/base32.js';
import { DAY_MS, endOfDay, localDate } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { hideLinks } from '../../core/hidden-links.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { takesEffectAtOnce } from '../../core/request.js';
import { type Cipher, createCipher } from '../../core/seal.js';
import { sealedContact } from '../../core/sealed-contact.js';
import type { Composer } from '../../mail/compose.js';
import { checkedAddress } from '../../mail/headers.js';
import type { OutgoingMail } from '../../mail/outbox.js';
import type { MailValues } from '../../mail/templates.js';
import { unavailable } from '../../store/connect.js';
import type { LetterStore, StoredLetter } from '../../store/letters.js';
import {
  LETTER_KINDS,
  type LetterContent,
  type LetterKind,
  type LetterRequest,
  type SentLetter,
  type ShownLetter,
} from './letter.js';
import { printLetter } from './letter-pdf.js';

const MONTH = 31 * DAY_MS;
/** Records are kept from the day a request is closed; its letters were written before, by three months and some days at most. */
const MAX_REQUEST_MONTHS = 4;
/** What is written after an erasure is kept only so long (ms) that it can be sent and printed. */
const AFTER_ERASURE = MONTH;
/** A mail with its working link and address. */
type Outgoing = Pick<LetterContent, 'subject' | 'html' | 'text'> & { readonly to: string };

/** A letter that was kept but not handed to the outbox this long ago (ms) is handed over again. */
const LEFT_BEHIND = 60_000;

/** Marks that turn the reading direction: a value could make a sentence read otherwise. */
const TURNS = /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g;
/** A name one may greet by. A stranger's form fills it in, and mail programs make links of what looks like one. */
const NAME = /^[\p{L}\p{M}][\p{L}\p{M}\s'’,-]*(?:\.\s[\p{L}\p{M}\s'’,-]*|\.$)*$/u;
const MAX_GREETING = 80;

const LISTS: Partial<Record<LetterKind, string>> = {
  denial: 'denial-reason',
  extension: 'extension-reason',
  refusal: 'refusal-reason',
};

/** "November 24, 2026", "24 de noviembre de 2026". */
function dateWords(language: string, at: number, timeZone: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone }).format(at);
}

/**
 * The zone a deadline was counted in: it ends with a day of that zone. In another zone the letter would promise the day
 * before or after.
 */
export function zoneOf(due: number, zones: readonly string[]): string {
  return zones.find((zone) => endOfDay(localDate(due, zone), zone) === due) ?? zones.at(-1) ?? 'UTC';
}

export function greetable(name: string | undefined): string | undefined {
  const plain = name?.replace(TURNS, '').replace(/\s+/g, ' ').trim() ?? '';
  return plain.length <= MAX_GREETING && NAME.test(plain) ? plain : undefined;
}

interface LettersParts {
  readonly composer: Composer;
  readonly store: LetterStore;
  readonly catalog: Catalog;
  readonly keyring: Keyring;
  readonly clock: Pick<Clock, 'now'>;
  /** Hands a mail to the outbox; durable when it resolves. */
  readonly post: (mail: OutgoingMail) => Promise<unknown>;
  readonly policy: Pick<Policy, 'requests' | 'requestRecordMonths'>;
}

interface LettersContext extends LettersParts {
  readonly zones: string[];
  readonly cipher: Cipher;
  readonly keepMonths: number;
}

function valuesOf(context: LettersContext, letter: LetterRequest): MailValues {
  const { zones, composer, catalog } = context;
  const { language, kind } = letter;
  const zone = zoneOf(letter.due, zones);
  const list = LISTS[kind];
  if (list && letter.reason === undefined) {
    throw new HushError('invalid', `a letter of ${kind} has a reason`, { field: 'reason' });
  }
  const name = greetable(letter.to.name);
  const reader = letter.toAgent ? 'agent' : undefined;
  const link = letter.link === undefined ? [] : [letter.link];
  const statusLink = letter.statusLink === undefined ? [] : [letter.statusLink];
  if ([...link, ...statusLink].some((href) => !/^https?:\/\/[^\s<>"\p{Cc}]+$/u.test(href)))
    throw new HushError('invalid', 'the link of a letter is a web address', { field: 'link' });
  if (kind === 'extension' && letter.extendedDue === undefined)
    throw new HushError('invalid', 'a letter of extension has a new date', { field: 'extendedDue' });
  return {
    greeting: name
      ? composer.word('letter-words', 'greeting', language, { name })
      : composer.word('letter-words', 'greeting-nameless', language),
    received: dateWords(language, letter.receivedAt, zone),
    due: dateWords(language, letter.due, zone),
    extendedDue: dateWords(language, letter.extendedDue ?? letter.due, zone),
    what: composer.word('request-kind', letter.requestKind, language, {}, reader),
    reason: list ? reasonWords(context, list, letter.reason ?? '', language, reader) : '',
    done: composer.word('fulfilled', letter.requestKind, language, {}, reader),
    effect: takesEffectAtOnce(letter.requestKind) ? composer.word('letter-words', 'effect', language) : '',
    agent: greetable(letter.agent) ?? composer.word('letter-words', 'somebody', language),
    next: composer.word('letter-next', letter.next ?? 'nothing', language, { phone: catalog.group.phone }),
    statusLinks: statusLink,
    explanation: (letter.explanation ?? '')
      .split(/\r?\n\s*\r?\n/)
      .map((text) => text.replace(TURNS, '').trim())
      .filter((text) => text !== ''),
    results: [...(letter.results ?? [])],
    links: link,
    reference: letter.reference,
    privacyAddress: catalog.group.privacyAddress,
    postal: catalog.group.postal,
  };
}

/** Words of a list; an id that is not on it is the caller's fault. */
function reasonWords(
  context: LettersContext,
  list: string,
  id: string,
  language: string,
  reader: 'agent' | undefined,
): string {
  try {
    return context.composer.word(list, id, language, {}, reader);
  } catch {
    throw new HushError('invalid', `there is no reason ${id.slice(0, 60)} for such a letter`, { field: 'reason' });
  }
}

async function write(context: LettersContext, letter: LetterRequest): Promise<LetterContent> {
  const { composer, catalog, clock, zones } = context;
  const template = `letter-${letter.kind.replaceAll('_', '-')}`;
  const written = composer.write({
    template,
    language: letter.language,
    brand: letter.brand,
    values: valuesOf(context, letter),
    reader: letter.toAgent ? 'agent' : undefined,
  });
  const brand = brandById(catalog, letter.brand);
  if (!brand) throw new HushError('invalid', `there is no brand ${letter.brand}`, { field: 'brand' });
  const { subject, html, text, language, blocks } = written;
  const now = clock.now();
  const pdf = await printLetter({
    title: subject,
    language,
    blocks,
    brand,
    country: catalog.group.defaultCountry,
    address: windowLines(letter),
    date: dateWords(language, now, zoneOf(letter.due, zones)),
    at: now,
    pageWords: (page, pages) =>
      composer.word('letter-words', 'page', language, { page: String(page), pages: String(pages) }),
    characterNote: composer.word('letter-words', 'characters', language),
  });
  return { subject, html, text, pdf };
}

/** Lines for the window: the name first, unless the address begins with it. */
export function windowLines({ to }: Pick<LetterRequest, 'to'>): string[] {
  const clean = (text: string) =>
    text
      .replace(TURNS, '')
      .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
      .trim();
  const lines = (to.postal ?? '')
    .split(/\r?\n/)
    .map(clean)
    .filter((line) => line !== '');
  const name = clean(to.name ?? '');
  return lines.length > 0 && name !== '' && lines[0] !== name ? [name, ...lines] : lines;
}

/** The same letter on the same day has the same id, so that a caller that died may ask again. */
function idOf(context: LettersContext, letter: LetterRequest, day: number): string {
  const text = JSON.stringify([day, letter.kind, letter.request, letter]);
  const digest = createHmac('sha256', context.keyring.lookup).update(`letter:${text}`).digest();
  return encodeBase32(digest.subarray(0, 10)).toLowerCase();
}

function sealPart(context: LettersContext, id: string, part: 'letter' | 'outgoing', content: object): Buffer {
  return context.cipher.seal(
    Buffer.from(JSON.stringify(content)),
    Buffer.from(part === 'letter' ? id : `${id}/${part}`, 'utf8'),
  );
}

function openLetter(
  context: LettersContext,
  stored: StoredLetter,
): (LetterContent & { readonly to?: string }) | undefined {
  const plain = stored.sealed && context.cipher.open(stored.sealed, Buffer.from(stored.id, 'utf8'));
  if (!plain) return undefined;
  const { pdf, ...rest } = JSON.parse(plain.toString('utf8')) as LetterContent & { pdf: unknown; to?: string };
  return { ...rest, pdf: Buffer.from(String(pdf), 'base64') };
}

/** What goes out by mail; undefined for paper, and once the outbox has it. */
function outgoingMail(context: LettersContext, stored: StoredLetter): Outgoing | undefined {
  const plain = stored.outgoing && context.cipher.open(stored.outgoing, Buffer.from(`${stored.id}/outgoing`, 'utf8'));
  if (plain) return JSON.parse(plain.toString('utf8')) as Outgoing;
  // Kept before the two were apart: address and link are with the letter.
  const content = openLetter(context, stored);
  return content?.to === undefined ? undefined : { ...content, to: content.to };
}

async function handOver(context: LettersContext, stored: StoredLetter): Promise<void> {
  const mail = outgoingMail(context, stored);
  if (mail) {
    await context.post({
      id: `letter:${stored.id}`,
      template: `letter-${stored.kind.replaceAll('_', '-')}`,
      language: stored.language,
      brand: stored.brand,
      to: mail.to,
      values: {},
      written: { subject: mail.subject, html: mail.html, text: mail.text },
    });
  }
  await context.store.handedOver(stored.id);
}

/** As it would go out, but for its links: whoever reads it must not be able to confirm in the person's name. */
function preview(context: LettersContext, letter: LetterRequest): Promise<LetterContent> {
  return write(context, {
    ...letter,
    ...(letter.link === undefined ? {} : { link: hideLinks(letter.link) }),
    ...(letter.statusLink === undefined ? {} : { statusLink: hideLinks(letter.statusLink) }),
  });
}

/** By mail where there is an address for it, else to be printed. Durable when it resolves. */
async function send(
  context: LettersContext,
  letter: LetterRequest,
  by: string,
): Promise<{ readonly id: string; readonly way: 'mail' | 'print' }> {
  const { clock, keyring, catalog, store, keepMonths } = context;
  const way = letter.to.email !== undefined ? 'mail' : 'print';
  if (way === 'print' && windowLines(letter).length === 0)
    throw new HushError('invalid', 'the letter has no address to go to', {
      field: 'to',
      remedy: 'give an email address or the lines of a postal address',
    });
  const now = clock.now();
  const id = idOf(context, letter, Math.floor(now / DAY_MS));
  // Before it is kept: what the outbox refuses would be handed over again for ever.
  const email = letter.to.email === undefined ? undefined : checkedAddress(letter.to.email);
  const content = await preview(context, letter);
  const mail = email === undefined ? undefined : await write(context, letter);
  const ends = letter.kind === 'fulfilment' && letter.requestKind === 'deletion';
  const stored: StoredLetter = {
    id,
    request: letter.request,
    kind: letter.kind,
    at: now,
    way,
    by,
    language: letter.language,
    brand: letter.brand,
    sealed: sealPart(context, id, 'letter', { ...content, pdf: content.pdf.toString('base64') }),
    ...(mail && email !== undefined
      ? {
          outgoing: sealPart(context, id, 'outgoing', {
            subject: mail.subject,
            html: mail.html,
            text: mail.text,
            to: email,
          }),
        }
      : {}),
  };
  // An erasure takes the words of every letter to its contact, but for the one that says it is done.
  const contact =
    email === undefined || ends
      ? undefined
      : contactKeyBytes(keyring, sealedContact('email', email, catalog.group.defaultCountry));
  try {
    // The person is erased: what was written to them before goes, and this one when it has arrived.
    if (ends) await store.forgetRequest(letter.request);
    await store.keep(stored, contact, new Date(now + (ends ? AFTER_ERASURE : keepMonths * MONTH)));
    if (way === 'mail') await handOver(context, stored);
  } catch (error) {
    throw unavailable(error);
  }
  return { id, way };
}

async function ofRequest(context: LettersContext, request: string): Promise<readonly SentLetter[]> {
  return (await context.store.ofRequest(request)).flatMap(({ id, kind: stored, at, way, by }) => {
    const kind = LETTER_KINDS.find((known) => known === stored);
    return kind ? [{ id, kind, at, way, by }] : [];
  });
}

/** As it went out, but for its link. */
async function asSent(context: LettersContext, id: string): Promise<ShownLetter | undefined> {
  const stored = await context.store.get(id);
  const content = stored && openLetter(context, stored);
  if (!content) return undefined;
  const { subject, html, text, pdf, to } = content;
  if (to === undefined) return { subject, html, text, pdf };
  return { subject: hideLinks(subject), html: hideLinks(html), text: hideLinks(text) };
}

/** Hands letters to the outbox that a process kept and then died. */
async function finish(context: LettersContext): Promise<void> {
  for (const stored of await context.store.leftBehind(new Date(context.clock.now() - LEFT_BEHIND)))
    await handOver(context, stored);
}

/**
 * Letters about requests, by mail or on paper from the same words (`templates/letter-*.mjml`, `locales/mail.*.yaml`). Kept
 * as sent, sealed, for the time that `policy.yaml` gives.
 */
export function createLetters(parts: LettersParts) {
  const zones = parts.policy.requests.map(({ timeZone }) => timeZone);
  const keepMonths = parts.policy.requestRecordMonths + MAX_REQUEST_MONTHS;
  const cipher = createCipher(parts.keyring, 'letters');
  const context: LettersContext = { ...parts, zones, cipher, keepMonths };
  return {
    preview: (letter: LetterRequest) => preview(context, letter),
    send: (letter: LetterRequest, by: string) => send(context, letter, by),
    ofRequest: (request: string) => ofRequest(context, request),
    asSent: (id: string) => asSent(context, id),
    get: parts.store.get,
    finish: () => finish(context),
  };
}

export type RequestLetters = ReturnType<typeof createLetters>;
