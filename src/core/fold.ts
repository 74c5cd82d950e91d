import {
  type Cadence,
  type ContactEvent,
  compareEvents,
  type DenialType,
  type Lifts,
  type Relationship,
} from './event.js';
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

/**
 * All that later decisions need of a contact's history.
 *
 * `horizon` (ms) is the latest `at` of an atom that took the place of an earlier one: the state answers questions at or
 * after it; a question before it folds the ledger.
 */
export interface State {
  readonly atoms: readonly Atom[];
  readonly horizon: number;
}

export const EMPTY_STATE: State = { atoms: [], horizon: 0 };

function denialScopes(event: ContactEvent): readonly Scope[] {
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

function atomsOf(event: ContactEvent): readonly Atom[] {
  const base = { at: event.at, recorded: event.recorded, id: event.id };
  const through = event.source.destination == null ? {} : { destination: event.source.destination };
  // An absent field may come as null from whoever folds events of their own: it says nothing.
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

/** Same key means same kind, so openers-before-closers never decides here. */
function compareAtoms(a: Atom, b: Atom): number {
  return a.at - b.at || a.recorded - b.recorded || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

function endOf(atom: Atom): number {
  return (atom.t === 'denial' || atom.t === 'grant') && atom.until !== undefined
    ? atom.until
    : Number.POSITIVE_INFINITY;
}

/** Adds one atom to those of its key, keeping only the ones that no later one with as late an end makes superfluous. */
function keepUndominated(retained: readonly Atom[], added: Atom): { atoms: Atom[]; replacedBy: number } {
  const atoms: Atom[] = [];
  let replacedBy = 0;
  let superfluous = false;
  for (const old of retained) {
    if (old.id === added.id) superfluous = true;
    const order = compareAtoms(old, added);
    if (old.id !== added.id && order < 0 && endOf(old) <= endOf(added)) {
      replacedBy = Math.max(replacedBy, added.at);
      continue;
    }
    if (old.id !== added.id && order > 0 && endOf(added) <= endOf(old)) {
      superfluous = true;
      replacedBy = Math.max(replacedBy, old.at);
    }
    atoms.push(old);
  }
  if (!superfluous) atoms.push(added);
  return { atoms, replacedBy };
}

function addAtoms(state: State, added: readonly Atom[]): State {
  if (added.length === 0) return state;
  const groups = new Map<string, Atom[]>();
  for (const atom of state.atoms) {
    const key = atomKey(atom);
    const group = groups.get(key);
    if (group) group.push(atom);
    else groups.set(key, [atom]);
  }
  let horizon = state.horizon;
  for (const atom of added) {
    const key = atomKey(atom);
    const { atoms, replacedBy } = keepUndominated(groups.get(key) ?? [], atom);
    groups.set(key, atoms);
    if (replacedBy > horizon) horizon = replacedBy;
  }
  const atoms = [...groups.keys()].sort().flatMap((key) => [...(groups.get(key) ?? [])].sort(compareAtoms));
  return { atoms, horizon };
}

/**
 * State after further events. Pure, independent of the order of arrival and of duplicates; its size is bounded by the
 * number of different scopes and sources, not by the number of events.
 */
export function fold(state: State, events: readonly ContactEvent[]): State {
  return addAtoms(state, events.flatMap(atomsOf));
}

/** State of a contact that shares with another one: the other's denials, or all that is known of it. */
export function joinStates(own: State, other: State, what: 'denials' | 'all'): State {
  const horizon = Math.max(own.horizon, other.horizon);
  return addAtoms({ ...own, horizon }, what === 'all' ? other.atoms : other.atoms.filter(({ t }) => t === 'denial'));
}

/**
 * The time (ms) at which a question about the present is asked: now, or the newest that is known. Nothing is accepted from
 * the future, so what is ahead of this clock was accepted by a machine whose clock is ahead, and it is in force.
 */
export function presentAt(state: State, now: number): number {
  return state.atoms.reduce((latest, { at }) => Math.max(latest, at), Math.max(now, state.horizon));
}

/** Every atom of a history, none replaced by a later one; of an event given twice once. */
export function unfolded(events: readonly ContactEvent[]): State {
  return { atoms: [...new Map(events.map((event) => [event.id, event])).values()].flatMap(atomsOf), horizon: 0 };
}

/**
 * Ids of events that the others make superfluous: whatever else is or will become known, no question from now on has
 * another answer without them.
 */
export function superseded(events: readonly ContactEvent[]): Set<string> {
  const needed = new Set(fold(EMPTY_STATE, events).atoms.map(({ id }) => id));
  return new Set(events.flatMap(({ id }) => (needed.has(id) ? [] : [id])));
}

/** State as a question at `at` (ms) saw the world: events after it are not known yet. */
export function foldAsOf(events: readonly ContactEvent[], at: number): State {
  return fold(EMPTY_STATE, events.filter((event) => event.at <= at).sort(compareEvents));
}
