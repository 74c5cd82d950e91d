import type { DenialAtom } from './atoms.js';
import { endsErasure } from './erasure.js';
import type { ContactEvent } from './event.js';
import type { State } from './fold.js';
import type { ProfileFacts } from './opening.js';
import { ALL_MARKETING, covers, GPC_PURPOSES } from './scope.js';
import { expired, standingDenials } from './standing.js';
import { erasedSince, factsAt, restrictedSince } from './view.js';

/** What one address hands on to the address that takes its place: as much of an event as says it. */
export interface Carried extends Pick<ContactEvent, 'type' | 'scope' | 'until'>, ProfileFacts {
  /** The event that denied it, where it is one. */
  readonly of?: string;
  /** ms; since when it stands. */
  readonly since?: number;
  /** ms; when the new address last heard what can lift it: the same said again after that is a new act. */
  readonly opened: number;
}

type Denied = Omit<Carried, 'opened'>;

/** A signal denies all its purposes at once, so what is left of one that was lifted for some is carried as opt-outs. */
function denialsOf(denials: readonly DenialAtom[]): Denied[] {
  const signals = denials.filter(({ type }) => type === 'gpc_received');
  const whole = GPC_PURPOSES.every((purpose) => signals.some(({ scope }) => scope.purpose === purpose));
  return denials.flatMap((denial): Denied[] => {
    const { type, scope, until, id, at } = denial;
    const base = { of: id, since: at, ...(until === undefined ? {} : { until }) };
    if (type !== 'gpc_received') return [{ ...base, type, scope }];
    if (!whole) return [{ ...base, type: 'opted_out', scope }];
    return denial === signals[0] ? [{ ...base, type }] : [];
  });
}

/** Somebody erased is denied all marketing, until they ask for all of it again. */
function erasureOf(state: State, at: number): Denied[] {
  const since = erasedSince(state, at);
  if (since === undefined) return [];
  const isOver = state.atoms.some(
    (atom) => atom.t === 'grant' && endsErasure(atom, since) && !expired(atom, at) && covers(atom.scope, ALL_MARKETING),
  );
  return isOver ? [] : [{ type: 'opted_out', scope: ALL_MARKETING, since }];
}

/** When (ms) a fact was last stated; 0 for never. */
const lastFact = ({ atoms }: State): number =>
  atoms.reduce((latest, atom) => (atom.t === 'fact' ? Math.max(latest, atom.at) : latest), 0);

/**
 * The facts that deny by a rule, as far as they are not known there: whose age, whose address came from somebody else, where
 * consent is needed.
 */
function closingProfile(from: State, to: State, at: number): Carried[] {
  const [{ minor, relationship, jurisdiction }, there] = [factsAt(from, at), factsAt(to, at)];
  const facts: ProfileFacts = {
    ...(minor && !there.minor ? { minor } : {}),
    ...(relationship === 'recipient' && there.relationship !== relationship ? { relationship } : {}),
    ...(jurisdiction === undefined || jurisdiction === there.jurisdiction ? {} : { jurisdiction }),
  };
  return Object.keys(facts).length === 0 ? [] : [{ type: 'profile', ...facts, opened: lastFact(to) }];
}

/** When (ms) something was last said that can lift what was carried before; 0 for never. */
function lastOpening({ atoms }: State): number {
  return atoms.reduce((latest, atom) => {
    const opening = (atom.t === 'grant' && atom.lifts !== 'none') || atom.t === 'unrestricted';
    return opening ? Math.max(latest, atom.at) : latest;
  }, 0);
}

/**
 * All that denies at `at` (ms) because of the person, and nothing that allows: no grant, no consent, no lift of a part. What
 * is the address's own stays with it: bounces, registries of numbers, how often mail is wanted.
 */
export function carriedOver(from: State, to: State, at: number): Carried[] {
  const opened = lastOpening(to);
  const since = restrictedSince(from, at);
  const denials: Denied[] = [
    ...denialsOf(standingDenials(from, at)),
    ...erasureOf(from, at),
    ...(since === undefined ? [] : [{ type: 'restricted' as const, since }]),
  ];
  return [...denials.map((denial) => ({ ...denial, opened })), ...closingProfile(from, to, at)];
}
