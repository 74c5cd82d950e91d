import type { DenialAtom, GrantAtom } from './atoms.js';
import { addMonths, insideHours, isTimeZone, nextInsideHours } from './calendar.js';
import { endsErasure } from './erasure.js';
import type { Cadence, DenialType } from './event.js';
import type { State } from './fold.js';
import { type ConsentRule, type ImpliedMonths, jurisdictionMatches, type Policy } from './policy.js';
import { covers, type QueryScope, type Scope } from './scope.js';
import { cadenceFor, ended, expired, mayLift } from './standing.js';
import { type Facts, type View, viewAt } from './view.js';

/** May brand B use channel H for purpose P (topic T) at time t (ms)? Without a topic, `*`. */
export interface Query extends QueryScope {
  readonly at: number;
}

export type Reason =
  | 'legal_notice'
  | 'erased'
  | 'restricted'
  | 'undeliverable'
  | 'service'
  | 'minor'
  | 'opted_out'
  | 'objected'
  | 'complained'
  | 'gpc'
  | 'paused'
  | 'registry'
  | 'indirect_source'
  | 'consent_missing'
  | 'consent_expired'
  | 'quiet_hours'
  | 'consented'
  | 'not_objected';

export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
  /** Of the latest standing denial of that reason: its time (ms), scope and event id. */
  readonly since?: number;
  readonly scope?: Scope;
  readonly event?: string;
  readonly cadence?: Cadence;
  readonly fallbackChannel?: 'mail';
  /** First later instant (ms) when calling hours allow. */
  readonly retryAfter?: number;
}

/** What is known of the contact besides its events. */
export interface DecisionContext {
  readonly policy: Policy;
  /** Jurisdiction the address itself tells (country of a phone number or postal address). */
  readonly country?: string;
  /** Destinations get lasting facts only: they leave the hour of the day out. */
  readonly ignoreQuietHours?: boolean;
}

function asScope(query: Query): Scope {
  return { brand: query.brand, channel: query.channel, purpose: query.purpose, topic: query.topic };
}

const DENIAL_REASONS: readonly { readonly types: readonly DenialType[]; readonly reason: Reason }[] = [
  { types: ['opted_out', 'consent_withdrawn'], reason: 'opted_out' },
  { types: ['objected'], reason: 'objected' },
  { types: ['complained'], reason: 'complained' },
  { types: ['gpc_received'], reason: 'gpc' },
  { types: ['paused'], reason: 'paused' },
];

function impliedAlive(facts: Facts, months: ImpliedMonths, at: number): boolean {
  return (
    (facts.purchaseAt !== undefined && at < addMonths(facts.purchaseAt, months.purchase)) ||
    (facts.inquiryAt !== undefined && at < addMonths(facts.inquiryAt, months.inquiry))
  );
}

function applies(rule: ConsentRule, query: Query, jurisdiction: string): boolean {
  return (
    (rule.channels.includes('*') || rule.channels.includes(query.channel)) &&
    jurisdictionMatches(rule.jurisdictions, jurisdiction) &&
    rule.purposes.some((purpose) => covers({ brand: '*', channel: '*', purpose, topic: '*' }, asScope(query)))
  );
}

function callingHours(policy: Policy, jurisdiction: string, timeZone: string | undefined) {
  const hours = policy.callingHours.find((rule) => jurisdictionMatches(rule.jurisdictions, jurisdiction));
  const zones =
    timeZone && isTimeZone(timeZone)
      ? [timeZone]
      : (policy.unknownZones.find((rule) => jurisdictionMatches(rule.jurisdictions, jurisdiction))?.zones ?? ['UTC']);
  return hours === undefined ? undefined : { hours, zones };
}

/** A question, and what of the state bears on it. */
interface Case {
  readonly query: Query;
  readonly target: Scope;
  readonly view: View;
  readonly policy: Policy;
  /** Every denial that covers the question, lifted or not. */
  readonly covering: readonly DenialAtom[];
  /** Those that no grant has lifted for this question. A yes to one topic lifts nothing for a question without a topic. */
  readonly standing: readonly DenialAtom[];
  /** Grants that cover the question and count. */
  readonly alive: readonly GrantAtom[];
  /** Those among them that are a consent. */
  readonly consents: readonly GrantAtom[];
  readonly jurisdiction: string;
}

function caseOf(state: State, query: Query, { policy, country }: DecisionContext): Case {
  const view = viewAt(state, query.at);
  const target = asScope(query);
  // Pauses that are over are gone from the view; every other denial counts for ever, lifted or not.
  const covering = view.denials.filter((denial) => covers(denial.scope, target));
  const alive = view.grants.filter(
    (grant) =>
      covers(grant.scope, target) &&
      (grant.type === 'opted_in' || (!expired(grant, query.at) && !ended(grant, covering))),
  );
  return {
    query,
    target,
    view,
    policy,
    covering,
    standing: covering.filter(
      (denial) =>
        !alive.some((grant) => grant.at > denial.at && covers(denial.scope, grant.scope) && mayLift(grant, denial)),
    ),
    alive,
    consents: alive.filter((grant) => grant.type === 'consent_granted'),
    jurisdiction: view.facts.jurisdiction ?? country ?? policy.defaultJurisdiction,
  };
}

/** A denial by the latest of these. */
function denied(reason: Reason, denials: readonly DenialAtom[]): Decision {
  const latest = denials.reduce((a, b) => (b.at > a.at || (b.at === a.at && b.recorded > a.recorded) ? b : a));
  return { allowed: false, reason, since: latest.at, scope: latest.scope, event: latest.id };
}

function allowed(reason: Reason, { view, target }: Case): Decision {
  const chosen = cadenceFor(view, target);
  return { allowed: true, reason, ...(chosen ? { cadence: chosen.cadence } : {}) };
}

/** Rule 2. */
function isErased({ query, view, alive }: Case): boolean {
  const { erasedAt } = view;
  if (erasedAt === undefined || alive.some((grant) => endsErasure(grant, erasedAt))) return false;
  return !(query.purpose === 'service' && view.customerSinceErasure);
}

/** Rule 3. */
function isRestricted({ view: { restrictedAt }, consents }: Case): boolean {
  return restrictedAt !== undefined && !consents.some((grant) => grant.at > restrictedAt);
}

/** Rule 4. */
function undeliverable({ query, view: { unreachable } }: Case): Decision | undefined {
  if (!unreachable.has(query.channel)) return undefined;
  return query.channel === 'mail' || unreachable.has('mail')
    ? { allowed: false, reason: 'undeliverable' }
    : { allowed: false, reason: 'undeliverable', fallbackChannel: 'mail' };
}

/** Rule 5: STOP by text is about every text, service included. 47 CFR 64.1200(a)(10), (12) */
function decideService(about: Case): Decision {
  const stops = about.standing.filter(
    (denial) => (denial.type === 'opted_out' || denial.type === 'consent_withdrawn') && denial.scope.purpose === '*',
  );
  return about.query.channel === 'sms' && stops.length > 0 ? denied('opted_out', stops) : allowed('service', about);
}

/** Rule 7. Which denials stand for the question is `caseOf`'s to say. */
function deniedByPerson({ standing }: Case): Decision | undefined {
  for (const { types, reason } of DENIAL_REASONS) {
    const found = standing.filter((denial) => types.includes(denial.type));
    if (found.length > 0) return denied(reason, found);
  }
  return undefined;
}

const isByPhone = ({ channel }: Query): boolean => channel === 'voice' || channel === 'sms';

/** Rule 8. */
function isOnRegistry({ query, view: { registries, facts }, consents, policy }: Case): boolean {
  return (
    isByPhone(query) &&
    registries.size > 0 &&
    consents.length === 0 &&
    facts.relationship !== 'customer' &&
    !impliedAlive(facts, policy.registryRelationship, query.at)
  );
}

/** Rule 10. */
function lacksConsent(about: Case): Decision | undefined {
  const { query, view, policy, alive, consents, covering, target, jurisdiction } = about;
  if (consents.length > 0) return undefined;
  const unmet = policy.consent.filter(
    (rule) =>
      applies(rule, query, jurisdiction) &&
      !(rule.implied && impliedAlive(view.facts, rule.implied, query.at)) &&
      // One that takes an act back says nothing beyond that.
      !(rule.optInSuffices && alive.some(({ liftsAt }) => liftsAt === undefined)),
  );
  if (unmet.length === 0) return undefined;
  const lapsed = view.grants.some(
    (grant) =>
      grant.type === 'consent_granted' &&
      covers(grant.scope, target) &&
      expired(grant, query.at) &&
      !ended(grant, covering),
  );
  const impliedOnce = view.facts.purchaseAt !== undefined || view.facts.inquiryAt !== undefined;
  const impliedLapsed = impliedOnce && unmet.every((rule) => rule.implied !== undefined);
  return { allowed: false, reason: lapsed || impliedLapsed ? 'consent_expired' : 'consent_missing' };
}

/** Rule 11. */
function quietHours({ query, view, policy, jurisdiction }: Case): Decision | undefined {
  if (!isByPhone(query)) return undefined;
  const window = callingHours(policy, jurisdiction, view.facts.timeZone);
  if (!window || insideHours(query.at, window.zones, window.hours)) return undefined;
  const retryAfter = nextInsideHours(query.at, window.zones, window.hours);
  return { allowed: false, reason: 'quiet_hours', ...(retryAfter === undefined ? {} : { retryAfter }) };
}

/**
 * The decision: twelve rules in order, the first that decides gives the reason: docs/decision-rules.md.
 *
 * The state must know everything up to the question's time: for a question before `state.horizon` fold the ledger.
 */
export function decide(state: State, query: Query, context: DecisionContext): Decision {
  if (query.purpose === 'legal') return { allowed: true, reason: 'legal_notice' }; // 1
  const about = caseOf(state, query, context);
  if (isErased(about)) return { allowed: false, reason: 'erased' }; // 2
  if (isRestricted(about)) return { allowed: false, reason: 'restricted' }; // 3
  const unreached = undeliverable(about); // 4
  if (unreached) return unreached;
  if (query.purpose === 'service') return decideService(about); // 5
  if (about.view.facts.minor) return { allowed: false, reason: 'minor' }; // 6
  const refused = deniedByPerson(about); // 7
  if (refused) return refused;
  if (isOnRegistry(about)) return { allowed: false, reason: 'registry' }; // 8
  if (about.view.facts.relationship === 'recipient' && about.consents.length === 0) {
    return { allowed: false, reason: 'indirect_source' }; // 9
  }
  const unconsented = lacksConsent(about); // 10
  if (unconsented) return unconsented;
  const quiet = context.ignoreQuietHours ? undefined : quietHours(about); // 11
  if (quiet) return quiet;
  return allowed(about.consents.length > 0 ? 'consented' : 'not_objected', about); // 12
}

/** Topics (of those given) that are denied although the question without a topic is allowed. */
export function exceptTopics(
  state: State,
  query: Query,
  topics: readonly string[],
  context: DecisionContext,
): string[] {
  return topics.filter((topic) => !decide(state, { ...query, topic }, context).allowed);
}

/**
 * The next time (ms) after `at` when a decision can change by itself: a pause or consent ends, an implied consent
 * lapses. Undefined when nothing is waiting.
 */
export function nextChange(state: State, at: number, policy: Policy): number | undefined {
  const times: number[] = [];
  for (const atom of state.atoms) {
    times.push(atom.at);
    if ((atom.t === 'denial' || atom.t === 'grant') && atom.until !== undefined) times.push(atom.until);
    if (atom.t === 'fact' && 'implied' in atom.fact) {
      const { implied } = atom.fact;
      const rules = [policy.registryRelationship, ...policy.consent.flatMap((rule) => rule.implied ?? [])];
      times.push(...rules.map((rule) => addMonths(atom.at, rule[implied])));
    }
  }
  const future = times.filter((time) => time > at);
  return future.length === 0 ? undefined : Math.min(...future);
}
