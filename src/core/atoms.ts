import type { Cadence, ContactEvent, DenialType, Lifts, Relationship } from './event.js';
import { ALL_MARKETING, type Channel, EVERYTHING, GPC_PURPOSES, type Scope, scopeText, wholeScope } from './scope.js';

/** An atom: one thing an event says, small enough that the latest of a kind can stand for all earlier ones. */
interface AtomBase {
  readonly at: number;
  readonly recorded: number;
  readonly id: string;
}
export interface DenialAtom extends AtomBase {
  readonly t: 'denial';
  readonly type: DenialType;
  readonly scope: Scope;
  readonly destination?: string;
  readonly until?: number;
}
export interface GrantAtom extends AtomBase {
  readonly t: 'grant';
  readonly type: 'opted_in' | 'consent_granted';
  readonly scope: Scope;
  readonly lifts: Lifts;
  /** ms; times of the only denials that it may lift. */
  readonly liftsAt?: readonly number[];
  readonly destination?: string;
  readonly until?: number;
}
export interface FactAtom extends AtomBase {
  readonly t: 'fact';
  readonly fact:
    | { readonly relationship: Relationship }
    | { readonly jurisdiction: string }
    | { readonly timeZone: string }
    | { readonly minor: boolean }
    | { readonly language: string }
    | { readonly signal: 'ignored' }
    | { readonly implied: 'purchase' | 'inquiry' };
}
export interface ReachAtom extends AtomBase {
  readonly t: 'reach';
  readonly channel: Channel;
  readonly reachable: boolean;
}
export interface StatusAtom extends AtomBase {
  readonly t: 'restricted' | 'unrestricted' | 'erased';
}
export interface RegistryAtom extends AtomBase {
  readonly t: 'registry';
  readonly registry: string;
  readonly listed: boolean;
}
export interface CadenceAtom extends AtomBase {
  readonly t: 'cadence';
  readonly scope: Scope;
  readonly cadence: Cadence;
}
export type Atom = DenialAtom | GrantAtom | FactAtom | ReachAtom | StatusAtom | RegistryAtom | CadenceAtom;

/** The scopes that a denial covers, which are not always the one that it names. */
export function denialScopes(event: ContactEvent): readonly Scope[] {
  switch (event.type) {
    case 'complained':
      // A complaint is about mail and means all marketing by mail, whatever the reporter named.
      return [{ ...ALL_MARKETING, channel: 'email' }];
    case 'gpc_received':
      return GPC_PURPOSES.map((purpose) => ({ ...EVERYTHING, purpose }));
    case 'objected':
    case 'paused': {
      const scope = wholeScope(event.scope);
      return [scope.purpose === '*' ? { ...scope, purpose: 'marketing' } : scope];
    }
    default:
      return [wholeScope(event.scope)];
  }
}

/** What an event says. */
export function atomsOf(event: ContactEvent): readonly Atom[] {
  const base = { at: event.at, recorded: event.recorded, id: event.id };
  const through = event.source.destination == null ? {} : { destination: event.source.destination };
  // A caller may pass null for a field that is absent.
  const until = event.until == null ? {} : { until: event.until };
  switch (event.type) {
    case 'opted_out':
    case 'consent_withdrawn':
    case 'objected':
    case 'complained':
    case 'gpc_received':
      return denialScopes(event).map((scope) => ({
        ...base,
        t: 'denial',
        type: event.type as DenialType,
        scope,
        ...through,
      }));
    case 'paused':
      return denialScopes(event).map((scope) => ({
        ...base,
        t: 'denial',
        type: 'paused',
        scope,
        ...through,
        ...until,
      }));
    case 'opted_in':
    case 'consent_granted': {
      const lifts = event.lifts ?? 'any';
      const end = event.type === 'consent_granted' ? until : {};
      const only = event.liftsAt == null ? {} : { liftsAt: event.liftsAt };
      return [
        { ...base, t: 'grant', type: event.type, scope: wholeScope(event.scope), lifts, ...only, ...through, ...end },
      ];
    }
    case 'bounced':
      return event.kind === 'hard' ? [{ ...base, t: 'reach', channel: 'email', reachable: false }] : [];
    case 'unreachable':
    case 'reachable':
      return event.channel == null
        ? []
        : [{ ...base, t: 'reach', channel: event.channel, reachable: event.type === 'reachable' }];
    case 'restricted':
      return [{ ...base, t: 'restricted' }];
    case 'restriction_lifted':
      return [{ ...base, t: 'unrestricted' }];
    case 'erased':
      return [{ ...base, t: 'erased' }];
    case 'registry_listed':
    case 'registry_unlisted':
      return event.registry == null
        ? []
        : [{ ...base, t: 'registry', registry: event.registry, listed: event.type === 'registry_listed' }];
    case 'profile': {
      const facts: FactAtom['fact'][] = [];
      if (event.relationship != null) facts.push({ relationship: event.relationship });
      if (event.jurisdiction != null) facts.push({ jurisdiction: event.jurisdiction });
      if (event.timeZone != null) facts.push({ timeZone: event.timeZone });
      if (event.minor != null) facts.push({ minor: event.minor });
      if (event.language != null) facts.push({ language: event.language });
      if (event.signal != null) facts.push({ signal: event.signal });
      if (event.implied != null) facts.push({ implied: event.implied });
      return facts.map((fact) => ({ ...base, t: 'fact', fact }));
    }
    case 'cadence_set':
      return event.cadence == null
        ? []
        : [{ ...base, t: 'cadence', scope: wholeScope(event.scope), cadence: event.cadence }];
  }
}

/**
 * Atoms with the same key can stand for each other: the later one makes the earlier one without effect on every question
 * at or after it, whatever else is or will become known. Source and `lifts` are part of the key because a grant may lift
 * only what came through its own source; a relationship's value is, because `recipient` gives way to `customer` alone.
 */
export function atomKey(atom: Atom): string {
  switch (atom.t) {
    case 'denial':
      return `d|${atom.type}|${scopeText(atom.scope)}|${atom.destination ?? ''}`;
    case 'grant':
      return `g|${atom.type}|${scopeText(atom.scope)}|${atom.lifts}|${atom.destination ?? ''}|${atom.liftsAt?.join(' ') ?? ''}`;
    case 'fact': {
      const [name, value] = Object.entries(atom.fact)[0] ?? ['', ''];
      return name === 'relationship' || name === 'implied' ? `f|${name}|${value}` : `f|${name}`;
    }
    case 'reach':
      return `r|${atom.channel}|${atom.reachable}`;
    case 'registry':
      return `l|${atom.registry}|${atom.listed}`;
    case 'cadence':
      return `c|${scopeText(atom.scope)}`;
    default:
      return atom.t;
  }
}

/** Order of two atoms with the same key: these are of one kind, so that "openers before closers" has nothing to settle. */
export function compareAtoms(a: Atom, b: Atom): number {
  return a.at - b.at || a.recorded - b.recorded || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** When (ms) an atom ends by itself. */
export function endOf(atom: Atom): number {
  return (atom.t === 'denial' || atom.t === 'grant') && atom.until !== undefined
    ? atom.until
    : Number.POSITIVE_INFINITY;
}
