import { type Atom, atomKey, type DenialAtom, type GrantAtom } from './atoms.js';
import type { ContactEvent, Lifts } from './event.js';
import { EMPTY_STATE, fold, type State, unfolded } from './fold.js';
import { covers, meet, type Scope, scopeText } from './scope.js';
import { mayLift, standingDenials } from './standing.js';

/** One event that taking denials back needs. */
export interface Undoing {
  /** The event that is taken back. */
  readonly undoes: string;
  readonly type: 'opted_in' | 'consent_granted';
  readonly scope: Scope;
  readonly lifts: Lifts;
  /** ms; times of the only denials that it lifts. */
  readonly liftsAt: readonly number[];
  /** Of a consent: the event it is given back for, and its end (ms). */
  readonly restores?: string;
  readonly until?: number;
}

/** What taking denials back means. */
export interface UndoPlan {
  /** Empty when nothing is to be taken back, or may be. */
  readonly steps: readonly Undoing[];
  /** Other denials that stand for what was to be taken back, and go on standing. */
  readonly standing: readonly DenialAtom[];
}

/** Each undo stays in a contact's state for ever. Beyond so many it takes a fresh link to open something again. */
const MAX_UNDOS = 200;

function latest(atoms: readonly Atom[], kind: Atom['t']): number {
  return atoms.reduce((at, atom) => (atom.t === kind ? Math.max(at, atom.at) : at), Number.NEGATIVE_INFINITY);
}

/** Before this (ms) a consent is gone for a reason of its own, and giving it back would undo that too. */
function forgottenUpTo({ atoms }: State): number {
  const restricted = latest(atoms, 'restricted');
  const stands = restricted >= latest(atoms, 'unrestricted');
  return Math.max(latest(atoms, 'erased'), stands ? restricted : Number.NEGATIVE_INFINITY);
}

/** The consent of the two that lasts longer; of two that last as long the later. */
function lasting(a: GrantAtom, b: GrantAtom | undefined): GrantAtom {
  const end = ({ until = Number.POSITIVE_INFINITY }: GrantAtom) => until;
  if (!b) return a;
  return end(a) > end(b) || (end(a) === end(b) && a.at >= b.at) ? a : b;
}

/**
 * True when one of the denials that stand besides this one keeps it from being taken back: one that says the same, of which
 * the state has only the later, or one that was said since. A privacy signal comes by itself and says nothing of this one.
 */
function isOvertaken(denial: DenialAtom, standing: readonly DenialAtom[]): boolean {
  return standing.some(
    (other) =>
      atomKey(other) === atomKey(denial) ||
      (other.type !== 'gpc_received' && other.at >= denial.at && meet(other.scope, denial.scope) !== undefined),
  );
}

/** Times of the denials that a consent had lifted when it was given: the latest of several that say the same. */
function liftedBy(consent: GrantAtom, denials: readonly DenialAtom[]): number[] {
  const lifted = denials.filter(
    (denial) => denial.at < consent.at && covers(denial.scope, consent.scope) && mayLift(consent, denial),
  );
  return [...new Map(lifted.sort((a, b) => a.at - b.at).map((denial) => [atomKey(denial), denial.at])).values()];
}

/**
 * What takes one act back at `now` (ms), and nothing else: an opt-in of the scope of each of its denials that lifts that
 * denial only, and each consent that they alone had ended, for no more than they covered, because an opt-in alone does not
 * bring a consent back. A pause ended none. What another denial had ended as well, even in part and even if it was lifted
 * since, only the person can give anew. What was said again since the act stays said.
 *
 * @param events all of the contact's history: a snapshot keeps only the last of several alike
 */
export function undoing(events: readonly ContactEvent[], denials: readonly DenialAtom[], now: number): UndoPlan {
  const undone = new Set(denials.map(({ id }) => id));
  const present = fold(EMPTY_STATE, events);
  const standsNow = new Set(standingDenials(present, now).map(({ id }) => id));
  const without = fold(
    EMPTY_STATE,
    events.filter(({ id }) => !undone.has(id)),
  );
  const left = standingDenials(without, now);
  const standing = left.filter(({ scope }) => denials.some((denial) => meet(denial.scope, scope) !== undefined));
  const tooMany = present.atoms.filter((atom) => atom.t === 'grant' && atom.liftsAt !== undefined).length >= MAX_UNDOS;
  const open = tooMany ? [] : denials.filter((denial) => standsNow.has(denial.id) && !isOvertaken(denial, left));

  const history = unfolded(events);
  const forgotten = forgottenUpTo(history);
  const others = history.atoms.filter((atom): atom is DenialAtom => atom.t === 'denial' && !undone.has(atom.id));
  const consents = history.atoms.filter(
    (atom): atom is GrantAtom =>
      atom.t === 'grant' &&
      atom.type === 'consent_granted' &&
      atom.at > forgotten &&
      (atom.until === undefined || now < atom.until),
  );
  const lifted = new Map<string, Undoing>();
  const restored = new Map<string, { consent: GrantAtom; undoing: Undoing }>();
  for (const denial of open) {
    const lifting = { lifts: 'same_source' as const, liftsAt: [denial.at] };
    lifted.set(`${scopeText(denial.scope)} ${denial.at}`, {
      undoes: denial.id,
      type: 'opted_in',
      scope: denial.scope,
      ...lifting,
    });
    if (denial.type === 'paused') continue;
    for (const consent of consents) {
      const scope = consent.at <= denial.at ? meet(consent.scope, denial.scope) : undefined;
      if (!scope) continue;
      const since = others.filter((other) => other.at >= consent.at && meet(other.scope, scope) !== undefined);
      if (since.some(({ type }) => type !== 'paused')) continue;
      const key = scopeText(scope);
      const kept = restored.get(key);
      if (kept && lasting(consent, kept.consent) === kept.consent) continue;
      restored.set(key, {
        consent,
        undoing: {
          undoes: denial.id,
          type: 'consent_granted',
          scope,
          // What it had lifted when it was given is open again with it.
          ...(consent.lifts === 'any' ? { lifts: 'any', liftsAt: [denial.at, ...liftedBy(consent, others)] } : lifting),
          restores: consent.id,
          ...(consent.until === undefined ? {} : { until: consent.until }),
        },
      });
    }
  }
  return {
    steps: [...lifted.values(), ...[...restored.values()].map((item) => item.undoing)],
    standing,
  };
}
