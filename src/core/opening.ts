import type { ContactEvent } from './event.js';
import type { State } from './fold.js';
import { type ConsentRule, jurisdictionMatches, type Policy } from './policy.js';
import { CHANNELS, covers, MARKETING_PURPOSES, meet, type Scope, wholeScope } from './scope.js';

/** The facts that a profile event may state. */
export type ProfileFacts = Pick<ContactEvent, 'relationship' | 'jurisdiction' | 'timeZone' | 'minor' | 'implied'>;

/**
 * Of the facts of a profile those that can only deny: of age, a customer, another place, another time zone, a purchase can
 * each turn a denial into an allowance (docs/decision-rules.md, rules 2, 6, 8 to 11).
 */
export function closingFacts({ relationship, minor }: ProfileFacts): ProfileFacts {
  return {
    ...(relationship === undefined || relationship === 'customer' ? {} : { relationship }),
    ...(minor === true ? { minor } : {}),
  };
}

function isAsStrict(rule: ConsentRule, than: ConsentRule): boolean {
  const { implied, optInSuffices } = rule;
  if (optInSuffices && !than.optInSuffices) return false;
  if (!implied) return true;
  return (
    than.implied !== undefined && implied.purchase <= than.implied.purchase && implied.inquiry <= than.implied.inquiry
  );
}

/**
 * True when consent is needed in `to` wherever it is needed in `from`. Calling hours are left aside: they pass by
 * themselves, and a place whose hours differ may still be the one that needs more consent.
 */
export function needsAsMuchConsent(policy: Pick<Policy, 'consent'>, to: string, from: string): boolean {
  const rulesFor = (
    jurisdiction: string,
    channel: (typeof CHANNELS)[number],
    purpose: (typeof MARKETING_PURPOSES)[number],
  ) =>
    policy.consent.filter(
      (rule) =>
        jurisdictionMatches(rule.jurisdictions, jurisdiction) &&
        (rule.channels.includes('*') || rule.channels.includes(channel)) &&
        rule.purposes.some((group) => covers(wholeScope({ purpose: group }), wholeScope({ purpose }))),
    );
  return CHANNELS.every((channel) =>
    MARKETING_PURPOSES.every((purpose) => {
      const there = rulesFor(to, channel, purpose);
      return rulesFor(from, channel, purpose).every((rule) => there.some((other) => isAsStrict(other, rule)));
    }),
  );
}

/**
 * The last time (ms), `since` or later, that the person said no, was restricted or was erased. What was asked for at `since`,
 * and waits for somebody to confirm it, must not lift that.
 */
export function lastDeniedSince(state: State, scope: Scope, since: number): number | undefined {
  const times = state.atoms
    .filter(
      (atom) =>
        atom.at >= since &&
        ((atom.t === 'denial' && meet(atom.scope, scope) !== undefined) ||
          atom.t === 'restricted' ||
          atom.t === 'erased'),
    )
    .map(({ at }) => at);
  return times.length === 0 ? undefined : Math.max(...times);
}

/** Whether there was such a time. */
export const wasDeniedSince = (state: State, scope: Scope, since: number): boolean =>
  lastDeniedSince(state, scope, since) !== undefined;
