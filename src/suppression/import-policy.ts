import { DENIAL_TYPES, EVENT_TYPES, type EventType } from '../core/event.js';
import { EVIDENCE_LIMIT } from '../preferences/private-part.js';
import { RowFault } from './import.js';

/** A sender's clock may be ahead of ours by this much, as for other events. */
const MAX_AHEAD_MS = 5 * 60_000;

/**
 * What a list may not say, and why. A list may deny. It may lift something only by a consent with its evidence: a bought
 * list must not bring marketing back. Everything else that opens something has another way in.
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

export const isDay = (text: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(text);

/** What a row means where it does not say so itself. */
export interface ImportDefaults {
  readonly type: string;
  readonly at?: string | undefined;
  readonly brand?: string | undefined;
  readonly channel?: string | undefined;
  readonly purpose?: string | undefined;
  readonly topic?: string | undefined;
}

/** An event of a list as its row gives it, before it is checked. */
export type ListEvent = Record<string, unknown>;

/** As much of a checked event as decides whether a list may say it. Times in ms. */
interface CheckedEvent {
  readonly type: EventType;
  readonly at?: number | undefined;
  readonly source: { readonly kind: string; readonly evidence?: unknown };
  readonly notice?: unknown;
  readonly implied?: unknown;
  readonly jurisdiction?: unknown;
  readonly timeZone?: unknown;
  readonly relationship?: string | undefined;
  readonly minor?: boolean | undefined;
}

export const isObject = (value: unknown): value is ListEvent =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Days as times: the end of the day for a denial and its beginning for a consent, so that the denial counts when both
 * happened on one day. A day that is not over yet means now.
 */
function withTimes(event: ListEvent, now: number): ListEvent {
  const { at, until, type } = event;
  const timeOn = (day: string) => `${day}T${type === 'consent_granted' ? '00:00:00Z' : '23:59:59.999Z'}`;
  const isOver = (day: string) => Date.parse(`${day}T00:00:00Z`) > now || Date.parse(timeOn(day)) <= now;
  return {
    ...event,
    ...(typeof at === 'string' && isDay(at) ? { at: isOver(at) ? timeOn(at) : undefined } : {}),
    ...(typeof until === 'string' && isDay(until) ? { until: timeOn(until) } : {}),
  };
}

/** The event of a row, completed by what the list says for all rows. `now` in ms. */
export function withDefaults(row: ListEvent, list: string, defaults: ImportDefaults, now: number): ListEvent {
  const type = row.type ?? defaults.type;
  const { type: _type, at, brand, channel, purpose, topic } = defaults;
  const scope = { brand, channel, purpose, topic, ...(isObject(row.scope) ? row.scope : {}) };
  const event: ListEvent = { at, ...row, type };
  if (row.scope !== undefined && !isObject(row.scope)) event.scope = row.scope;
  else if (type === 'unreachable' && row.channel === undefined) event.channel = scope.channel;
  else if (SCOPED.has(String(type)) && Object.values(scope).some((value) => value !== undefined)) event.scope = scope;
  if (type === 'unreachable') delete event.scope;
  const source = row.source ?? {};
  event.source = isObject(source)
    ? {
        kind: 'import',
        ...source,
        evidence: isObject(source.evidence ?? {}) ? { list, ...(source.evidence ?? {}) } : source.evidence,
      }
    : source;
  return withTimes(event, now);
}

/** Refuses what a list may not say. `row` is the event before defaults, `now` in ms. Throws RowFault. */
export function checkListEvent(event: CheckedEvent, row: ListEvent, now: number): void {
  const refused = REFUSED[event.type];
  if (refused !== undefined) throw new RowFault('type', refused, 'forbidden');
  if (event.source.kind !== 'import')
    throw new RowFault('source.kind', 'what a list says comes from an import: leave it out');
  if (event.at !== undefined && event.at > now + MAX_AHEAD_MS)
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
  const source = isObject(row.source) ? row.source : {};
  if (!isObject(source.evidence) || Object.keys(source.evidence).length === 0)
    throw new RowFault('source.evidence', 'a consent needs evidence: wording, formUrl, ip, userAgent or a note');
}
