/**
 * config/bounce-rules.yaml, checked and compiled. The file holds everything that is knowledge about other people's mail
 * servers; the code beside it holds the formats that have an RFC.
 */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { compileAwaySubjects } from './away-subjects.js';
import { compileTemplate, type LineTemplate } from './template.js';

/**
 * A phrase servers emit, in lower case; `…` stands for anything. Matching is by substring search, so no rule can be slow.
 * @example phrase("user …does not exist").in('no: user jane does not exist') // true
 */
interface Phrase {
  in(lowerText: string): boolean;
}

function phrase(pattern: string): Phrase {
  const pieces = pattern.toLowerCase().split('…');
  return {
    in(text) {
      let at = 0;
      for (const piece of pieces) {
        const found = text.indexOf(piece, at);
        if (found < 0) return false;
        at = found + piece.length;
      }
      return true;
    },
  };
}

/** Phrases that say one reason. */
export interface ReasonPhrases {
  reason: string;
  phrases: Phrase[];
}

const words = z.array(z.string().min(1)).min(1);
const reasonWords = z.record(z.string(), words);

const stepSchema = z.strictObject({
  reason: z.string(),
  /** The status code means this reason. */
  byStatus: z.boolean().default(false),
  /** Names of phrase lists. */
  byPhrases: z.array(z.string()).default([]),
  byReply: z.array(z.string()).default([]),
  /** Only at, or never at, these stages of the SMTP session. */
  stages: z.array(z.string()).optional(),
  notStages: z.array(z.string()).default([]),
  /** Only when, or never when, the status code means one of these; `none` for a code that means nothing. */
  statusMeans: z.array(z.string()).optional(),
  statusNot: z.array(z.string()).default([]),
  /** Never when one of these phrase lists matches. */
  unlessPhrases: z.array(z.string()).default([]),
  /** Never when the format itself already hinted at one of these. */
  hintNot: z.array(z.string()).default([]),
});
export type Step = z.infer<typeof stepSchema>;

const signSchema = z.strictObject({
  header: z.string().optional(),
  body: z.boolean().optional(),
  starts: words.optional(),
  has: words.optional(),
  is: words.optional(),
});
export type Sign = z.infer<typeof signSchema>;

const formatSchema = z.strictObject({
  name: z.string(),
  /** How to know the format: at least `least` of the signs, none of `not`. */
  signs: z.array(signSchema).min(1),
  least: z.int().positive().default(1),
  not: z.array(signSchema).default([]),
  /** Lines before the first that has one of these are not read. */
  start: words.optional(),
  /** A line that has one of these ends the report; our own message follows. */
  end: z.array(z.string()).default([]),
  /** Lines that name a recipient; see free-text.ts. */
  recipients: z.array(z.string()).default([]),
  /** Where the diagnosis is: after the recipient's line, or in all of the report. */
  diagnosis: z.enum(['after', 'all']).default('after'),
  /** A transcript of the SMTP session, with these marks before client and server. */
  transcript: z.strictObject({ client: z.string(), server: z.string() }).optional(),
  /** Where else the recipient may be named. */
  fallback: z.array(z.enum(['generated-from', 'failed-recipients', 'original-to'])).default([]),
  /** A header of the report that names the reason before any words do. */
  headerReasons: z.array(z.strictObject({ header: z.string(), is: z.string(), reason: z.string() })).default([]),
  /** The format's own wording; also counts for its reports with fields of RFC 3464. */
  reasons: reasonWords.default({}),
});
type FormatRule = z.infer<typeof formatSchema>;

const fileSchema = z.strictObject({
  kinds: z.strictObject({ hard: words, hardUnlessTemporary: words }),
  vague: words,
  blamesSender: z.strictObject({ sender: words, recipient: words, doubtful: words }),
  statuses: reasonWords,
  phrases: reasonWords,
  notPhrases: reasonWords.default({}),
  steps: z.array(stepSchema).min(1),
  lastPhrases: words,
  agents: z.array(z.strictObject({ name: z.string(), signs: words, reasons: reasonWords })),
  hosts: z.array(z.strictObject({ name: z.string(), suffixes: words, reasons: reasonWords })),
  categories: z.record(z.string(), z.string()),
  autoReply: z.strictObject({
    notFrom: words,
    notSubject: words,
    headers: words,
    values: reasonWords,
    likelyHeaders: words,
    likelyValues: reasonWords,
    subjects: words,
    subjectStarts: words,
  }),
  bareLoops: z.strictObject({ from: words, subject: words, recipientHeaders: z.array(z.string()) }),
  automatic: z.strictObject({ from: words, subject: words }),
  formats: z.array(formatSchema),
});

/** The codes beside a host's words. */
interface SaidWith {
  status: string | undefined;
  reply: string | undefined;
  stage: string | undefined;
}

/**
 * A host's own wording. Before ` | ` stand conditions: a status (`5.7.1`, `x.7.1`, `5.7.606-649`), a class (`4`), a reply code
 * (`550`), a stage of the session (`RCPT`).
 */
interface HostPhrase {
  reason: string;
  applies(said: SaidWith): boolean;
  phrase: Phrase;
}

export interface BounceRules {
  hard: ReadonlySet<string>;
  hardUnlessTemporary: ReadonlySet<string>;
  vague: ReadonlySet<string>;
  statusReason(status: string | undefined): string | undefined;
  /** Whether one of the phrases of a reason is in the text (lower case). */
  says(reason: string, lowerText: string): boolean;
  /** Whether the words blame the sender, the message or the moment, and not the address. */
  blamesSender(text: string): boolean;
  steps: readonly Step[];
  lastPhrases: readonly string[];
  agents: readonly { signs: Phrase[]; reasons: ReasonPhrases[] }[];
  hosts: readonly { suffixes: string[]; phrases: HostPhrase[] }[];
  categories: ReadonlyMap<string, string>;
  autoReply: z.infer<typeof fileSchema>['autoReply'] & { readonly isSubject: (subject: string) => boolean };
  bareLoops: z.infer<typeof fileSchema>['bareLoops'];
  automatic: z.infer<typeof fileSchema>['automatic'];
  formats: readonly CompiledFormat[];
}

export interface CompiledFormat {
  rule: FormatRule;
  templates: LineTemplate[];
  reasons: ReasonPhrases[];
}

/** By the text of the file: reading it takes 0.1 s, and a process may hold several installations. */
const compiledRules = new Map<string, BounceRules>();

/** Reads and compiles the file; throws an error that names what is wrong in it. */
export async function loadBounceRules(path: string | URL = 'config/bounce-rules.yaml'): Promise<BounceRules> {
  const yaml = await readFile(path, 'utf8');
  const compiled = compiledRules.get(yaml) ?? compileBounceRules(yaml);
  compiledRules.set(yaml, compiled);
  return compiled;
}

export function compileBounceRules(yaml: string): BounceRules {
  const checked = fileSchema.safeParse(parse(yaml));
  if (!checked.success) throw new Error(`bounce-rules.yaml: ${z.prettifyError(checked.error)}`);
  const file = checked.data;
  const statuses = new Map(Object.entries(file.statuses).flatMap(([reason, codes]) => codes.map((c) => [c, reason])));
  const phrases = new Map(compile(file.phrases).map((entry) => [entry.reason, entry.phrases]));
  const notPhrases = new Map(compile(file.notPhrases).map((entry) => [entry.reason, entry.phrases]));
  for (const name of [...file.steps.flatMap((s) => [...s.byPhrases, ...s.unlessPhrases]), ...file.lastPhrases]) {
    if (!phrases.has(name)) throw new Error(`bounce-rules.yaml: steps name "${name}", which has no phrases`);
  }
  const blame = compileBlame(file.blamesSender, phrases.get('userunknown') ?? []);
  return {
    blamesSender: blame,
    hard: new Set(file.kinds.hard),
    hardUnlessTemporary: new Set(file.kinds.hardUnlessTemporary),
    vague: new Set(file.vague),
    statusReason: (status) => (status === undefined ? undefined : statuses.get(status)),
    says: (reason, text) =>
      !notPhrases.get(reason)?.some((p) => p.in(text)) && (phrases.get(reason)?.some((p) => p.in(text)) ?? false),
    steps: file.steps,
    lastPhrases: file.lastPhrases,
    agents: file.agents.map((agent) => ({ signs: agent.signs.map(phrase), reasons: compile(agent.reasons) })),
    hosts: file.hosts.map((host) => ({
      suffixes: host.suffixes,
      phrases: Object.entries(host.reasons).flatMap(([reason, list]) => list.map((text) => hostPhrase(reason, text))),
    })),
    categories: new Map(Object.entries(file.categories)),
    autoReply: { ...file.autoReply, isSubject: compileAwaySubjects(file.autoReply) },
    bareLoops: file.bareLoops,
    automatic: file.automatic,
    formats: file.formats.map((rule) => ({
      rule,
      templates: rule.recipients.map(compileTemplate),
      reasons: compile(rule.reasons),
    })),
  };
}

function compile(reasons: Record<string, string[]>): ReasonPhrases[] {
  return Object.entries(reasons).map(([reason, list]) => ({ reason, phrases: list.map(phrase) }));
}

function compileBlame(
  lists: z.infer<typeof fileSchema>['blamesSender'],
  userUnknown: readonly Phrase[],
): BounceRules['blamesSender'] {
  const [sender, recipient, doubtful] = [lists.sender, lists.recipient, lists.doubtful].map((list) => list.map(phrase));
  return (text) => {
    // Names of people and hosts are no words: `policy@`, `spam.example`. Nor are the headers of our message, where it follows.
    const lower = text
      .slice(0, 20_000)
      .toLowerCase()
      .replace(/\b(?:return-path|received|x-[a-z-]{1,60}|mime-version): .*/s, '')
      .replace(/[^\s<>()"]{0,250}(?:@|:\/\/)[^\s<>()"]{0,250}/g, '')
      .replace(/\s+/g, ' ');
    const says = (list: readonly Phrase[] = []) => list.some((one) => one.in(lower));
    return says(sender) || (!says(recipient) && !says(userUnknown) && says(doubtful));
  };
}

function hostPhrase(reason: string, text: string): HostPhrase {
  const bar = text.indexOf(' | ');
  if (bar < 0) return { reason, applies: () => true, phrase: phrase(text) };
  const conditions = text.slice(0, bar).split(' ').map(condition);
  return { reason, applies: (said) => conditions.every((holds) => holds(said)), phrase: phrase(text.slice(bar + 3)) };
}

function condition(token: string): HostPhrase['applies'] {
  if (/^[A-Z]+$/.test(token)) return ({ stage }) => stage === token;
  if (token.includes('.')) return ofStatus(token);
  if (token.length === 1) return ({ status, reply }) => (status ?? reply ?? '').startsWith(token);
  return ({ reply }) => reply === token;
}

function ofStatus(token: string): HostPhrase['applies'] {
  const [subjectClass = '', subject = '', detail = ''] = token.split('.');
  const [low = detail, high = low] = detail.split('-');
  return ({ status }) => {
    const [c, s, d] = (status ?? '').split('.');
    const inClass = subjectClass === 'x' || c === subjectClass;
    return inClass && s === subject && Number(d) >= Number(low) && Number(d) <= Number(high);
  };
}
