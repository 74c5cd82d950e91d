import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import {
  type DenialReason,
  denialReasonsOf,
  type ExtensionReason,
  isClosed,
  type RefusalReason,
} from '../../core/request.js';
import { type Clocked, checkExtension, deadlinesOf } from '../../core/request-clock.js';
import type { Post } from '../../preferences/outgoing-mail.js';
import type { RequestEntry, RequestRecord } from '../../store/requests.js';
import type { PostLetters } from '../letters/post-letters.js';
import { type By, type Records, TEXT_LIMIT } from './records.js';
import { referenceOf } from './reference.js';

/** What the clock has to know of a record. */
export function clockedOf(record: RequestRecord): Clocked {
  return {
    jurisdiction: record.jurisdiction,
    receivedAt: record.receivedAt.getTime(),
    state: record.state,
    ...(record.acknowledgedAt ? { acknowledgedAt: record.acknowledgedAt.getTime() } : {}),
    ...(record.extendedAt ? { extendedAt: record.extendedAt.getTime() } : {}),
  };
}

/** Who a message of staff is for. */
export type MessageReader = 'person' | 'agent';

/** Readers of a message: who wrote it, and who it is for. One from before a choice was kept went to whoever asked. */
export function readersOf(record: RequestRecord, { by, facts }: RequestEntry): readonly string[] {
  if (facts?.from !== 'staff') return [by];
  return facts.to === undefined ? [record.byAgent ? 'agent' : 'person'] : facts.to.split(' ');
}

/** A letter that staff write. */
function needsWords(text: string, what: string): string {
  const words = text.trim().slice(0, TEXT_LIMIT);
  if (words === '') {
    throw new HushError('invalid', `${what} is missing`, { field: 'explanation', remedy: 'write it in plain words' });
  }
  return words;
}

interface AnswersParts {
  readonly records: Records;
  readonly post: PostLetters;
  readonly mail: Post;
  readonly policy: Policy;
  readonly clock: Clock;
}

/** Throws HushError `invalid` where no letter can reach anybody: nothing is recorded as sent that cannot go. */
function requireReachable(
  parts: AnswersParts,
  record: RequestRecord,
  kind: 'extension' | 'denial' | 'refusal' | 'acknowledgement',
) {
  if (parts.post.reaches(record, kind)) return;
  throw new HushError('invalid', 'there is no email or postal address that a letter could go to', {
    remedy: 'ask for one and add it to the request, or withdraw it on the person’s word',
  });
}

/** Ends a request without doing what it asks; the letter says why. */
async function closeWithReason(
  parts: AnswersParts,
  record: RequestRecord,
  act: 'deny' | 'refuse',
  by: By,
  grounds: { readonly reason: string; readonly explanation: string },
  fields: Pick<RequestRecord, 'denialReason' | 'refusalReason'>,
): Promise<RequestRecord> {
  const kind = act === 'deny' ? 'denial' : 'refusal';
  requireReachable(parts, record, kind);
  const explanation = grounds.explanation.trim().slice(0, TEXT_LIMIT);
  const { reason } = grounds;
  const closed = await parts.records.act(record, act, by, fields, { facts: { reason }, text: explanation }, [
    { kind, reason, ...(explanation ? { explanation } : {}) },
  ]);
  return parts.post.flushQuietly(closed, by);
}

async function acknowledge(parts: AnswersParts, record: RequestRecord, by: By): Promise<RequestRecord> {
  requireReachable(parts, record, 'acknowledgement');
  const done = await parts.records.act(record, 'acknowledge', by, {}, {}, [{ kind: 'acknowledgement' }]);
  return parts.post.flushQuietly(done, by);
}

/** Takes the one extension there is. Its letter goes at once: before the first deadline, or there is none. */
async function extend(
  parts: AnswersParts,
  record: RequestRecord,
  by: By,
  grounds: { readonly reason: ExtensionReason; readonly explanation: string },
): Promise<RequestRecord> {
  const { clock, policy, records, post } = parts;
  const now = clock.now();
  checkExtension(policy, clockedOf(record), now);
  requireReachable(parts, record, 'extension');
  const explanation = needsWords(grounds.explanation, 'the reason in words');
  const { extendedDue } = deadlinesOf(policy, clockedOf(record));
  const extended = await records.act(
    record,
    'extend',
    by,
    { extendedAt: new Date(now), due: new Date(extendedDue), extensionReason: grounds.reason },
    { facts: { reason: grounds.reason }, text: explanation },
    [{ kind: 'extension', reason: grounds.reason, explanation }],
  );
  return post.flushQuietly(extended, by);
}

async function deny(
  parts: AnswersParts,
  record: RequestRecord,
  by: By,
  grounds: { readonly reason: DenialReason; readonly explanation: string },
): Promise<RequestRecord> {
  if (!denialReasonsOf(record.kind).includes(grounds.reason)) {
    throw new HushError('invalid', 'this reason is not one for this kind of request', {
      field: 'reason',
      remedy: 'choose one of the list',
    });
  }
  return closeWithReason(parts, record, 'deny', by, grounds, { denialReason: grounds.reason });
}

/** It could not be shown who asks. The letter says how to try again. */
async function refuse(
  parts: AnswersParts,
  record: RequestRecord,
  by: By,
  grounds: { readonly reason: RefusalReason; readonly explanation: string },
): Promise<RequestRecord> {
  return closeWithReason(parts, record, 'refuse', by, grounds, { refusalReason: grounds.reason });
}

/** The person does not want it any more. What it has denied stays denied. */
function withdraw(parts: AnswersParts, record: RequestRecord, by: By, why = ''): Promise<RequestRecord> {
  return parts.records.act(record, 'withdraw', by, {}, { text: why });
}

function assign(
  parts: AnswersParts,
  record: RequestRecord,
  by: By,
  to: { readonly id: string; readonly name: string },
): Promise<RequestRecord> {
  return parts.records.change(record, by, { assignee: to }, { what: 'assign', facts: { to: to.name } });
}

function note(parts: AnswersParts, record: RequestRecord, by: By, text: string): Promise<RequestRecord> {
  return parts.records.change(record, by, {}, { what: 'note', text: needsWords(text, 'the note') });
}

/**
 * From staff to the person, whoever acts for them, or both; or back. Each gets a mail that says there is one, and reads
 * it on their page of the request.
 */
async function message(
  parts: AnswersParts,
  record: RequestRecord,
  by: By,
  text: string,
  to: readonly MessageReader[] = [],
): Promise<RequestRecord> {
  const fromStaff = by.id.startsWith('staff');
  const reached = parts.post.reachesOf(record);
  const words = needsWords(text, 'the message');
  const recorded = await parts.records.change(
    record,
    by,
    { unread: !fromStaff },
    {
      what: 'message',
      facts: { from: fromStaff ? 'staff' : by.id, ...(to.length > 0 ? { to: to.join(' ') } : {}) },
      text: words,
    },
  );
  for (const reader of to) {
    const mailTo = reached[reader];
    if (!mailTo) continue;
    await parts.mail({
      id: `request-message:${record.id}:${recorded.rev}:${reader}`,
      template: 'request-message',
      language: record.language,
      brand: record.brand,
      to: mailTo.email,
      values: (language) => ({ reference: referenceOf(record.id), link: mailTo.link(language) }),
    });
  }
  return recorded;
}

/** Staff have read what came in. */
async function markRead(parts: AnswersParts, record: RequestRecord, by: By): Promise<RequestRecord> {
  return record.unread && !isClosed(record.state)
    ? parts.records.change(record, by, { unread: false }, { what: 'seen' })
    : record;
}

/** What staff do with a request beside fulfilling it. */
export function createAnswers(parts: AnswersParts) {
  return {
    acknowledge: acknowledge.bind(undefined, parts),
    extend: extend.bind(undefined, parts),
    deny: deny.bind(undefined, parts),
    refuse: refuse.bind(undefined, parts),
    withdraw: withdraw.bind(undefined, parts),
    assign: assign.bind(undefined, parts),
    note: note.bind(undefined, parts),
    message: message.bind(undefined, parts),
    seen: markRead.bind(undefined, parts),
  };
}

export type Answers = ReturnType<typeof createAnswers>;
