import type { Clock } from '../../core/clock.js';
import type { ContactPoint } from '../../core/contact-point.js';
import { stateOf } from '../../core/contact-state.js';
import { HushError } from '../../core/errors.js';
import type { Relationship } from '../../core/event.js';
import { presentAt } from '../../core/fold.js';
import { contactKeyBytes, type Keyring } from '../../core/keys.js';
import { after, type RequestKind, type ReviewOutcome } from '../../core/request.js';
import { scopeText } from '../../core/scope.js';
import { standingDenials } from '../../core/standing.js';
import { factsAt, restrictedSince } from '../../core/view.js';
import type { Accept } from '../../preferences/accept.js';
import type { Draft } from '../../preferences/draft.js';
import { unavailable } from '../../store/connect.js';
import type { Contacts } from '../../store/contacts.js';
import type { RequestRecord } from '../../store/requests.js';
import type { AccessPackages, Delivery } from '../access/port.js';
import type { PostLetters } from '../letters/post-letters.js';
import type { Effects } from './effects.js';
import type { RequestSeal } from './personal.js';
import { type By, type Records, TEXT_LIMIT } from './records.js';

/** What is corrected: facts we decide by, or an address that was wrong. */
export interface Correction {
  readonly relationship?: Relationship | undefined;
  readonly jurisdiction?: string | undefined;
  readonly timeZone?: string | undefined;
  /** The right address, and which of the request's contacts it takes the place of. */
  readonly replace?: { readonly old: Buffer; readonly by: ContactPoint } | undefined;
  /** What was done in words, where it is outside of what we decide by. */
  readonly explanation: string;
}

interface FulfilmentParts {
  readonly records: Records;
  readonly post: PostLetters;
  readonly effects: Effects;
  readonly accept: Accept;
  readonly contacts: Contacts;
  readonly seal: RequestSeal;
  readonly packages: AccessPackages;
  readonly languageFor: (record: RequestRecord) => Promise<string>;
  readonly keyring: Keyring;
  readonly clock: Clock;
}

function requireFulfillable(record: RequestRecord, kind: RequestKind): void {
  if (record.kind !== kind) throw new HushError('invalid', `this is no request for ${kind.replaceAll('_', ' ')}`, {});
  if (!after(record.kind, record.state, 'fulfil')) {
    throw new HushError('conflict', `a request that is ${record.state.replaceAll('_', ' ')} cannot be fulfilled`, {
      remedy: 'verify first; look at it again',
    });
  }
}

function withReceipts(record: RequestRecord, ids: readonly string[]) {
  return {
    receipts: [...new Set([...record.receipts, ...ids])],
  };
}

/** Through to the end, with the letter that says what was done. */
async function completeWithLetter(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  receipts: readonly string[],
  explanation: string,
  facts: Readonly<Record<string, string>> = {},
): Promise<RequestRecord> {
  const { records, post } = parts;
  const words = explanation.trim().slice(0, TEXT_LIMIT);
  const done = await records.act(record, 'fulfil', by, withReceipts(record, receipts), { facts, text: words });
  const closed = await records.act(
    done,
    'complete',
    by,
    {},
    {},
    post.reaches(done, 'fulfilment') ? [{ kind: 'fulfilment', ...(words ? { explanation: words } : {}) }] : [],
  );
  return post.flushQuietly(closed, by);
}

function verifiedContacts(record: RequestRecord) {
  return record.contacts.filter(({ verified }) => verified);
}

/**
 * What stands against marketing to the wrong address holds for the right one too: correcting an address must not bring
 * it back. Denials that were lifted are over, and a consent is not carried: it was given for the other address.
 */
async function carryDenials(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  old: Buffer,
  point: ContactPoint,
): Promise<readonly string[]> {
  const { contacts, clock, effects } = parts;
  const contact = (await contacts.find([old])).get(old.toString('hex'));
  if (!contact) return [];
  const state = stateOf(contact);
  const now = presentAt(state, clock.now());
  const { minor, relationship, jurisdiction, timeZone, language } = factsAt(state, now);
  const restricted = restrictedSince(state, now);
  const drafts: Draft[] = standingDenials(state, now).map((denial) =>
    effects.draftOf(record, { point }, by, `carry:${denial.id}:${scopeText(denial.scope)}`, {
      // A signal always is about all its purposes; of what stands it may be one.
      type: denial.type === 'gpc_received' ? 'opted_out' : denial.type,
      scope: denial.scope,
      at: denial.at,
      ...(denial.until === undefined ? {} : { until: denial.until }),
    }),
  );
  if (restricted !== undefined) {
    drafts.push(effects.draftOf(record, { point }, by, 'carry:restricted', { type: 'restricted', at: restricted }));
  }
  // Whoever is a minor or got into our records through somebody else stays so under the right address, and lives and
  // speaks as before.
  const facts = {
    ...(minor ? { minor } : {}),
    ...(relationship === 'recipient' ? { relationship } : {}),
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(language === undefined ? {} : { language }),
  };
  if (Object.keys(facts).length > 0) {
    drafts.push(effects.draftOf(record, { point }, by, 'carry:facts', { type: 'profile', ...facts }));
  }
  return (await effects.acceptEach(drafts)).map(({ id }) => id);
}

async function replaceAddress(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  old: Buffer,
  point: ContactPoint,
): Promise<readonly string[]> {
  const { keyring, accept, effects } = parts;
  const named = verifiedContacts(record).find(({ key }) => key.equals(old));
  if (!named || named.type !== point.type) {
    throw new HushError('invalid', 'the address it takes the place of is not a verified one of this request', {
      field: 'replace',
      remedy: 'choose one of the request’s addresses of the same kind',
    });
  }
  if (contactKeyBytes(keyring, point).equals(old)) {
    throw new HushError('invalid', 'that is the address we have', { field: 'replace', remedy: 'give the right one' });
  }
  const carried = await carryDenials(parts, record, by, old, point);
  await accept.link([{ key: old, type: named.type }, { point }]);
  const channel = { email: 'email', phone: 'voice', postal: 'mail', id: undefined }[named.type];
  const ended = await effects.acceptEach([
    ...(channel === undefined
      ? []
      : [
          effects.draftOf(record, { key: old, type: named.type }, by, 'unreachable', {
            type: 'unreachable',
            channel: channel as 'email' | 'voice' | 'mail',
          }),
        ]),
    effects.draftOf(record, { point }, by, 'replaces', { type: 'profile', evidence: { corrects: 'address' } }),
  ]);
  return [...carried, ...ended.map(({ id }) => id)];
}

async function correct(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  correction: Correction,
): Promise<RequestRecord> {
  const { keyring, effects } = parts;
  requireFulfillable(record, 'correction');
  const { relationship, jurisdiction, timeZone } = correction;
  const facts = {
    ...(relationship === undefined ? {} : { relationship }),
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    ...(timeZone === undefined ? {} : { timeZone }),
  };
  const words = correction.explanation.trim();
  if (Object.keys(facts).length === 0 && !correction.replace && words === '') {
    throw new HushError('invalid', 'nothing is corrected', {
      field: 'explanation',
      remedy: 'set what is right, or write what was corrected elsewhere',
    });
  }
  try {
    const replaced = correction.replace
      ? await replaceAddress(parts, record, by, correction.replace.old, correction.replace.by)
      : [];
    const drafts =
      Object.keys(facts).length === 0
        ? []
        : [
            ...verifiedContacts(record).map(({ key, type }) => ({ key, subject: { key, type } })),
            ...(correction.replace
              ? [
                  {
                    key: contactKeyBytes(keyring, correction.replace.by),
                    subject: { point: correction.replace.by },
                  },
                ]
              : []),
          ].map(({ key, subject }) =>
            effects.draftOf(record, subject, by, `correct:${key.toString('hex')}`, { type: 'profile', ...facts }),
          );
    const corrected = await effects.acceptEach(drafts);
    const receipts = [...replaced, ...corrected.map(({ id }) => id)];
    return await completeWithLetter(parts, record, by, receipts, words, {
      corrected: Object.keys(facts).join(' ') || 'in words',
    });
  } catch (error) {
    throw unavailable(error);
  }
}

async function restrict(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  explanation: string,
): Promise<RequestRecord> {
  requireFulfillable(record, 'restriction');
  return completeWithLetter(parts, record, by, await parts.effects.restrict(record, by), explanation);
}

/**
 * The officer's note on a decision that a machine made. `upheld` and `changed` end the stop of profiling that receipt
 * began, unless something else denies it; `profiling_stopped` leaves it denied.
 */
async function review(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  finding: { readonly outcome: ReviewOutcome; readonly note: string },
): Promise<RequestRecord> {
  requireFulfillable(record, 'automated_decision_review');
  if (finding.note.trim() === '') {
    throw new HushError('invalid', 'the outcome needs a note', {
      field: 'note',
      remedy: 'write what was looked at, by whom, and what came of it',
    });
  }
  const lifted =
    finding.outcome === 'profiling_stopped' ? [] : await parts.effects.liftOwnDenial(record, by, finding.outcome);
  const noted = await parts.records.change(
    record,
    by,
    { outcome: finding.outcome },
    { what: 'outcome', facts: { outcome: finding.outcome } },
  );
  return completeWithLetter(parts, noted, by, lifted, finding.note, { outcome: finding.outcome });
}

/** Has what is held gathered and handed over; closed once that is done. */
async function access(
  parts: FulfilmentParts,
  record: RequestRecord,
  by: By,
  way: Delivery['way'],
): Promise<RequestRecord> {
  requireFulfillable(record, 'access');
  const personal = parts.seal.personal(record);
  const email = record.byAgent
    ? personal?.agent?.email
    : personal?.addresses.find((address) => address?.type === 'email')?.given;
  const { publicKey } = personal ?? {};
  if (way === 'openpgp' && (publicKey === undefined || email === undefined)) {
    throw new HushError('invalid', 'the person gave no OpenPGP key or no email address', {
      field: 'delivery',
      remedy: 'hand it over as a download or a letter',
    });
  }
  const delivery: Delivery = way === 'openpgp' ? { way, publicKey: publicKey ?? '', email: email ?? '' } : { way };
  const prepared = await parts.packages.prepare(
    {
      id: record.id,
      contacts: verifiedContacts(record).map(({ key }) => key),
      language: await parts.languageFor(record),
      brand: record.brand,
      delivery,
    },
    by.name ?? by.id,
  );
  return parts.records.act(record, 'fulfil', by, { package: prepared.id }, { facts: { package: prepared.id, way } });
}

/** Begins an erasure: the denials go out, and only when every destination has them the data goes. */
async function erase(parts: FulfilmentParts, record: RequestRecord, by: By): Promise<RequestRecord> {
  const { contacts, effects, records } = parts;
  requireFulfillable(record, 'deletion');
  // Only what was proven: another address, joined or claimed, may be another's.
  const proven = verifiedContacts(record);
  await contacts.leaveToOfficer(proven.map(({ key }) => key));
  const accepted = await effects.acceptEach(
    proven.map(({ key, type }) =>
      effects.draftOf(record, { key, type }, by, `erase:${key.toString('hex')}`, { type: 'erased' }),
    ),
  );
  // Of whom nobody had heard before there is a contact only now.
  await contacts.leaveToOfficer(proven.map(({ key }) => key));
  return records.act(
    record,
    'fulfil',
    by,
    withReceipts(
      record,
      accepted.map(({ id }) => id),
    ),
    { facts: { contacts: String(proven.length) } },
  );
}

/** A package was handed over by hand, or an answer that needs nothing more. */
async function complete(parts: FulfilmentParts, record: RequestRecord, by: By): Promise<RequestRecord> {
  if (record.kind !== 'access') {
    throw new HushError('invalid', 'an erasure ends by itself', { remedy: 'wait, or override with a reason' });
  }
  const closed = await parts.records.act(record, 'complete', by, {}, {}, [{ kind: 'fulfilment' }]);
  return parts.post.flushQuietly(closed, by);
}

/** Does what was asked, kind by kind, in the ledger. */
export function createFulfilment(parts: FulfilmentParts) {
  return {
    correct: (record: RequestRecord, by: By, correction: Correction) => correct(parts, record, by, correction),
    restrict: (record: RequestRecord, by: By, explanation: string) => restrict(parts, record, by, explanation),
    review: (record: RequestRecord, by: By, finding: { readonly outcome: ReviewOutcome; readonly note: string }) =>
      review(parts, record, by, finding),
    access: (record: RequestRecord, by: By, way: Delivery['way']) => access(parts, record, by, way),
    erase: (record: RequestRecord, by: By) => erase(parts, record, by),
    complete: (record: RequestRecord, by: By) => complete(parts, record, by),
  };
}

export type Fulfilment = ReturnType<typeof createFulfilment>;
