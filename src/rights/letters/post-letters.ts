import type { Logger } from 'pino';
import { DAY_MS } from '../../core/calendar.js';
import type { Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { ContactPoint, PostalAddress } from '../../core/contact-point.js';
import type { Policy } from '../../core/policy.js';
import { isClosed, needsVerification } from '../../core/request.js';
import { deadlinesOf } from '../../core/request-clock.js';
import { sealedContact } from '../../core/sealed-contact.js';
import { isOneAddress } from '../../mail/headers.js';
import type { Links } from '../../preferences/links.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { Personal, RequestSeal } from '../requests/personal.js';
import { type By, type Records, SYSTEM, type WantedLetter } from '../requests/records.js';
import { referenceOf } from '../requests/reference.js';
import { LETTER_KINDS, type LetterKind, type LetterRequest, type Letters } from './letter.js';

/** A link that verifies works for so long (ms) from the end of its day, so that a letter sent again has the same. */
export const VERIFY_FOR = 14 * DAY_MS;

/** Letters that go to the person, whoever asked for them. */
const TO_PERSON: ReadonlySet<LetterKind> = new Set<LetterKind>(['agent_confirmation', 'verification']);

export function pointFrom(catalog: Catalog, address: Personal['addresses'][number]): ContactPoint | undefined {
  if (!address) return undefined;
  return sealedContact(address.type, address.given, catalog.group.defaultCountry);
}

/** A reader of a request by mail. */
export interface Reached {
  readonly email: string;
  /** Their page of the request, in a language. */
  readonly link: (language: string) => string;
}

/** The address of a person, in lines. */
export function printedAddress(json: string): string {
  const address: PostalAddress = JSON.parse(json);
  const { name, line1, line2, city, region, postalCode, country } = address;
  const place = [city, [region, postalCode].filter(Boolean).join(' ')].filter(Boolean).join(', ');
  return [name, line1, line2, place, country].filter((line) => line !== undefined && line !== '').join('\n');
}

interface PostLettersParts {
  readonly store: RequestStore;
  readonly records: Records;
  readonly seal: RequestSeal;
  readonly letters: Letters;
  readonly languageFor: (record: RequestRecord) => Promise<string>;
  readonly links: Links;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly publicUrl: () => string;
  readonly log: Logger;
}

function emailOf(parts: PostLettersParts, personal: Personal): ContactPoint | undefined {
  const found = personal.addresses.find((address) => address?.type === 'email');
  return found ? pointFrom(parts.catalog, found) : undefined;
}

/** Whom a letter goes to: the agent, where one asks, but for what only the person can say. */
function addressee(
  parts: PostLettersParts,
  record: RequestRecord,
  personal: Personal,
  kind: LetterKind,
): LetterRequest['to'] {
  const toAgent = record.byAgent && !TO_PERSON.has(kind);
  const agent = toAgent ? personal.agent : undefined;
  // Intake took any text for an agent's address once.
  if (agent?.email && isOneAddress(agent.email)) return { email: agent.email, name: agent.name };
  const postal = personal.addresses.find((address) => address?.type === 'postal');
  const lines = personal.postal ?? (postal ? printedAddress(postal.given) : undefined);
  const email = emailOf(parts, personal)?.given;
  return {
    ...(email === undefined ? {} : { email }),
    ...(lines === undefined ? {} : { postal: lines }),
    ...(personal.name === undefined ? {} : { name: personal.name }),
  };
}

function urlOf(
  parts: PostLettersParts,
  kind: 'request' | 'verify',
  record: RequestRecord,
  email: string,
  expires?: number,
): string {
  const point = sealedContact('email', email, parts.catalog.group.defaultCountry);
  const scope = { brand: record.brand, channel: '*', purpose: '*', topic: '*' } as const;
  const token = parts.links.seal(kind, point, scope, record.id, expires);
  return `${parts.publicUrl()}/rights/${token}?lang=${record.language}`;
}

/** In the reader's own language. Undefined when what is personal is forgotten. */
async function letterOf(
  parts: PostLettersParts,
  request: RequestRecord,
  wanted: WantedLetter & { readonly kind: LetterKind },
): Promise<LetterRequest | undefined> {
  const { seal, policy, clock } = parts;
  const personal = seal.personal(request);
  if (!personal) return undefined;
  const to = addressee(parts, request, personal, wanted.kind);
  const toAgent = to.email !== undefined && to.email === personal.agent?.email && !TO_PERSON.has(wanted.kind);
  // Whoever acts for the person reads the language of their own form.
  const record = toAgent ? request : { ...request, language: await parts.languageFor(request) };
  const extendedDue = record.extendedAt
    ? record.due.getTime()
    : deadlinesOf(policy, { jurisdiction: record.jurisdiction, receivedAt: record.receivedAt.getTime() }).extendedDue;
  const toPerson = TO_PERSON.has(wanted.kind);
  const statusLink = to.email === undefined ? undefined : urlOf(parts, 'request', record, to.email);
  const link =
    to.email !== undefined && toPerson
      ? urlOf(parts, 'verify', record, to.email, Math.ceil(clock.now() / DAY_MS) * DAY_MS + VERIFY_FOR)
      : statusLink;
  const attempt = record.history.filter(({ what }) => what === 'ask_verification').length;
  return {
    kind: wanted.kind,
    request: record.id,
    reference: referenceOf(record.id),
    requestKind: record.kind,
    language: record.language,
    brand: record.brand,
    to,
    receivedAt: record.receivedAt.getTime(),
    due: record.firstDue.getTime(),
    ...(record.extendedAt || wanted.kind === 'extension' ? { extendedDue } : {}),
    ...(wanted.reason === undefined ? {} : { reason: wanted.reason }),
    ...(wanted.explanation ? { explanation: wanted.explanation } : {}),
    ...(link === undefined ? {} : { link }),
    ...(toPerson && statusLink ? { statusLink } : {}),
    ...(toPerson && attempt > 1 ? { attempt } : {}),
    ...(personal.agent ? { agent: personal.agent.name, toAgent } : {}),
    ...(wanted.kind === 'acknowledgement' ? { next: nextOf(record) } : {}),
    ...(record.receipts.length > 0 ? { results: record.receipts.map((receipt) => `r_${receipt}`) } : {}),
  };
}

/** What the reader of an acknowledgement has to do next. */
export function nextOf(record: Pick<RequestRecord, 'kind' | 'state' | 'byAgent'>): NonNullable<LetterRequest['next']> {
  if (!needsVerification(record.kind) || (record.state !== 'received' && record.state !== 'verifying'))
    return 'nothing';
  return record.byAgent ? 'document' : 'call';
}

function wantedOf(parts: PostLettersParts, record: RequestRecord): (WantedLetter & { kind: LetterKind })[] {
  return record.letters.flatMap(({ kind, reason, text }) => {
    const known = LETTER_KINDS.find((item) => item === kind);
    if (!known) return [];
    return [{ kind: known, explanation: parts.seal.text(record, text), ...(reason === undefined ? {} : { reason }) }];
  });
}

/** Whom a request can be written to by mail, each with the page that is theirs. */
function reachesOf(parts: PostLettersParts, record: RequestRecord): Partial<Record<'person' | 'agent', Reached>> {
  const personal = parts.seal.personal(record);
  const person = personal && emailOf(parts, personal)?.given;
  const agent = personal?.agent?.email;
  const reached = (email: string): Reached => ({
    email,
    link: (language) => urlOf(parts, 'request', { ...record, language }, email),
  });
  return {
    ...(person === undefined ? {} : { person: reached(person) }),
    ...(agent !== undefined && isOneAddress(agent) ? { agent: reached(agent) } : {}),
  };
}

/** True when a letter can reach somebody, by mail or by post. */
function reaches(parts: PostLettersParts, record: RequestRecord, kind: LetterKind): boolean {
  const personal = parts.seal.personal(record);
  const to = personal && addressee(parts, record, personal, kind);
  return to !== undefined && (to.email !== undefined || to.postal !== undefined);
}

/**
 * Sends all that stands to go. A letter that fails stays and comes again; so does one whose sending was cut off, so that
 * none is lost, and one may go twice.
 */
async function flush(parts: PostLettersParts, current: RequestRecord, requester: By = SYSTEM): Promise<RequestRecord> {
  const { letters, clock, store, records } = parts;
  // What a person's form sets off is sent by itself.
  const by = requester.id.startsWith('staff') ? requester : SYSTEM;
  let record = current;
  for (let round = 0; record.letters.length > 0 && round < 10; round++) {
    const [first] = wantedOf(parts, record);
    const letter = first && (await letterOf(parts, record, first));
    const reaches = letter !== undefined && (letter.to.email !== undefined || letter.to.postal !== undefined);
    const sent = letter && reaches ? await letters.send(letter, by.name ?? by.id) : undefined;
    const now = new Date(clock.now());
    // The first letter is how they hear that we got it: an acknowledgement, a question, or the answer itself.
    const acknowledges = sent && record.acknowledgedAt === undefined && first?.kind !== 'agent_confirmation';
    const note = sent
      ? { what: 'letter', facts: { letter: sent.id, kind: first?.kind ?? '', way: sent.way } }
      : { what: 'letter_undeliverable', facts: { kind: record.letters[0]?.kind ?? '' } };
    const fields = { letters: record.letters.slice(1), ...(acknowledges ? { acknowledgedAt: now } : {}) };
    if (!(await store.change(record, fields, [records.entry(record, by, note)]))) {
      // Somebody changed the request between: read it again; the letter is taken off by whoever comes last.
      const again = await records.get(record.id);
      const left = again.letters.filter(({ kind }) => kind !== first?.kind);
      await store.change(again, { ...fields, letters: left }, [records.entry(again, by, note)]);
    }
    record = await records.get(record.id);
  }
  return record;
}

/** As `flush`; what fails is logged and left to the worker. */
async function flushQuietly(parts: PostLettersParts, record: RequestRecord, by: By = SYSTEM): Promise<RequestRecord> {
  try {
    return await flush(parts, record, by);
  } catch (error) {
    parts.log.warn({ err: error, request: record.id }, 'a letter could not be sent yet; the worker tries again');
    return parts.records.get(record.id);
  }
}

/** Once an erased person's request is closed and its letters have gone, what was personal in it goes too. */
async function forgetIfDone(parts: PostLettersParts, record: RequestRecord): Promise<void> {
  if (!isClosed(record.state) || record.letters.length > 0 || !record.dataKey) return;
  await parts.store.forget(record.id, parts.records.entry(record, SYSTEM, { what: 'forgotten' }));
}

/** Sends the letters of requests: what stands in a record as a letter to go is sent, then taken off and written down. */
export function createPostLetters(parts: PostLettersParts) {
  return {
    letterOf: (request: RequestRecord, wanted: WantedLetter & { readonly kind: LetterKind }) =>
      letterOf(parts, request, wanted),
    reachesOf: (record: RequestRecord) => reachesOf(parts, record),
    reaches: (record: RequestRecord, kind: LetterKind) => reaches(parts, record, kind),
    flush: (record: RequestRecord, by?: By) => flush(parts, record, by),
    flushQuietly: (record: RequestRecord, by?: By) => flushQuietly(parts, record, by),
    forgetIfDone: (record: RequestRecord) => forgetIfDone(parts, record),
  };
}

export type PostLetters = ReturnType<typeof createPostLetters>;
