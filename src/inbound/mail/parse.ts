/** Reads one raw message and says what it tells about mail we sent. Pure: no clock, no network, no store. */
import { findAddresses } from './address.js';
import { readAppleUnsubscribe, readFeedback } from './arf.js';
import { automaticOf, readAutoReply } from './auto-reply.js';
import { classify, isDefinite } from './classify.js';
import { hasStatusFields, readStatusGroups, type StatusGroup } from './dsn.js';
import {
  type FreeText,
  headerReason,
  hintOf,
  knownFormats,
  readFreeText,
  splitAtOriginal,
  squeeze,
} from './free-text.js';
import { decodeWords, type Headers, header, headerAll, parseHeaders } from './headers.js';
import { type Entity, readEmbedded, readMessage } from './mime.js';
import { type Report, toReport } from './report.js';
import type { OriginalMessage, Returned, ReturnedMail } from './returned.js';
import type { BounceRules, CompiledFormat } from './rules.js';
import { readSesNotification } from './ses.js';
import { findStage } from './status.js';

const MAX_DIAGNOSTIC = 1000;
/** Words that are looked at again for each of many recipients. */
const MAX_SHARED = 600;
const MAX_WORDS = 2000;
/** A bounce may come forwarded inside another message; deeper is somebody playing. */
const MAX_FORWARDS = 2;

/**
 * @param raw the message as received; at most 10 MB are looked at, in practice the first megabyte.
 * @returns what was recognised; an ordinary message has no recipients. Never throws.
 * @example
 * const { recipients } = parseReturnedMail(raw, await loadBounceRules());
 * // [{ kind: 'hard', address: 'jane@example.org', reason: 'userunknown', status: '5.1.1' }]
 */
export function parseReturnedMail(raw: Buffer, rules: BounceRules): ReturnedMail {
  const entity = readMessage(raw);
  const found = recognise(entity, rules, 0);
  const mail: ReturnedMail = {
    recipients: found.recipients,
    envelopeTo: envelopeTo(entity.headers),
    nullSender: header(entity.headers, 'return-path').replaceAll(/\s/g, '') === '<>',
    automatic: automaticOf(entity.headers, rules),
    words: ownWords(toReport(entity).text),
  };
  const from = decodeWords(header(entity.headers, 'from'));
  const subject = decodeWords(header(entity.headers, 'subject'));
  if (from !== '') mail.from = from;
  if (subject !== '') mail.subject = subject;
  const messageId = header(entity.headers, 'message-id').trim().slice(0, 998);
  if (messageId !== '') mail.messageId = messageId;
  const language = header(entity.headers, 'content-language') || header(entity.headers, 'accept-language');
  if (language !== '') mail.contentLanguage = language.slice(0, 100);
  if (found.original !== undefined) mail.original = found.original;
  return mail;
}

/** What stands before the first quoted line, and before the line that mail programs put over it ("On … wrote:"). */
function ownWords(text: string): string {
  const lines = text.slice(0, 20_000).split('\n', 400);
  const quote = lines.findIndex((line) => /^\s*(?:>|-{2,}\s*\S.*-{2,}\s*$|_{10,})/.test(line));
  const own = quote < 0 ? lines : lines.slice(0, quote);
  while (quote >= 0 && own.length > 0 && /^\s*$|[:：]\s*$/.test(own.at(-1) ?? '')) own.pop();
  return own.join('\n').trim().slice(0, MAX_WORDS);
}

interface Found {
  recipients: Returned[];
  original?: OriginalMessage;
}

function recognise(entity: Entity, rules: BounceRules, forwards: number): Found {
  const report = toReport(entity);
  const found = readComplaint(entity, report, rules) ?? readBounce(entity, report, rules);
  if (found.recipients.length > 0) return found;
  if (report.original !== '' && forwards < MAX_FORWARDS) {
    const inner = recognise(readEmbedded(report.original), rules, forwards + 1);
    if (inner.recipients.some((r) => r.kind !== 'auto_reply')) return inner;
  }
  return { ...found, recipients: readAutoReply(entity.headers, rules) };
}

function readComplaint(entity: Entity, report: Report, rules: BounceRules): Found | undefined {
  const original = originalOf(report.original);
  const withOriginal = (recipients: Returned[]): Found =>
    original === undefined ? { recipients } : { recipients, original };
  if (report.feedback !== '') {
    return withOriginal(readFeedback(parseHeaders(report.feedback.split('\n')), original?.to ?? ''));
  }
  const apple = readAppleUnsubscribe(entity.headers);
  if (apple.length > 0) return withOriginal(apple);
  const from = header(entity.headers, 'from').toLowerCase();
  const subject = header(entity.headers, 'subject').toLowerCase();
  const { bareLoops } = rules;
  if (bareLoops.subject.some((s) => subject.includes(s)) && bareLoops.from.some((s) => from.includes(s))) {
    const named = bareLoops.recipientHeaders.map((name) => original?.headers.get(name)).find((v) => v !== undefined);
    return withOriginal(readFeedback(parseHeaders([]), named ?? ''));
  }
  return undefined;
}

function readBounce(entity: Entity, received: Report, rules: BounceRules): Found {
  let report = received;
  const ses = readSesNotification(report.text);
  if (ses !== undefined) {
    const original = toOriginal(ses.originalHeaders);
    if (ses.type === 'Delivery') return { recipients: [], original };
    const recipients = ses.recipients.map(
      (r): Returned =>
        ses.type === 'Complaint'
          ? { ...readFeedback(parseHeaders([`Feedback-Type: ${ses.feedbackType}`]), '')[0]!, address: r.address }
          : toReturned({ ...r, action: r.action }, classify({ ...r }, rules)),
    );
    return { recipients, original };
  }
  const isForward = /^(?:fwd?|wg|tr):/i.test(decodeWords(header(entity.headers, 'subject')));
  if (isForward) report = { ...report, text: unquote(report.text) };
  const message: FreeText = { headers: entity.headers, text: report.text, originalTo: '' };
  const formats = knownFormats(message, rules);
  const isAutomatic = report.isReport || formats.length > 0 || looksAutomatic(entity.headers, rules);
  const fields = report.status !== '' ? report.status : hasStatusFields(report.text) ? report.text : '';
  if (isAutomatic && fields !== '') {
    const recipients = fromFields(readStatusGroups(fields), report, formats, rules);
    const original = originalOf(report.original) ?? originalOf(splitByFormats(report.text, formats));
    if (recipients !== undefined) return original === undefined ? { recipients } : { recipients, original };
  }
  for (const format of formats) {
    const { report: text, original: rest } = splitAtOriginal(report.text, format);
    const original = originalOf(report.original) ?? originalOf(rest);
    const recipients = fromText({ ...message, text, originalTo: original?.to ?? '' }, format, rules);
    if (recipients.length > 0) return original === undefined ? { recipients } : { recipients, original };
  }
  const original = originalOf(report.original);
  return original === undefined ? { recipients: [] } : { recipients: [], original };
}

/** Undefined when the fields name nobody, so that the prose may. */
function fromFields(
  groups: readonly StatusGroup[],
  report: Report,
  formats: readonly CompiledFormat[],
  rules: BounceRules,
): Returned[] | undefined {
  if (groups.length === 0) return undefined;
  const results = new Map<string, Returned>();
  const session = report.text.split('\n').filter((line) => line.startsWith('>>> ') || line.startsWith('<<< '));
  for (const group of groups) {
    if (isSuccess(group)) continue;
    const words =
      groups.length === 1 ? squeeze(report.text) : paragraphAbout(report.text, group.address).slice(0, MAX_SHARED);
    const replies = groups.length === 1 ? session.filter((line) => line.startsWith('<<< ')).map((l) => l.slice(4)) : [];
    const diagnostic = squeeze(`${replies.join(' ')} ${group.diagnostic}`);
    const stage =
      findStage(session.find((line) => line.startsWith('>>> ')) ?? '') ?? findStage(diagnostic) ?? findStage(words);
    const hint =
      (group.category === undefined ? undefined : rules.categories.get(group.category)) ??
      formats.map((format) => hintOf(format.reasons, `${diagnostic} ${words}`)).find(isDefinite);
    const failure = {
      address: group.address,
      diagnostic,
      status: group.status,
      action: group.action,
      stage,
      diagnosticType: group.diagnosticType,
      hint,
      hosts: [group.remoteMta ?? '', group.reportingMta ?? ''],
    };
    const first = classify(failure, rules);
    const verdict = isDefinite(first.reason)
      ? first
      : classify({ ...failure, diagnostic: `${words} ${diagnostic}` }, rules);
    if (!results.has(group.address)) {
      results.set(group.address, toReturned({ ...group, diagnostic: group.diagnostic || words }, verdict));
    }
  }
  return [...results.values()];
}

function fromText(message: FreeText, format: CompiledFormat, rules: BounceRules): Returned[] {
  return readFreeText(message, format).map((failure) => {
    const verdict = classify(
      {
        ...failure,
        stage: failure.stage ?? findStage(failure.diagnostic),
        hint: headerReason(message.headers, format) ?? hintOf(format.reasons, failure.diagnostic),
        hosts: [],
      },
      rules,
    );
    return toReturned(failure, verdict);
  });
}

/** RFC 3464 §2.3.3: delivered, relayed and expanded are no failures; RFC 3463: nor is class 2. */
function isSuccess(group: StatusGroup): boolean {
  if (group.status?.startsWith('2.')) return true;
  return group.action === 'delivered' || group.action === 'relayed' || group.action === 'expanded';
}

function toReturned(
  failure: { address: string; diagnostic: string; action?: string | undefined },
  verdict: ReturnType<typeof classify>,
): Returned {
  const returned: Returned = { kind: verdict.kind, address: failure.address, reason: verdict.reason };
  if (verdict.status !== undefined) returned.status = verdict.status;
  if (failure.action !== undefined) returned.action = failure.action;
  if (failure.diagnostic !== '') returned.diagnostic = failure.diagnostic.slice(0, MAX_DIAGNOSTIC);
  return returned;
}

/** The paragraph of the prose that speaks of one recipient, for reports about several. */
function paragraphAbout(text: string, address: string): string {
  const at = text.indexOf(address);
  if (at < 0) return '';
  const start = text.lastIndexOf('\n\n', at);
  const end = text.indexOf('\n\n', at);
  return squeeze(text.slice(Math.max(start, 0), end < 0 ? at + 2000 : end));
}

/** A bounce that somebody passed on, with our mail in its headers still to be proven. */
function unquote(text: string): string {
  return text.replace(/^>[ \t]?/gm, '');
}

function looksAutomatic(headers: Headers, rules: BounceRules): boolean {
  const from = header(headers, 'from').toLowerCase();
  const subject = decodeWords(header(headers, 'subject')).toLowerCase();
  return (
    header(headers, 'return-path') === '<>' ||
    rules.automatic.from.some((piece) => from.includes(piece)) ||
    rules.automatic.subject.some((piece) => subject.includes(piece))
  );
}

function splitByFormats(text: string, formats: readonly CompiledFormat[]): string {
  return formats.map((format) => splitAtOriginal(text, format).original).find((rest) => rest !== '') ?? '';
}

function originalOf(text: string): OriginalMessage | undefined {
  if (text === '') return undefined;
  const lines = text
    .slice(0, 200_000)
    .replace(/^\s{1,200}/, '')
    .split('\n', 2000);
  const blank = lines.indexOf('');
  const headers = parseHeaders(blank < 0 ? lines : lines.slice(0, blank));
  return headers.fields.length === 0 ? undefined : toOriginal(headers);
}

function toOriginal(headers: Headers): OriginalMessage {
  const all = new Map<string, string>();
  for (const [name, value] of headers.fields) if (!all.has(name)) all.set(name, value);
  const original: OriginalMessage = { headers: all };
  const messageId = all.get('message-id');
  const listUnsubscribe = all.get('list-unsubscribe');
  const returnPath = all.get('return-path');
  const to = all.get('to');
  if (messageId !== undefined) original.messageId = messageId;
  if (listUnsubscribe !== undefined) original.listUnsubscribe = listUnsubscribe;
  if (returnPath !== undefined) original.returnPath = returnPath;
  if (to !== undefined) original.to = to;
  return original;
}

const ENVELOPE_HEADERS = ['delivered-to', 'x-original-to', 'envelope-to', 'x-envelope-to', 'to', 'cc'];

function envelopeTo(headers: Headers): string[] {
  const all = ENVELOPE_HEADERS.flatMap((name) => headerAll(headers, name).flatMap(findAddresses));
  return [...new Set(all.map((address) => address.toLowerCase()))].slice(0, 50);
}
