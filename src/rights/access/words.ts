import path from 'node:path';
import { createInstance } from 'i18next';
import { readWords } from '../../config/locale-file.js';
import { brandById, type Catalog, say } from '../../core/catalog.js';
import { PURPOSES, type Scope, wholeScope } from '../../core/scope.js';
import { type Held, type Section, topicName } from './gather.js';

/** A thing held, as people read it: a heading and lines of label and text. */
export interface Said {
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
    const t = words.getFixedT(language);
    const day = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeZone: 'UTC' });
    const minute = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });

    const word = (kind: string, code: unknown): string => {
      const key = `${kind}.${String(code)}`;
      const found = t(key);
      return found === key ? String(code).replaceAll('_', ' ') : found;
    };
    const time = (at: unknown) => `${minute.format(new Date(String(at)))} UTC`;
    const plain = (value: unknown): string =>
      typeof value === 'string' && TIME.test(value)
        ? time(value)
        : typeof value === 'boolean'
          ? word('value', value)
          : String(value);

    function scopeText(given: unknown): string {
      const scope: Scope = wholeScope(given as Partial<Scope> | undefined);
      const purpose = PURPOSES.find((known) => known === scope.purpose);
      const topic = topicName(catalog, scope, language);
      return [
        purpose
          ? say(catalog.purposes[purpose].noun, language)
          : word('value', scope.purpose === '*' ? 'all_purposes' : 'marketing'),
        ...(topic === undefined ? [] : [`“${topic}”`]),
        scope.channel === '*' ? word('value', 'all_channels') : word('channel', scope.channel),
        scope.brand === '*' ? word('value', 'group') : (brandById(catalog, scope.brand)?.name ?? scope.brand),
      ].join(', ');
    }

    const label = (name: string): string => word('field', name);
    const given = (row: Held['row'], names: readonly string[], kinds: Readonly<Record<string, string>> = {}) =>
      names.flatMap((name): [string, string][] => {
        const value = row[name];
        if (value === undefined || value === null) return [];
        const kind = kinds[name];
        return [[label(name), kind ? word(kind, value) : plain(value)]];
      });
    const nested = (row: Held['row'], name: string): [string, string][] =>
      linesOf(row[name]).map(([inner, text]) => [`${label(name)}: ${inner}`, plain(text)]);
    const list = (value: unknown): readonly Readonly<Record<string, unknown>>[] => (Array.isArray(value) ? value : []);

    function contactLines(row: Held['row']): [string, string][] {
      return [
        ...given(row, ['kept'], { kept: 'value' }),
        ...given(row, ['key', 'country', 'linkedToOthers']),
        ...list(row.facts).map(({ at, ...fact }): [string, string] => [
          label('facts'),
          `${Object.entries(fact)
            .map(
              ([name, value]) => `${word('field', name)}: ${FACT_CODES.has(name) ? word('fact', value) : plain(value)}`,
            )
            .join(', ')} (${label('since')} ${time(at)})`,
        ]),
        ...list(row.standing).map(({ type, at, scope, except, registry, cadence, until }): [string, string] => [
          label('standing'),
          [
            word('event', type),
            scope ? scopeText(scope) : undefined,
            ...list(except).map((part) => `${word('value', 'except')} ${scopeText(part)}`),
            registry,
            cadence,
            `${label('since')} ${time(at)}`,
            until ? `${label('until')} ${time(until)}` : undefined,
          ]
            .filter((piece) => piece !== undefined)
            .join(', '),
        ]),
        ...list(row.reachability).map(({ channel, reachable, at }): [string, string] => [
          label('reachability'),
          `${word('channel', channel)}: ${plain(reachable)}, ${time(at)}`,
        ]),
      ];
    }

    function said({ section, row }: Held): Said {
      switch (section) {
        case 'contacts':
          return { head: String(row.address ?? `${word('value', 'hash_only')}: ${row.key}`), lines: contactLines(row) };
        case 'permissions':
          return {
            head: scopeText({ purpose: row.purpose }).split(', ')[0] ?? '',
            lines: [
              ...given(row, ['contact']),
              [label('brands'), list(row.brands).join(', ')],
              ...list(row.channels).map(({ channel, allowed, reason, since, exceptTopics }): [string, string] => [
                word('channel', channel),
                `${word('value', allowed ? 'allowed' : 'denied')}, ${word('reason', reason)}${since === undefined ? '' : `, ${label('since')} ${time(since)}`}${list(exceptTopics).length > 0 ? ` (${word('value', 'except')} ${list(exceptTopics).join(', ')})` : ''}`,
              ]),
            ],
          };
        case 'consents':
          return {
            head: time(row.at),
            lines: [
              ...given(row, ['contact']),
              [label('scope'), scopeText(row.scope)],
              ...given(row, ['wording']),
              ...nested(row, 'notice'),
              ...given(row, ['status'], { status: 'consent' }),
              ...given(row, ['until', 'receipt']),
            ],
          };
        case 'events':
          return {
            head: `${time(row.at)}: ${word('event', row.type)}`,
            lines: [
              ...given(row, ['contact']),
              ...(row.scope ? ([[label('scope'), scopeText(row.scope)]] as [string, string][]) : []),
              [label('source'), word('source', (row.source as { kind?: string } | undefined)?.kind)],
              ...given(row, ['until']),
              ...nested(row, 'notice'),
              ...nested(row, 'facts'),
              ...nested(row, 'evidence'),
              ...nested(row, 'link'),
              ...given(row, ['reach', 'writerId', 'recordedAt', 'receipt']),
            ],
          };
        case 'destinations':
          return {
            head: String(row.destination),
            lines: [
              ...given(row, ['contact']),
              ...given(row, ['role', 'told'], { role: 'value', told: 'value' }),
              ...(row.about ? ([[label('scope'), scopeText(row.about)]] as [string, string][]) : []),
              ...given(row, ['list', 'at']),
            ],
          };
        case 'requests':
          return {
            head: String(row.kind).replaceAll('_', ' '),
            lines: [
              ...given(row, ['request', 'state', 'way', 'jurisdiction', 'receivedAt', 'closedAt']),
              ...given(row, ['name', 'postal', 'agent', 'words', 'publicKey']),
              ...list(row.written).map(({ at, what, from, words: text }): [string, string] => [
                word('written', what),
                `${time(at)}, ${word('from', from)}: ${shortened(String(text))}`,
              ]),
              ...list(row.files).map(({ at, from, name, size }): [string, string] => [
                label('file'),
                `${String(name)}, ${Math.ceil(Number(size) / 1024)} kB, ${word('from', from)}, ${time(at)}`,
              ]),
            ],
          };
        case 'letters':
          return { head: String(row.kind).replaceAll('_', ' '), lines: given(row, ['at', 'way', 'request']) };
        case 'looks':
          return {
            head: time(row.at),
            lines: [
              ...given(row, ['contact']),
              [label('roles'), list(row.roles).join(', ').replaceAll('_', ' ')],
              [
                label('reason'),
                row.reason === undefined ? String(row.what).replaceAll('_', ' ') : word('look', row.reason),
              ],
            ],
          };
        case 'systems': {
          const until = day.format(new Date(String(row.askedUntil)));
          return {
            head: say(row.about as Catalog['purposes']['legal']['noun'], language),
            lines: [
              ...given(row, ['role'], { role: 'value' }),
              [label('state'), t(`value.${String(row.state)}`, { date: until })],
              ...given(row, ['answeredAt']),
              ...nested(row, 'data'),
            ],
          };
        }
      }
    }

    return { language, t, said, label, day: (at: number) => day.format(at) };
  };
}

export type AccessWords = Awaited<ReturnType<ReturnType<typeof createAccessWords>>>;
