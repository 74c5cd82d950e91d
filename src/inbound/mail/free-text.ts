/**
 * Bounces without RFC 3464 fields: every mail server has its own prose. A format is known by signs in the headers or the body,
 * so that a person's own words are never taken for a bounce; its rules are in config/bounce-rules.yaml.
 */
import { findAddress, findAddresses } from './address.js';
import { decodeWords, type Headers, header, headerAll } from './headers.js';
import type { BounceRules, CompiledFormat, ReasonPhrases, Sign } from './rules.js';
import { findStage } from './status.js';
import type { LineTemplate } from './template.js';
import { type NamedFailure, readTranscript } from './transcript.js';

export interface FreeText {
  headers: Headers;
  /** The words of the report, before our own message. */
  text: string;
  /** Headers of our own message, where the report gives them back. */
  originalTo: string;
}

const MAX_LINES = 4000;
/** RFC 5321 §4.5.3.1.8: a server need not take more recipients at once. */
const MAX_RECIPIENTS = 100;
/** Words before the first recipient that are looked at again for each. */
const MAX_SHARED = 600;

/** The formats whose signs are there, in the order of the file. */
export function knownFormats(message: FreeText, rules: BounceRules): CompiledFormat[] {
  return rules.formats.filter(
    ({ rule }) =>
      rule.signs.filter((sign) => shows(sign, message)).length >= rule.least &&
      !rule.not.some((s) => shows(s, message)),
  );
}

function shows(sign: Sign, message: FreeText): boolean {
  const values =
    sign.body === true ? [message.text] : headerAll(message.headers, sign.header ?? 'subject').map(decodeWords);
  return values.some(
    (value) =>
      (sign.has === undefined && sign.starts === undefined && sign.is === undefined) ||
      (sign.has?.some((piece) => value.includes(piece)) ?? false) ||
      (sign.starts?.some((piece) => value.startsWith(piece)) ?? false) ||
      (sign.is?.some((piece) => value === piece) ?? false),
  );
}

/** Cuts the report where our own message begins. */
export function splitAtOriginal(text: string, format: CompiledFormat): { report: string; original: string } {
  for (const mark of format.rule.end) {
    const at = text.indexOf(mark);
    if (at < 0) continue;
    const lineEnd = text.indexOf('\n', at);
    const isHeader = /^\n*[A-Z][A-Za-z-]{1,30}:/.test(mark);
    const original = isHeader ? text.slice(at) : lineEnd < 0 ? '' : text.slice(lineEnd + 1);
    return { report: text.slice(0, at), original: original.replace(/^\s{1,200}/, '') };
  }
  return { report: text, original: '' };
}

/** The recipients a format names in its prose, with what is said of each. */
export function readFreeText(message: FreeText, format: CompiledFormat): NamedFailure[] {
  const { rule } = format;
  const lines = message.text.split('\n', MAX_LINES);
  const first =
    rule.start === undefined ? 0 : lines.findIndex((line) => rule.start!.some((mark) => line.includes(mark)));
  if (first < 0) return [];
  const body = lines.slice(first);
  const named =
    rule.transcript === undefined
      ? readLines(body, format.templates, rule.diagnosis === 'all')
      : readTranscript(body, rule.transcript);
  const report = squeeze(body.join(' '));
  const session = findStage(body.filter((line) => line.startsWith('>>> ')).join('\n'));
  const failures = named.length > 0 ? named : fallback(message, format, report);
  return failures.map((failure) => ({ ...failure, stage: failure.stage ?? (named.length > 0 ? session : undefined) }));
}

function readLines(lines: readonly string[], templates: readonly LineTemplate[], all: boolean): NamedFailure[] {
  const failures: { address: string; said: string[] }[] = [];
  const preface: string[] = [];
  for (const line of lines) {
    const named = templates.map((template) => template(line)).find((found) => found !== undefined);
    const current = failures.at(-1);
    if (named !== undefined && named.address !== current?.address && failures.length < MAX_RECIPIENTS) {
      failures.push({ address: named.address, said: [all ? line : named.rest] });
    } else if (current !== undefined) current.said.push(line);
    else preface.push(line);
  }
  const shared = all ? squeeze(preface.join(' ')).slice(0, MAX_SHARED) : '';
  return mergeRepeats(
    failures.map((f) => ({ address: f.address, diagnostic: squeeze(`${shared} ${f.said.join(' ')}`) })),
  );
}

/** A recipient who is named twice is one recipient. */
function mergeRepeats(failures: readonly NamedFailure[]): NamedFailure[] {
  const merged = new Map<string, NamedFailure>();
  for (const failure of failures) {
    const earlier = merged.get(failure.address);
    if (earlier === undefined) merged.set(failure.address, { ...failure });
    else earlier.diagnostic = `${earlier.diagnostic} ${failure.diagnostic}`.slice(0, 20_000);
  }
  return [...merged.values()];
}

function fallback(message: FreeText, format: CompiledFormat, report: string): NamedFailure[] {
  for (const source of format.rule.fallback) {
    const addresses =
      source === 'failed-recipients'
        ? findAddresses(header(message.headers, 'x-failed-recipients'))
        : source === 'original-to'
          ? [findAddress(message.originalTo)]
          : [findAddress(/\(?generated (?:from|by) (\S{3,260})/.exec(report)?.[1] ?? '')];
    const found = addresses.filter((address) => address !== undefined).slice(0, MAX_RECIPIENTS);
    if (found.length > 0) return found.map((address) => ({ address, diagnostic: report }));
  }
  return [];
}

/** The reason a header of the report gives. */
export function headerReason(headers: Headers, format: CompiledFormat): string | undefined {
  return format.rule.headerReasons.find((rule) => header(headers, rule.header) === rule.is)?.reason;
}

/** The reason a format's own wording gives. */
export function hintOf(reasons: readonly ReasonPhrases[], text: string): string | undefined {
  const lower = text.toLowerCase();
  return reasons.find((entry) => entry.phrases.some((phrase) => phrase.in(lower)))?.reason;
}

export function squeeze(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, 20_000);
}
