import type { Lifts } from './event.js';
import type { Atom, DenialAtom, GrantAtom, State } from './fold.js';
import { meet, type Scope, scopeText } from './scope.js';

/** One event that taking denials back needs. */
export interface Undoing {
  /** The event that is taken back. */
  readonly undoes: string;
  readonly type: 'opted_in' | 'consent_granted';
  readonly scope: Scope;
  readonly lifts: Lifts;
  /** Of a consent: the event it is given back for, and its end (ms). */
  readonly restores?: string;
  readonly until?: number;
}

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
 * What takes denials back at `now` (ms): an opt-in of each one's scope, and each consent that they alone had ended, for no
 * more than they covered, because an opt-in alone does not bring a consent back. A pause ended none. What another denial
 * had ended as well, even in part and even if it was lifted since, only the person can give anew.
 *
 * The state must have every atom of the contact's history (`unfolded`): a snapshot keeps only the last of several alike.
 */
export function undoing(history: State, denials: readonly DenialAtom[], now: number): Undoing[] {
  const forgotten = forgottenUpTo(history);
  const undone = new Set(denials.map(({ id }) => id));
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
  for (const denial of denials) {
    lifted.set(scopeText(denial.scope), {
      undoes: denial.id,
      type: 'opted_in',
      scope: denial.scope,
      // An older or a later opt-out that came another way stays.
      lifts: 'same_source',
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
          // What it had lifted when it was given is open again with it; nothing was said since that it could lift.
          lifts: since.length === 0 ? consent.lifts : 'same_source',
          restores: consent.id,
          ...(consent.until === undefined ? {} : { until: consent.until }),
        },
      });
    }
  }
  return [...lifted.values(), ...[...restored.values()].map((item) => item.undoing)];
}
