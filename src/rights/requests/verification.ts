import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { after, type RequestKind } from '../../core/request.js';
import type { AdmitMail } from '../../mail/recipient-limits.js';
import type { Link } from '../../preferences/links.js';
import type { RequestFiles } from '../../store/request-files.js';
import type { RequestContact, RequestRecord } from '../../store/requests.js';
import type { PostLetters } from '../letters/post-letters.js';
import { AGENT, type By, PERSON, type Records, TEXT_LIMIT } from './records.js';

/** What staff may compare with what is held. Codes only: the answers themselves are not written down. */
export const CHECKS = [
  'name_and_address',
  'policy_number',
  'claim_number',
  'shipment',
  'date_of_birth',
  'payment_detail',
  'called_back',
] as const;
export type Check = (typeof CHECKS)[number];

/** 11 CCR 7062: two points of data for most, three where specific pieces of personal information are shown. */
export function checksNeeded(kind: RequestKind): number {
  return kind === 'access' ? 3 : 2;
}

/** Mails of a request that whoever follows it can cause: of one network, recipient and day, and not at once. */
export const MAILS_A_DAY = 3;
const AGAIN_AFTER_MS = 5 * 60_000;

interface VerificationParts {
  readonly records: Records;
  readonly post: PostLetters;
  readonly files: RequestFiles;
  readonly admitMail: AdmitMail;
  readonly clock: Clock;
}

/**
 * Proven are the addresses that were shown to be the person's, each for itself. What was only claimed stays claimed, and so
 * does what a marketing system joined to it: a join proves no identity.
 */
export function withProven(record: Pick<RequestRecord, 'contacts'>, shown: readonly Buffer[]): RequestContact[] {
  return record.contacts.map((contact) => ({
    ...contact,
    verified: contact.verified || shown.some((key) => key.equals(contact.key)),
  }));
}

/** The addresses that staff say were proven; of a request with one address that one. */
export function chosenAddresses(record: Pick<RequestRecord, 'contacts'>, chosen: readonly Buffer[]): readonly Buffer[] {
  const [only, ...more] = record.contacts;
  if (only && more.length === 0) return [only.key];
  const named = chosen.filter((key) => record.contacts.some((contact) => contact.key.equals(key)));
  if (named.length === 0) {
    throw new HushError(
      'invalid',
      'the request names several addresses: say which of them were shown to be the person’s',
      {
        field: 'contacts',
        remedy: 'choose each one that what was checked belongs to; the others stay claimed',
      },
    );
  }
  return named;
}

async function recordVerified(
  parts: VerificationParts,
  record: RequestRecord,
  by: By,
  way: 'link' | 'knowledge' | 'agent',
  shown: readonly Buffer[],
  facts: Readonly<Record<string, string>>,
  text?: string,
): Promise<RequestRecord> {
  return parts.records.act(
    record,
    'verify',
    by,
    {
      // A further address may be proven later: when and how the request was verified stays.
      ...(record.verifiedAt ? {} : { verifiedAt: new Date(parts.clock.now()), verifiedBy: way }),
      contacts: withProven(record, shown),
    },
    { facts: { way, ...facts }, text },
  );
}

/** Sends the link again. */
async function askAgain(parts: VerificationParts, record: RequestRecord, by: By): Promise<RequestRecord> {
  const { post, records } = parts;
  const kind = record.byAgent ? 'agent_confirmation' : 'verification';
  if (!post.reaches(record, kind)) {
    throw new HushError('invalid', 'there is no address to send it to', { remedy: 'verify by what they know' });
  }
  const sent = await records.act(record, 'ask_verification', by, {}, { facts: { way: 'link' } }, [{ kind }]);
  return post.flushQuietly(sent, by);
}

/** The request of a link that verifies one of its addresses. */
async function requestOfLink(parts: VerificationParts, link: Link): Promise<RequestRecord | undefined> {
  const record = await parts.records.get(link.reference).catch((error: unknown) => {
    if (error instanceof HushError && error.kind === 'not_found') return undefined;
    throw error;
  });
  const isTheirs = link.kind === 'verify' && record?.contacts.some(({ key }) => key.equals(link.key));
  return isTheirs ? record : undefined;
}

/** True while somebody can be asked by mail whether they want the request. */
function canAsk(parts: VerificationParts, record: RequestRecord): boolean {
  return (
    after(record.kind, record.state, 'ask_verification') !== undefined &&
    parts.post.reachesOf(record).person !== undefined
  );
}

/**
 * Sends the link again on the word of somebody who follows the request: within the share of mails that the address has
 * of this network. False when it had it.
 */
async function sendAgain(parts: VerificationParts, record: RequestRecord, by: By, asker: string): Promise<boolean> {
  const { person } = parts.post.reachesOf(record);
  if (!canAsk(parts, record) || person === undefined) return true;
  const timesSent = record.history.filter(({ what }) => what === 'ask_verification').length;
  const quota = { asker, perDay: MAILS_A_DAY, everyMs: AGAIN_AFTER_MS };
  if (!(await parts.admitMail('request', person.email, quota, `${record.id}:${timesSent}`))) return false;
  await askAgain(parts, record, by);
  return true;
}

/**
 * Whoever reads the mail of the address did not ask, or wants nobody to act for them: the request ends. An agent hears
 * that there is no confirmation, and no more. Of a request that is being carried out, or over, nothing changes.
 */
async function decline(parts: VerificationParts, link: Link): Promise<RequestRecord | undefined> {
  const { post, records } = parts;
  const record = await requestOfLink(parts, link);
  if (!record) return undefined;
  const reason = 'not_confirmed_by_person';
  const act = (['refuse', 'withdraw'] as const).find((step) => after(record.kind, record.state, step));
  if (!act) return record;
  const letters = post.reachesOf(record).agent ? [{ kind: 'refusal', reason }] : [];
  const fields = act === 'refuse' ? { refusalReason: reason } : {};
  const ended = await records.act(record, act, PERSON, fields, { what: 'declined', facts: { reason } }, letters);
  return post.flushQuietly(ended);
}

/**
 * Somebody who reads the mail of the address pressed the button. Verifies the request, or, of an agent's, says that the
 * person wants it. Pressed again, it changes nothing. Undefined for a link that is not of this request.
 */
async function verifyByLink(parts: VerificationParts, link: Link): Promise<RequestRecord | undefined> {
  const record = await requestOfLink(parts, link);
  if (!record) return undefined;
  if (record.state !== 'received' && record.state !== 'verifying') return record;
  if (!record.byAgent) return recordVerified(parts, record, PERSON, 'link', [link.key], {});
  const confirmed =
    record.confirmedAt === undefined
      ? await parts.records.change(
          record,
          PERSON,
          { confirmedAt: new Date(parts.clock.now()), contacts: withProven(record, [link.key]) },
          { what: 'confirmed' },
        )
      : record;
  return confirmed.authority === undefined
    ? confirmed
    : recordVerified(parts, confirmed, PERSON, 'agent', [link.key], { authority: confirmed.authority });
}

/** Staff compared what the person said with what is held. What was checked is written down, not the answers. */
async function verifyByKnowledge(
  parts: VerificationParts,
  record: RequestRecord,
  by: By,
  checked: { readonly checks: readonly Check[]; readonly note: string; readonly contacts?: readonly Buffer[] },
): Promise<RequestRecord> {
  const checks = [...new Set(checked.checks)];
  const needed = checksNeeded(record.kind);
  if (checks.length < needed) {
    throw new HushError('invalid', `this kind of request needs ${needed} things that fit what we hold`, {
      field: 'checks',
      remedy: 'ask for more, or send a link; if they cannot show who they are, refuse and say how to try again',
    });
  }
  if (record.byAgent) {
    throw new HushError('invalid', 'an agent shows an authority, and the person says yes', {
      remedy: 'record the document and the person’s confirmation',
    });
  }
  const shown = chosenAddresses(record, checked.contacts ?? []);
  return recordVerified(
    parts,
    record,
    by,
    'knowledge',
    shown,
    { checks: checks.join(' ') },
    checked.note.slice(0, TEXT_LIMIT),
  );
}

/** Staff looked at the agent's document. With the person's own word, the request is verified. */
async function recordAuthority(
  parts: VerificationParts,
  record: RequestRecord,
  by: By,
  file: string,
  contacts: readonly Buffer[] = [],
): Promise<RequestRecord> {
  if (!record.byAgent) throw new HushError('invalid', 'no agent asks here', { remedy: 'verify the person' });
  if (!(await parts.files.get(record.id, file))) {
    throw new HushError('invalid', 'the document is not with this request', {
      field: 'file',
      remedy: 'attach it first',
    });
  }
  const shown = await parts.records.change(record, by, { authority: file }, { what: 'authority', facts: { file } });
  if (shown.confirmedAt === undefined) return shown;
  // Which addresses are hers she has said herself, by link or on the phone; before that was kept, staff say it.
  const proven = shown.contacts.some((contact) => contact.verified) ? [] : chosenAddresses(shown, contacts);
  return recordVerified(parts, shown, by, 'agent', proven, { authority: file });
}

/** Staff called the person on a number we held before, and she said yes. */
async function confirmByPhone(
  parts: VerificationParts,
  record: RequestRecord,
  by: By,
  note: string,
  contacts: readonly Buffer[] = [],
): Promise<RequestRecord> {
  if (!record.byAgent) throw new HushError('invalid', 'no agent asks here', { remedy: 'verify the person' });
  const confirmed = await parts.records.change(
    record,
    by,
    { confirmedAt: new Date(parts.clock.now()), contacts: withProven(record, chosenAddresses(record, contacts)) },
    { what: 'confirmed', facts: { way: 'called_back' }, text: note },
  );
  if (confirmed.authority === undefined) return confirmed;
  return recordVerified(parts, confirmed, by, 'agent', [], { authority: confirmed.authority });
}

/** Who holds a link of a request: the person at one of its addresses, or whoever acts for them. */
function holderOfLink(record: RequestRecord, link: Pick<Link, 'key'>): By {
  return record.byAgent && !record.contacts.some(({ key }) => key.equals(link.key)) ? AGENT : PERSON;
}

/** How it was shown who asks. An opt-out, an objection and a withdrawal never come here. */
export function createVerification(parts: VerificationParts) {
  return {
    askAgain: askAgain.bind(undefined, parts),
    canAsk: canAsk.bind(undefined, parts),
    sendAgain: sendAgain.bind(undefined, parts),
    decline: decline.bind(undefined, parts),
    byLink: verifyByLink.bind(undefined, parts),
    byKnowledge: verifyByKnowledge.bind(undefined, parts),
    authority: recordAuthority.bind(undefined, parts),
    confirmedByPhone: confirmByPhone.bind(undefined, parts),
    byOf: holderOfLink,
  };
}

export type Verification = ReturnType<typeof createVerification>;
