import type { Logger } from 'pino';
import { DAY_MS } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import { type ContactPoint, type ContactType, normaliseContact } from '../../core/contact-point.js';
import { stateOf } from '../../core/contact-state.js';
import { HushError } from '../../core/errors.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import { type Machine, sleep } from '../../core/machine.js';
import type { Policy } from '../../core/policy.js';
import type { RequestKind, RequestWay } from '../../core/request.js';
import { deadlinesOf } from '../../core/request-clock.js';
import type { AdmitMail } from '../../mail/recipient-limits.js';
import { isDuplicate, unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import type { LetterKind } from '../letters/letter.js';
import type { PostLetters } from '../letters/post-letters.js';
import { deniesOnReceipt, type Effects, isDoneOnReceipt } from './effects.js';
import { requestNames } from './names.js';
import type { Personal, RequestSeal } from './personal.js';
import { type By, type Records, TEXT_LIMIT, type WantedLetter } from './records.js';
import { newRequestId, requestIdOf } from './reference.js';
import { MAILS_A_DAY } from './verification.js';

/** A letter that lay on a desk: received at most so long (ms) before it is written down. */
const LATEST = 90 * DAY_MS;
/** The same for staff and systems. */
const MAILS_A_DAY_BY_OTHERS = 20;
const MAX_CONTACTS = 10;

/** A contact that a request names: an address, or one that staff found. */
export type Named = { readonly point: ContactPoint } | { readonly key: Buffer; readonly type: ContactType };

export interface NewRequest {
  readonly kind: RequestKind;
  readonly way: RequestWay;
  readonly contacts: readonly Named[];
  readonly language: string;
  /** A brand of the catalog; the first when absent. */
  readonly brand?: string | undefined;
  /** ISO 3166; where the person says they live. */
  readonly jurisdiction?: string | undefined;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly postal?: string | undefined;
  readonly publicKey?: string | undefined;
  readonly agent?: { readonly name: string; readonly email?: string | undefined } | undefined;
  /** The writer's own id: the same again is the same request. */
  readonly writer?: { readonly name: string; readonly id: string };
  /** The network that a form came from; whoever brings it in, where there is none. */
  readonly asker?: string;
  /** ms; now, when absent. The clock runs from here. */
  readonly receivedAt?: number | undefined;
}

const trimmed = (text: string | undefined, limit: number): string | undefined => {
  const cut = text?.trim().slice(0, limit);
  return cut ? cut : undefined;
};

/** The address that an agent's letters go to. Throws HushError('invalid') for what is not one. */
function agentAddress(email: string | undefined): string | undefined {
  if (!email) return undefined;
  try {
    return normaliseContact({ email }).given;
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    throw new HushError('invalid', `the agent: ${error.message}`, { ...error.detail, field: 'agent.email' });
  }
}

/** True once what follows receipt was done, but for letters, which stand in the record until they go. */
function hasBegun(record: RequestRecord): boolean {
  return record.history.some(({ what }) => what === 'begun' || what === 'letter_held' || what === 'ask_verification');
}

const sameContacts = (record: RequestRecord, keys: readonly Buffer[]): boolean =>
  keys.every((key) => record.contacts.some((contact) => contact.key.equals(key)));

interface IntakeParts {
  readonly store: RequestStore;
  readonly records: Records;
  readonly seal: RequestSeal;
  readonly effects: Effects;
  readonly post: PostLetters;
  readonly contacts: Contacts;
  readonly admitMail: AdmitMail;
  readonly keyring: Keyring;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly log: Logger;
}

function keyOf(parts: IntakeParts, named: Named): Buffer {
  return 'point' in named ? contactKeyBytes(parts.keyring, named.point) : named.key;
}

/** Where several places may be meant, the one whose clock ends first. */
async function jurisdictionOf(
  parts: IntakeParts,
  keys: readonly Buffer[],
  request: NewRequest,
  receivedAt: number,
): Promise<string> {
  const { contacts, policy } = parts;
  const contactsByKey = await contacts.find(keys);
  const facts = [...contactsByKey.values()].flatMap((contact) => {
    const atoms = stateOf(contact).atoms;
    return atoms.flatMap((atom) => (atom.t === 'fact' && 'jurisdiction' in atom.fact ? [atom.fact.jurisdiction] : []));
  });
  const points = request.contacts.flatMap((named) =>
    'point' in named && named.point.country ? [named.point.country] : [],
  );
  const stated = request.jurisdiction === undefined ? [] : [request.jurisdiction];
  const all = [...stated, ...facts, ...points];
  const places = all.length > 0 ? all : [policy.defaultJurisdiction];
  const dueIn = (jurisdiction: string) => deadlinesOf(policy, { jurisdiction, receivedAt }).due;
  return places.reduce((first, place) => (dueIn(place) < dueIn(first) ? place : first));
}

/** True while everybody whom the first letters go to has mails of the day left: an agent as well as the person. */
async function mayMail(parts: IntakeParts, record: RequestRecord, asker: string | undefined): Promise<boolean> {
  const personal = parts.seal.personal(record);
  const person = personal?.addresses.find((address) => address?.type === 'email')?.given;
  const recipients = new Set([personal?.agent?.email, person].filter((email) => email !== undefined));
  const perDay = record.way === 'form' ? MAILS_A_DAY : MAILS_A_DAY_BY_OTHERS;
  for (const email of recipients)
    if (!(await parts.admitMail('request', email, { asker, perDay }, record.id))) return false;
  return true;
}

function lettersFor(parts: IntakeParts, record: RequestRecord): WantedLetter[] {
  if (isDoneOnReceipt(record.kind)) return [];
  const hasEmail = parts.seal.personal(record)?.addresses.some((address) => address?.type === 'email') ?? false;
  // One letter that acknowledges, and asks whoever reads the mail of the address to confirm.
  if (!record.byAgent) return [{ kind: hasEmail ? 'verification' : 'acknowledgement' }];
  // The agent hears that we have it; the person themselves says whether they want it.
  return [{ kind: 'acknowledgement' }, ...(hasEmail ? [{ kind: 'agent_confirmation' }] : [])];
}

/**
 * What receipt sets off, from wherever it was cut off: denials are made durable, and what they are all of is closed.
 * Doing it twice does nothing twice.
 */
async function settleReceipt(parts: IntakeParts, received: RequestRecord, by: By): Promise<RequestRecord> {
  const { effects, records, post } = parts;
  let record = received;
  if (record.state !== 'received') return record;
  if (deniesOnReceipt(record.kind) && record.receipts.length === 0) {
    const receipts = await effects.onReceipt(record, by);
    record = await records.change(
      record,
      by,
      { receipts },
      { what: 'in_force', facts: { receipts: receipts.join(' ') } },
    );
  }
  if (isDoneOnReceipt(record.kind)) {
    record = await records.act(record, 'fulfil', by, {}, {});
    record = await records.act(
      record,
      'complete',
      by,
      {},
      {},
      post.reaches(record, 'fulfilment') ? [{ kind: 'fulfilment' }] : [],
    );
  }
  return record;
}

/** What follows receipt: denials, then the first letters. Goes on wherever it was cut off, as whoever brought it in. */
async function begin(parts: IntakeParts, received: RequestRecord, asker?: string): Promise<RequestRecord> {
  const { post, records } = parts;
  const [first] = received.history;
  const by: By = { id: first?.by ?? 'system', ...(first?.byName ? { name: first.byName } : {}) };
  let record = await settleReceipt(parts, received, by);
  const mails = await mayMail(parts, record, asker);
  if (record.state === 'received' && !hasBegun(record)) {
    const letters = mails
      ? lettersFor(parts, record).filter(({ kind }) => post.reaches(record, kind as LetterKind))
      : [];
    const asks = letters.some(({ kind }) => kind !== 'acknowledgement');
    record = asks
      ? await records.act(record, 'ask_verification', by, {}, { facts: { way: 'link' } }, letters)
      : await records.change(record, by, {}, { what: mails ? 'begun' : 'letter_held' }, letters);
  } else if (!mails && record.letters.length > 0) {
    record = await records.change(record, by, { letters: [] }, { what: 'letter_held' });
  }
  return post.flushQuietly(record, by);
}

/** As `begin`; where somebody else is at it too, what came of both. Every step bears being done twice. */
async function beginTogether(parts: IntakeParts, received: RequestRecord, asker?: string): Promise<RequestRecord> {
  let record = received;
  for (let round = 0; round < 20; round++) {
    try {
      return await begin(parts, record, asker);
    } catch (error) {
      if (!(error instanceof HushError) || error.kind !== 'conflict') throw error;
      await sleep(parts.machine, 25);
      record = await parts.records.get(record.id);
    }
  }
  return record;
}

/**
 * Takes a request in. Durable when it resolves, and in force where it only denies. Throws HushError `invalid`, or
 * `unavailable` when nothing could be written.
 */
async function receive(parts: IntakeParts, request: NewRequest, by: By): Promise<RequestRecord> {
  const { clock, catalog, keyring, seal, policy, store, records, log } = parts;
  const now = clock.now();
  const receivedAt = request.receivedAt ?? now;
  if (receivedAt > now || receivedAt < now - LATEST) {
    throw new HushError('invalid', 'a request was received within the last 90 days', {
      field: 'receivedAt',
      remedy: 'give the day on which it came',
    });
  }
  if (request.contacts.length === 0 || request.contacts.length > MAX_CONTACTS) {
    throw new HushError('invalid', `a request names one to ${MAX_CONTACTS} addresses`, {
      field: 'contacts',
      remedy: 'give an email address, a phone number or a postal address',
    });
  }
  const brand = brandById(catalog, request.brand ?? catalog.brands[0]?.id ?? '');
  if (!brand) {
    throw new HushError('invalid', `there is no brand ${request.brand}`, {
      field: 'brand',
      remedy: 'use a brand of the catalog',
    });
  }
  const unique = [...new Map(request.contacts.map((named) => [keyOf(parts, named).toString('hex'), named])).values()];
  const id = request.writer ? requestIdOf(keyring, request.writer) : newRequestId(parts.machine);
  const { key, wrapped } = seal.newKey(id);
  const name = trimmed(request.name, 120);
  const description = trimmed(request.description, TEXT_LIMIT);
  const postal = trimmed(request.postal, 400);
  const publicKey = trimmed(request.publicKey, 20_000);
  const agentName = trimmed(request.agent?.name, 120);
  const agentEmail = agentAddress(request.agent?.email);
  const personal: Personal = {
    addresses: unique.map((named) => ('point' in named ? { type: named.point.type, given: named.point.given } : null)),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(postal === undefined ? {} : { postal }),
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(request.agent && agentName ? { agent: { name: agentName, ...(agentEmail ? { email: agentEmail } : {}) } } : {}),
  };
  try {
    const jurisdiction = await jurisdictionOf(
      parts,
      unique.map((named) => keyOf(parts, named)),
      request,
      receivedAt,
    );
    const { due } = deadlinesOf(policy, { jurisdiction, receivedAt });
    await store.insert({
      id,
      kind: request.kind,
      state: 'received',
      way: request.way,
      jurisdiction,
      brand: brand.id,
      language: catalog.languages.includes(request.language) ? request.language : 'en',
      receivedAt: new Date(receivedAt),
      firstDue: new Date(due),
      due: new Date(due),
      contacts: unique.map((named) => ({
        key: keyOf(parts, named),
        type: 'point' in named ? named.point.type : named.type,
        verified: false,
      })),
      byAgent: personal.agent !== undefined,
      receipts: [],
      unread: false,
      letters: [],
      alerts: [],
      dataKey: wrapped,
      names: requestNames(keyring, [name, agentName]),
      personal: seal.sealPersonal(id, key, personal),
      history: [
        {
          at: new Date(now),
          by: by.id,
          what: 'received',
          ...(by.name === undefined ? {} : { byName: by.name }),
          facts: { way: request.way, kind: request.kind },
        },
      ],
    });
  } catch (error) {
    if (!request.writer || !isDuplicate(error)) throw unavailable(error);
    const stored = await records.get(id);
    if (
      stored.kind === request.kind &&
      sameContacts(
        stored,
        unique.map((named) => keyOf(parts, named)),
      )
    )
      return beginTogether(parts, stored, request.asker ?? by.id);
    throw new HushError('id_reused', 'this id was used before for another request', {
      field: 'id',
      remedy: 'give every request an id of its own; repeat a request unchanged',
    });
  }
  const record = await records.get(id);
  try {
    return await beginTogether(parts, record, request.asker ?? by.id);
  } catch (error) {
    // It is written down, so the worker goes on with it; but the answer never says "done" before it is.
    if (isDoneOnReceipt(record.kind)) throw unavailable(error);
    log.warn({ err: error, request: id }, 'a request is written down; the worker goes on with it');
    return records.get(id);
  }
}

/** Takes requests in: durable first, then in force where it only denies, then acknowledged. */
export function createIntake(parts: IntakeParts) {
  return {
    begin: (received: RequestRecord, asker?: string) => begin(parts, received, asker),
    hasBegun,
    receive: (request: NewRequest, by: By) => receive(parts, request, by),
  };
}

export type Intake = ReturnType<typeof createIntake>;
