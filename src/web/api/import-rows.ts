import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { DENIAL_TYPES, EVENT_TYPES } from '../../core/event.js';
import type { Consents } from '../../preferences/consents.js';
import type { Draft, Subject } from '../../preferences/draft.js';
import type { OpeningGuard } from '../../preferences/opening-guard.js';
import { EVIDENCE_LIMIT, fittingEvidence } from '../../preferences/private-part.js';
import type { ApiKey } from '../../store/api-keys.js';
import { contactInCell } from '../../suppression/contact-cell.js';
import type { Csv, CsvRow } from '../../suppression/csv-rows.js';
import { RowFault } from '../../suppression/import.js';
import { parseJson, utf8 } from '../middleware/json.js';
import { draftFrom, rightsOf } from './events.js';
import { exportedContact, isOwnExport } from './import-contact.js';
import { TOO_LONG } from './ndjson.js';
import { faultsOf } from './remedies.js';
import type { RequestReader } from './requests.js';
import { type EventInput, eventSchema, scopeSchema, sourceSchema, time } from './schemas.js';

/** A sender's clock may be ahead of ours by so much (ms), as for other events. */
const AHEAD = 5 * 60_000;

/** Columns of a CSV list beside the contact, and where each goes in an event. A cell that is empty says nothing. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  type: ['type'],
  at: ['at'],
  until: ['until'],
  reach: ['reach'],
  brand: ['scope', 'brand'],
  channel: ['scope', 'channel'],
  purpose: ['scope', 'purpose'],
  topic: ['scope', 'topic'],
  bounce: ['kind'],
  registry: ['registry'],
  relationship: ['relationship'],
  minor: ['minor'],
  language: ['language'],
  cadence: ['cadence'],
  notice: ['notice', 'id'],
  notice_version: ['notice', 'version'],
  wording: ['source', 'evidence', 'wording'],
  form_url: ['source', 'evidence', 'formUrl'],
  ip: ['source', 'evidence', 'ip'],
  user_agent: ['source', 'evidence', 'userAgent'],
  note: ['source', 'evidence', 'note'],
};
export const IMPORT_COLUMNS = Object.keys(COLUMNS);
/**
 * What a list may say. It may deny; it may lift something by a consent with its evidence and nothing else (a bought list
 * must not bring marketing back), so whatever else opens something has its way in elsewhere.
 */
const REFUSED: Readonly<Record<string, string>> = {
  opted_in: 'a list proves no opt-in: bring consent_granted with notice, date and evidence',
  reachable: 'a list cannot say that somebody can be reached again: use /v1/events',
  restriction_lifted: 'a list cannot lift a restriction: use /v1/events',
  registry_unlisted: 'a list cannot take somebody off a registry: use /v1/events',
  erased: 'an erasure is a request of the person: use /v1/requests, or import an opt-out',
};
/** Types that a list may have. */
export const IMPORT_TYPES = EVENT_TYPES.filter((type) => REFUSED[type] === undefined);
const SCOPED: ReadonlySet<string> = new Set([...DENIAL_TYPES, 'consent_granted', 'cadence_set']);

/** Names of fields that may be told: an unknown one may be anything, also an address. */
const KNOWN: ReadonlySet<string> = new Set([
  ...Object.keys(eventSchema.shape),
  ...Object.keys(scopeSchema.shape),
  ...Object.keys(sourceSchema.shape),
  ...[
    'email',
    'phone',
    'postal',
    'key',
    'name',
    'line1',
    'line2',
    'city',
    'region',
    'postalCode',
    'country',
    'version',
  ],
]);
function safeFieldName(path: readonly PropertyKey[]): string {
  const end = path.findIndex((part) => typeof part !== 'string' || !KNOWN.has(part));
  return (end === -1 ? path : path.slice(0, end)).map(String).join('.') || 'row';
}

const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);
/** A day, or a time with its offset. */
export const listTime = z
  .string()
  .max(40)
  .regex(/^\d{4}-\d{2}-\d{2}([Tt].+)?$/, 'write a day as 2019-03-01, or a time as 2019-03-01T15:00:00Z')
  .refine((text) => time.safeParse(isDay(text) ? `${text}T00:00:00Z` : text).success, 'there is no such time');

/** What rows mean that do not say so themselves. */
export interface ImportDefaults {
  readonly type: string;
  readonly at?: string | undefined;
  readonly brand?: string | undefined;
  readonly channel?: string | undefined;
  readonly purpose?: string | undefined;
  readonly topic?: string | undefined;
}

type Loose = Record<string, unknown>;
const isObject = (value: unknown): value is Loose =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

function put(event: Loose, [first = '', ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) event[first] = value;
  else {
    const inner = isObject(event[first]) ? event[first] : {};
    event[first] = inner;
    put(inner, rest, value);
  }
}

/** A row of a CSV list as an event of the API. Throws RowFault. */
export function eventInRow(csv: Csv, contact: { name: string; place: number }, row: CsvRow): Loose {
  if (row.cells.slice(csv.header.cells.length).some((cell) => cell.trim() !== ''))
    throw new RowFault('row', 'the row has more cells than the header: put cells with a delimiter into quotes');
  if (row.broken)
    throw new RowFault('row', 'the row has a quote that is wrong: write a quote in a cell twice, "6"" nails"');
  const isExport = isOwnExport(csv.header.cells);
  if (row.cells[csv.header.cells.indexOf('action')] === 'lift')
    throw new RowFault('row', 'the row is a lift: a list can deny, and lifts nothing');
  const event: Loose = {};
  for (const [place, name] of csv.header.cells.entries()) {
    const cell = row.cells[place]?.trim() ?? '';
    if (cell === '' && place !== contact.place) continue;
    if (place !== contact.place && (COLUMNS[name] === undefined || (isExport && name === 'type'))) continue;
    if (cell.includes('\ufffd')) throw new RowFault(name, 'the cell is not UTF-8: save the list as CSV UTF-8');
    if (place === contact.place) event.contact = isExport ? exportedContact(csv, row, cell) : contactInCell(cell);
    else if (name === 'minor') event.minor = cell === 'true' ? true : cell === 'false' ? false : cell;
    else put(event, COLUMNS[name] ?? [], cell);
  }
  return event;
}

/** The column that a field of an event came from. */
export function columnOf(field: string, contact: string): string {
  if (field === 'contact' || field.startsWith('contact.')) return contact;
  const [name] = Object.entries(COLUMNS).find(([, path]) => path.join('.') === field) ?? [];
  return name ?? { channel: 'channel', notice: 'notice', 'source.evidence': 'wording' }[field] ?? 'row';
}

/** A line of an NDJSON list as an event of the API. Throws RowFault. */
export function eventInLine(line: Buffer | typeof TOO_LONG): Loose {
  if (line === TOO_LONG) throw new RowFault('row', 'the line is longer than 64 kB');
  let value: unknown;
  try {
    value = parseJson(utf8(line));
  } catch (error) {
    if (!(error instanceof HushError)) throw error;
    // Its own words name a name of the object, which may be anything.
    throw new RowFault('row', 'the line is not one JSON object in UTF-8 that has every name once');
  }
  if (!isObject(value)) throw new RowFault('row', 'the line is no JSON object');
  return value;
}

/**
 * Days as times: their end for what denies and their beginning for a consent, so that of two things on one day the denial
 * counts. A day that is not over yet means now.
 */
function withTimes(event: Loose, now: number): Loose {
  const { at, until, type } = event;
  const as = (day: string) => `${day}T${type === 'consent_granted' ? '00:00:00Z' : '23:59:59.999Z'}`;
  const over = (day: string) => Date.parse(`${day}T00:00:00Z`) > now || Date.parse(as(day)) <= now;
  return {
    ...event,
    ...(typeof at === 'string' && isDay(at) ? { at: over(at) ? as(at) : undefined } : {}),
    ...(typeof until === 'string' && isDay(until) ? { until: as(until) } : {}),
  };
}

export function createImportReader(parts: {
  readonly reader: RequestReader;
  readonly consents: Pick<Consents, 'wording'>;
  readonly guard: OpeningGuard;
  readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
  readonly idOf: (draft: Draft) => string;
  readonly now: () => number;
}) {
  const { reader, consents } = parts;

  function withDefaults(given: Loose, list: string, defaults: ImportDefaults): Loose {
    const type = given.type ?? defaults.type;
    const { type: _type, at, brand, channel, purpose, topic } = defaults;
    const scope = { brand, channel, purpose, topic, ...(isObject(given.scope) ? given.scope : {}) };
    const event: Loose = { at, ...given, type };
    if (given.scope !== undefined && !isObject(given.scope)) event.scope = given.scope;
    else if (type === 'unreachable' && given.channel === undefined) event.channel = scope.channel;
    else if (SCOPED.has(String(type)) && Object.values(scope).some((value) => value !== undefined)) event.scope = scope;
    if (type === 'unreachable') delete event.scope;
    const source = given.source ?? {};
    event.source = isObject(source)
      ? {
          kind: 'import',
          ...source,
          evidence: isObject(source.evidence ?? {}) ? { list, ...(source.evidence ?? {}) } : source.evidence,
        }
      : source;
    return withTimes(event, parts.now());
  }

  /** Refuses what a list may not say. Throws RowFault. */
  function check(event: EventInput, given: Loose): void {
    const refused = REFUSED[event.type];
    if (refused !== undefined) throw new RowFault('type', refused, 'forbidden');
    if (event.source.kind !== 'import')
      throw new RowFault('source.kind', 'what a list says comes from an import: leave it out');
    if (event.at !== undefined && event.at > parts.now() + AHEAD)
      throw new RowFault('at', 'this lies in the future: a list tells what has happened');
    if (Buffer.byteLength(JSON.stringify(event.source.evidence ?? {})) > EVIDENCE_LIMIT)
      throw new RowFault(
        'source.evidence',
        'evidence is larger than 1 kB: keep the document elsewhere and give its reference',
      );
    if (event.type === 'profile') {
      for (const name of ['implied', 'jurisdiction', 'timeZone'] as const)
        if (event[name] !== undefined)
          throw new RowFault(name, 'this may open something: use /v1/events for it', 'forbidden');
      if (event.relationship === 'customer')
        throw new RowFault('relationship', 'a list makes nobody a customer: use /v1/events', 'forbidden');
      if (event.minor === false) throw new RowFault('minor', 'a list makes nobody of age: use /v1/events', 'forbidden');
    }
    if (event.type !== 'consent_granted') return;
    if (event.at === undefined) throw new RowFault('at', 'a consent has a date: say when it was given');
    if (event.notice === undefined) throw new RowFault('notice', 'say which notice, in which version, was agreed to');
    const source = isObject(given.source) ? given.source : {};
    if (!isObject(source.evidence) || Object.keys(source.evidence).length === 0)
      throw new RowFault('source.evidence', 'a consent needs evidence: wording, formUrl, ip, userAgent or a note');
  }

  return {
    /** What a row says happened, as it is recorded. Throws RowFault, or HushError when the record is away. */
    async draft(given: Loose, list: string, defaults: ImportDefaults, key: ApiKey): Promise<Draft> {
      const parsed = eventSchema.safeParse(withDefaults(given, list, defaults));
      if (!parsed.success) {
        const [fault] = faultsOf(parsed.error.issues);
        throw new RowFault(safeFieldName(fault?.path ?? []), fault?.remedy ?? 'this is no event');
      }
      const event = parsed.data;
      check(event, given);
      try {
        reader.checkScope(event.scope as Parameters<typeof reader.checkScope>[0]);
        const { evidence = {} } = event.source;
        const texts = Object.fromEntries(Object.entries(evidence).map(([name, value]) => [name, String(value ?? '')]));
        const kept =
          event.type === 'consent_granted' && event.notice
            ? fittingEvidence({ wording: consents.wording(event.notice, 'en'), ...texts })
            : evidence;
        const draft: Draft = {
          ...draftFrom(event, await reader.subject(event.contact, parts.subjectByKey), key),
          evidence: kept,
        };
        await parts.guard(draft, rightsOf(key));
        return { ...draft, writer: { name: `import:${list}`, id: event.id ?? parts.idOf(draft) } };
      } catch (error) {
        if (!(error instanceof HushError) || error.kind === 'unavailable') throw error;
        const { field = '', remedy } = error.detail;
        throw new RowFault(
          safeFieldName(field.split('.')),
          remedy === undefined ? error.message : `${error.message}; ${remedy}`,
          error.kind,
        );
      }
    },
  };
}

export type ImportReader = ReturnType<typeof createImportReader>;
