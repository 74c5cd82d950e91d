import type { CadenceAtom, DenialAtom, GrantAtom } from './atoms.js';
import type { State } from './fold.js';
import { type Channel, covers, meet, type Scope, scopeText, wholeScope } from './scope.js';
import { type View, viewAt } from './view.js';

/** True when a denial other than a pause, even one since lifted, ended the grant for this question. */
export function ended(grant: GrantAtom, covering: readonly DenialAtom[]): boolean {
  return covering.some((denial) => denial.type !== 'paused' && denial.at >= grant.at);
}

/** True when a grant is over at `at` (ms). */
export function expired(grant: GrantAtom, at: number): boolean {
  return grant.until !== undefined && at >= grant.until;
}

/** True when a grant may lift a denial by its source; time and scope are looked at besides. */
export function mayLift(grant: GrantAtom, denial: DenialAtom): boolean {
  if (grant.liftsAt && !grant.liftsAt.includes(denial.at)) return false;
  if (grant.lifts === 'any') return true;
  return grant.lifts === 'same_source' && grant.destination !== undefined && grant.destination === denial.destination;
}

/** A denial that stands, and the parts of its scope that were lifted since. */
export interface StandingDenial {
  readonly denial: DenialAtom;
  readonly except: readonly Scope[];
}

/** All that is in force of what was said and reported, each with its time (ms). */
export interface InForce {
  readonly denials: readonly StandingDenial[];
  readonly restrictedAt: number | undefined;
  readonly erasedAt: number | undefined;
  readonly unreachable: ReadonlyMap<Channel, number>;
  readonly registries: ReadonlyMap<string, number>;
  /** How often they want what they get. */
  readonly cadences: readonly CadenceAtom[];
}

const sameScope = (a: Scope, b: Scope): boolean => covers(a, b) && covers(b, a);

function denialsInForce({ denials, grants }: View, at: number): StandingDenial[] {
  const alive = grants.filter(
    (grant) =>
      grant.type === 'opted_in' ||
      (!expired(grant, at) &&
        !ended(
          grant,
          // One that ended it for a part: there it lifts nothing any more.
          denials.filter(({ scope }) => meet(scope, grant.scope) !== undefined),
        )),
  );
  return denials.flatMap((denial): StandingDenial[] => {
    const lifted = alive
      .filter((grant) => grant.at > denial.at && covers(denial.scope, grant.scope) && mayLift(grant, denial))
      .map(({ scope }) => scope);
    if (lifted.some((scope) => sameScope(scope, denial.scope))) return [];
    return [{ denial, except: [...new Map(lifted.map((scope) => [scopeText(scope), scope])).values()] }];
  });
}

/**
 * What is in force at `at` (ms), as `decide` sees it. Every page, letter and package that says what stands goes by this: a
 * state also holds what was lifted, has ended or was said otherwise since.
 */
export function inForce(state: State, at: number): InForce {
  const view = viewAt(state, at);
  const { restrictedAt, erasedAt, unreachable, registries, cadences } = view;
  return {
    denials: denialsInForce(view, at),
    restrictedAt,
    erasedAt,
    unreachable,
    registries,
    cadences: cadences.filter((own) => cadenceFor(view, own.scope) === own),
  };
}

/**
 * Denials that stand at `at` (ms): not over, and not lifted for the whole of their scope. One that was lifted for a part
 * stands for the rest.
 */
export const standingDenials = (state: State, at: number): DenialAtom[] =>
  denialsInForce(viewAt(state, at), at).map(({ denial }) => denial);

/**
 * What became of a consent at `at` (ms): `ended` by a denial of all of it, even one since lifted, or by an erasure; `lapsed`
 * at its own end. docs/decision-rules.md, "Denials and grants"
 */
export function consentStatus(
  state: State,
  consent: { readonly at: number; readonly scope?: Partial<Scope>; readonly until?: number },
  at: number,
): 'active' | 'lapsed' | 'ended' {
  const { denials, erasedAt } = viewAt(state, at);
  const scope = wholeScope(consent.scope);
  const isEnded = denials.some(
    (denial) => denial.type !== 'paused' && denial.at >= consent.at && covers(denial.scope, scope),
  );
  if (isEnded || (erasedAt !== undefined && erasedAt >= consent.at)) return 'ended';
  return consent.until !== undefined && at >= consent.until ? 'lapsed' : 'active';
}

/**
 * The earliest denial that stands for the whole of a scope at `at` (ms): who says no to it again changes nothing. A pause and
 * a privacy signal do not count, because a no lasts longer than they do. Undefined where any part of the scope is open.
 */
export function standingStop(state: State, scope: Scope, at: number): DenialAtom | undefined {
  const { grants } = viewAt(state, at);
  return standingDenials(state, at)
    .filter(
      (denial) =>
        denial.type !== 'paused' &&
        denial.type !== 'gpc_received' &&
        covers(denial.scope, scope) &&
        // Lifted for a part, it stands for the rest only; a grant that is over counts here too: the person may always say no again.
        !grants.some(
          (grant) => grant.at > denial.at && meet(grant.scope, scope) !== undefined && mayLift(grant, denial),
        ),
    )
    .sort((a, b) => a.at - b.at)[0];
}

/** The latest cadence the person chose for something that covers the question. */
export function cadenceFor(view: View, target: Scope): CadenceAtom | undefined {
  let chosen: CadenceAtom | undefined;
  for (const atom of view.cadences) {
    if (!covers(atom.scope, target)) continue;
    if (!chosen || atom.at > chosen.at || (atom.at === chosen.at && atom.recorded >= chosen.recorded)) chosen = atom;
  }
  return chosen?.cadence === 'every' ? undefined : chosen;
}
