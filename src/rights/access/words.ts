import path from 'node:path';
import { createInstance, type TFunction } from 'i18next';
import { readWords } from '../../config/locale-file.js';
import { brandById, type Catalog, say } from '../../core/catalog.js';
import { PURPOSES, type Scope, wholeScope } from '../../core/scope.js';
import { type PackageRow, type Section, topicName } from './gather.js';

/** A thing held, as people read it: a heading and lines of label and text. */
export interface ReadableRow {
  readonly head: string;
  readonly lines: readonly (readonly [label: string, text: string])[];
}

/** A stranger's system may answer with anything: this many lines of it are shown; the JSON has it whole. */
const MAX_LINES = 2000;
const DEEPEST = 8;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/;

/** A text longer than anybody reads is cut where people read it, visibly; the JSON has it whole. */
const MAX_LENGTH = 4000;
const shortened = (text: string) => (text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)} […]` : text);

/** `{a: {b: [1]}}` as lines `a.b[0]: 1`. */
export function linesOf(value: unknown, name = '', depth = 0): [string, string][] {
  if (value === undefined || value === null) return [];
  if (typeof value !== 'object') return [[name, shortened(String(value))]];
  if (depth >= DEEPEST) return [[name, shortened(JSON.stringify(value))]];
  const entries: [string, unknown][] = Array.isArray(value)
    ? value.map((item, at) => [`${name}[${at}]`, item])
    : Object.entries(value).map(([key, item]) => [name === '' ? key : `${name}.${key}`, item]);
  const lines: [string, string][] = [];
  for (const [key, item] of entries) {
    if (lines.length >= MAX_LINES) break;
    lines.push(...linesOf(item, key, depth + 1));
  }
  return lines;
}

/** Facts whose values are codes with words of their own. */
const FACT_CODES: ReadonlySet<string> = new Set(['relationship', 'implied', 'signal']);

/** Sections that are printed as one table, with the fields that have a column of their own. */
export const TABLES: Partial<Record<Section, readonly string[]>> = {
  permissions: ['contact', 'brands'],
  events: ['contact', 'scope', 'source'],
  destinations: ['contact', 'told', 'scope'],
  letters: ['at', 'way'],
  looks: ['contact', 'roles'],
};

interface WordsParts {
  readonly catalog: Catalog;
  readonly language: string;
  readonly t: TFunction;
}

interface WordsContext extends WordsParts {
  readonly minute: Intl.DateTimeFormat;
  readonly day: Intl.DateTimeFormat;
}

function word(context: WordsContext, kind: string, code: unknown): string {
  const key = `${kind}.${String(code)}`;
  const found = context.t(key);
  return found === key ? String(code).replaceAll('_', ' ') : found;
}

function time(context: WordsContext, at: unknown) {
  return `${context.minute.format(new Date(String(at)))} UTC`;
}

function plain(context: WordsContext, value: unknown): string {
  return typeof value === 'string' && TIME.test(value)
    ? time(context, value)
    : typeof value === 'boolean'
      ? word(context, 'value', value)
      : String(value);
}

function scopeText(context: WordsContext, value: unknown): string {
  const { catalog, language } = context;
  const scope: Scope = wholeScope(value as Partial<Scope> | undefined);
  const purpose = PURPOSES.find((known) => known === scope.purpose);
  const topic = topicName(catalog, scope, language);
  return [
    purpose
      ? say(catalog.purposes[purpose].noun, language)
      : word(context, 'value', scope.purpose === '*' ? 'all_purposes' : 'marketing'),
    ...(topic === undefined ? [] : [`“${topic}”`]),
    scope.channel === '*' ? word(context, 'value', 'all_channels') : word(context, 'channel', scope.channel),
    scope.brand === '*' ? word(context, 'value', 'group') : (brandById(catalog, scope.brand)?.name ?? scope.brand),
  ].join(', ');
}

function label(context: WordsContext, name: string): string {
  return word(context, 'field', name);
}

function fieldLines(
  context: WordsContext,
  row: PackageRow['row'],
  names: readonly string[],
  kinds: Readonly<Record<string, string>> = {},
) {
  return names.flatMap((name): [string, string][] => {
    const value = row[name];
    if (value === undefined || value === null) return [];
    const kind = kinds[name];
    return [[label(context, name), kind ? word(context, kind, value) : plain(context, value)]];
  });
}

function nestedLines(context: WordsContext, row: PackageRow['row'], name: string): [string, string][] {
  return linesOf(row[name]).map(([inner, text]) => [`${label(context, name)}: ${inner}`, plain(context, text)]);
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) ? value : [];
}

function contactLines(context: WordsContext, row: PackageRow['row']): [string, string][] {
  return [
    ...fieldLines(context, row, ['kept'], { kept: 'value' }),
    ...fieldLines(context, row, ['key', 'country', 'linkedToOthers']),
    ...listOf(row.facts).map(({ at, ...fact }): [string, string] => [
      label(context, 'facts'),
      `${Object.entries(fact)
        .map(
          ([name, value]) =>
            `${word(context, 'field', name)}: ${FACT_CODES.has(name) ? word(context, 'fact', value) : plain(context, value)}`,
        )
        .join(', ')} (${label(context, 'since')} ${time(context, at)})`,
    ]),
    ...listOf(row.standing).map(({ type, at, scope, except, registry, cadence, until }): [string, string] => [
      label(context, 'standing'),
      [
        word(context, 'event', type),
        scope ? scopeText(context, scope) : undefined,
        ...listOf(except).map((part) => `${word(context, 'value', 'except')} ${scopeText(context, part)}`),
        registry,
        cadence,
        `${label(context, 'since')} ${time(context, at)}`,
        until ? `${label(context, 'until')} ${time(context, until)}` : undefined,
      ]
        .filter((piece) => piece !== undefined)
        .join(', '),
    ]),
    ...listOf(row.reachability).map(({ channel, reachable, at }): [string, string] => [
      label(context, 'reachability'),
      `${word(context, 'channel', channel)}: ${plain(context, reachable)}, ${time(context, at)}`,
    ]),
  ];
}

function readableRow(context: WordsContext, { section, row }: PackageRow): ReadableRow {
  const { day, language, t } = context;
  switch (section) {
    case 'contacts':
      return {
        head: String(row.address ?? `${word(context, 'value', 'hash_only')}: ${row.key}`),
        lines: contactLines(context, row),
      };
    case 'permissions':
      return {
        head: scopeText(context, { purpose: row.purpose }).split(', ')[0] ?? '',
        lines: [
          ...fieldLines(context, row, ['contact']),
          [label(context, 'brands'), listOf(row.brands).join(', ')],
          ...listOf(row.channels).map(({ channel, allowed, reason, since, exceptTopics }): [string, string] => [
            word(context, 'channel', channel),
            `${word(context, 'value', allowed ? 'allowed' : 'denied')}, ${word(context, 'reason', reason)}${since === undefined ? '' : `, ${label(context, 'since')} ${time(context, since)}`}${listOf(exceptTopics).length > 0 ? ` (${word(context, 'value', 'except')} ${listOf(exceptTopics).join(', ')})` : ''}`,
          ]),
        ],
      };
    case 'consents':
      return {
        head: time(context, row.at),
        lines: [
          ...fieldLines(context, row, ['contact']),
          [label(context, 'scope'), scopeText(context, row.scope)],
          ...fieldLines(context, row, ['wording']),
          ...nestedLines(context, row, 'notice'),
          ...fieldLines(context, row, ['status'], { status: 'consent' }),
          ...fieldLines(context, row, ['until', 'receipt']),
        ],
      };
    case 'events':
      return {
        head: `${time(context, row.at)}: ${word(context, 'event', row.type)}`,
        lines: [
          ...fieldLines(context, row, ['contact']),
          ...(row.scope ? ([[label(context, 'scope'), scopeText(context, row.scope)]] as [string, string][]) : []),
          [label(context, 'source'), word(context, 'source', (row.source as { kind?: string } | undefined)?.kind)],
          ...fieldLines(context, row, ['until']),
          ...nestedLines(context, row, 'notice'),
          ...nestedLines(context, row, 'facts'),
          ...nestedLines(context, row, 'evidence'),
          ...nestedLines(context, row, 'link'),
          ...fieldLines(context, row, ['reach', 'writerId', 'recordedAt', 'receipt']),
        ],
      };
    case 'destinations':
      return {
        head: String(row.destination),
        lines: [
          ...fieldLines(context, row, ['contact']),
          ...fieldLines(context, row, ['role', 'told'], { role: 'value', told: 'value' }),
          ...(row.about ? ([[label(context, 'scope'), scopeText(context, row.about)]] as [string, string][]) : []),
          ...fieldLines(context, row, ['list', 'at']),
        ],
      };
    case 'requests':
      return {
        head: String(row.kind).replaceAll('_', ' '),
        lines: [
          ...fieldLines(context, row, ['request', 'state', 'way', 'jurisdiction', 'receivedAt', 'closedAt']),
          ...fieldLines(context, row, ['name', 'postal', 'agent', 'words', 'publicKey']),
          ...listOf(row.written).map(({ at, what, from, words: text }): [string, string] => [
            word(context, 'written', what),
            `${time(context, at)}, ${word(context, 'from', from)}: ${shortened(String(text))}`,
          ]),
          ...listOf(row.files).map(({ at, from, name, size }): [string, string] => [
            label(context, 'file'),
            `${String(name)}, ${Math.ceil(Number(size) / 1024)} kB, ${word(context, 'from', from)}, ${time(context, at)}`,
          ]),
        ],
      };
    case 'letters':
      return { head: String(row.kind).replaceAll('_', ' '), lines: fieldLines(context, row, ['at', 'way', 'request']) };
    case 'looks':
      return {
        head: time(context, row.at),
        lines: [
          ...fieldLines(context, row, ['contact']),
          [label(context, 'roles'), listOf(row.roles).join(', ').replaceAll('_', ' ')],
          [
            label(context, 'reason'),
            row.reason === undefined ? String(row.what).replaceAll('_', ' ') : word(context, 'look', row.reason),
          ],
        ],
      };
    case 'systems': {
      const until = day.format(new Date(String(row.askedUntil)));
      return {
        head: say(row.about as Catalog['purposes']['legal']['noun'], language),
        lines: [
          ...fieldLines(context, row, ['role'], { role: 'value' }),
          [label(context, 'state'), t(`value.${String(row.state)}`, { date: until })],
          ...fieldLines(context, row, ['answeredAt']),
          ...nestedLines(context, row, 'data'),
        ],
      };
    }
  }
}

/** The words of one language. */
function createWordsIn(parts: WordsParts) {
  const day = new Intl.DateTimeFormat(parts.language, { dateStyle: 'long', timeZone: 'UTC' });
  const minute = new Intl.DateTimeFormat(parts.language, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  const context: WordsContext = { ...parts, minute, day };
  return {
    language: parts.language,
    t: parts.t,
    readableRow: (input: PackageRow) => readableRow(context, input),
    label: (name: string) => label(context, name),
    day: (at: number) => day.format(at),
  };
}

/** Says what is held in a language: codes by `locales/access.*.yaml`, purposes and topics by the catalog. */
export function createAccessWords(parts: { readonly catalog: Catalog; readonly localesDir: string }) {
  const { catalog } = parts;
  const languages = [...new Set(['en', ...catalog.languages])];
  const words = createInstance();
  const ready = words.init({
    fallbackLng: 'en',
    interpolation: { escapeValue: false, skipOnVariables: true },
    nsSeparator: false,
    resources: Object.fromEntries(
      languages.map((language) => [
        language,
        { translation: readWords(path.join(parts.localesDir, `access.${language}.yaml`), language) },
      ]),
    ),
  });

  return async (wanted: string) => {
    await ready;
    const language = languages.includes(wanted) ? wanted : 'en';
    return createWordsIn({ catalog, language, t: words.getFixedT(language) });
  };
}

export type AccessWords = Awaited<ReturnType<ReturnType<typeof createAccessWords>>>;
