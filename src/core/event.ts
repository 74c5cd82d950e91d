import type { Channel, Scope } from './scope.js';

export const EVENT_TYPES = [
  'opted_out',
  'opted_in',
  'consent_granted',
  'consent_withdrawn',
  'paused',
  'objected',
  'complained',
  'gpc_received',
  'bounced',
  'unreachable',
  'reachable',
  'restricted',
  'restriction_lifted',
  'erased',
  'registry_listed',
  'registry_unlisted',
  'profile',
  'cadence_set',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export const SOURCE_KINDS = [
  'api',
  'one_click',
  'link',
  'mailto',
  'form',
  'phone',
  'sms',
  'webhook',
  'import',
  'staff',
  'reconciliation',
  'registry',
] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];

export const RELATIONSHIPS = ['customer', 'recipient', 'prospect', 'former'] as const;
export type Relationship = (typeof RELATIONSHIPS)[number];

export const CADENCES = ['every', 'daily', 'weekly', 'monthly', 'quarterly'] as const;
export type Cadence = (typeof CADENCES)[number];

/** Which denials a grant may lift. Set when it is accepted, from its source, never from state. */
export type Lifts = 'any' | 'same_source' | 'none';

/** Where an event came from. Addresses, evidence and names of people are not here: they are the private part. */
export interface Source {
  readonly kind: SourceKind;
  /** Name of the outside system it came through, for `lifts: same_source`. */
  readonly destination?: string;
}

/** What happened to one contact. Times are milliseconds since 1970, UTC. */
export interface ContactEvent {
  readonly id: string;
  readonly type: EventType;
  readonly at: number;
  /** When we recorded it: milliseconds × 1,024 plus a counter, so that order of recording is a number. */
  readonly recorded: number;
  readonly source: Source;
  readonly scope?: Scope;
  readonly until?: number;
  readonly lifts?: Lifts;
  /** ms; of a grant that takes an act back: the times of the only denials that it may lift. */
  readonly liftsAt?: readonly number[];
  /** Of a bounce. */
  readonly kind?: 'hard' | 'soft';
  /** Of `unreachable` and `reachable`. */
  readonly channel?: Channel;
  readonly registry?: string;
  readonly relationship?: Relationship;
  /** ISO 3166-2 or 3166-1 alpha-2. */
  readonly jurisdiction?: string;
  /** IANA time zone. */
  readonly timeZone?: string;
  readonly minor?: boolean;
  /** ISO 639-1: what the person wants to be written to in. */
  readonly language?: string;
  /** The person knows that their browser sends an opt-out signal, and what they agreed to counts instead. 11 CCR 7025(c)(3) */
  readonly signal?: 'ignored';
  readonly implied?: 'purchase' | 'inquiry';
  readonly cadence?: Cadence;
}

const OPENS: ReadonlySet<EventType> = new Set<EventType>([
  'profile',
  'opted_in',
  'consent_granted',
  'reachable',
  'restriction_lifted',
  'registry_unlisted',
]);

/** Events that open something come before events that close at the same time, so that the more restrictive wins. */
export function opens(type: EventType): boolean {
  return OPENS.has(type);
}

export const DENIAL_TYPES = [
  'opted_out',
  'consent_withdrawn',
  'objected',
  'complained',
  'gpc_received',
  'paused',
] as const;
export type DenialType = (typeof DENIAL_TYPES)[number];

/** Order in which events count: by `at`, openers first, then as recorded. Ids settle what two machines recorded at once. */
export function compareEvents(a: ContactEvent, b: ContactEvent): number {
  return (
    a.at - b.at ||
    Number(opens(b.type)) - Number(opens(a.type)) ||
    a.recorded - b.recorded ||
    (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)
  );
}
