import { addMonths, insideHours, isTimeZone, nextInsideHours } from './calendar.js';
import type { Cadence, DenialType, Relationship } from './event.js';
import type { CadenceAtom, DenialAtom, FactAtom, GrantAtom, State } from './fold.js';
import { type ConsentRule, type ImpliedMonths, jurisdictionMatches, type Policy } from './policy.js';
import { type Channel, covers, meet, type Purpose, type Scope, scopeText, wholeScope } from './scope.js';

/** May brand B use channel H for purpose P (topic T) at time t (ms)? Without a topic, `*`. */
export interface Query {
  readonly brand: string;
  readonly channel: Channel;
  readonly purpose: Purpose;
  readonly topic: string;
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
  /** Destinations are told lasting facts only: they leave the hour of the day out. */
  readonly ignoreQuietHours?: boolean;
}

/** What profiles said. Decisions go by all but the language and the signal. Times in ms. */
export interface Facts {
  readonly relationship: Relationship;
  readonly jurisdiction: string | undefined;
  readonly timeZone: string | undefined;
  readonly minor: boolean;
  readonly language: string | undefined;
  /** When the person last said that a signal of their browser does not count against what they agreed to. */
  readonly signalIgnoredAt: number | undefined;
  readonly purchaseAt: number | undefined;
  readonly inquiryAt: number | undefined;
}

/** The state as one question sees it: what is after it, and what an erasure forgot, is gone. */
interface View {
  readonly denials: readonly DenialAtom[];
  readonly grants: readonly GrantAtom[];
  readonly cadences: readonly CadenceAtom[];
  readonly facts: Facts;
  readonly erasedAt: number | undefined;
  readonly customerSinceErasure: boolean;
  readonly restrictedAt: number | undefined;
  /** Since when (ms) a channel does not reach them. */
  readonly unreachable: ReadonlyMap<Channel, number>;
  /** Do-not-call registries that list them, and since when (ms). */
  readonly registries: ReadonlyMap<string, number>;
}

/** Later of two facts of one field: by time, then as recorded. */
function later(a: FactAtom, b: FactAtom | undefined): boolean {
  return b === undefined || a.at > b.at || (a.at === b.at && a.recorded >= b.recorded);
}

function factsOf(atoms: readonly FactAtom[], erasedAt: number | undefined): Facts {
  const known = atoms.filter((atom) => 'minor' in atom.fact || erasedAt === undefined || atom.at > erasedAt);
  const latest = new Map<string, FactAtom>();
  for (const atom of known) {
    const [name, value] = Object.entries(atom.fact)[0] ?? ['', ''];
    const key = name === 'relationship' || name === 'implied' ? `${name}:${value}` : name;
    if (later(atom, latest.get(key))) latest.set(key, atom);
    if (name === 'relationship' && later(atom, latest.get('relationship'))) latest.set('relationship', atom);
  }
  const customer = latest.get('relationship:customer');
  const recipient = latest.get('relationship:recipient');
  const last = latest.get('relationship')?.fact;
  let relationship: Relationship = last && 'relationship' in last ? last.relationship : 'prospect';
  // Once a package recipient, only becoming a customer changes that: the data came from somebody else.
  if (recipient && later(recipient, customer)) relationship = 'recipient';
  const jurisdiction = latest.get('jurisdiction')?.fact;
  const timeZone = latest.get('timeZone')?.fact;
  const minor = latest.get('minor')?.fact;
  const language = latest.get('language')?.fact;
  return {
    relationship,
    jurisdiction: jurisdiction && 'jurisdiction' in jurisdiction ? jurisdiction.jurisdiction : undefined,
    timeZone: timeZone && 'timeZone' in timeZone ? timeZone.timeZone : undefined,
    minor: minor !== undefined && 'minor' in minor && minor.minor,
    language: language && 'language' in language ? language.language : undefined,
    signalIgnoredAt: latest.get('signal')?.at,
    purchaseAt: latest.get('implied:purchase')?.at,
    inquiryAt: latest.get('implied:inquiry')?.at,
  };
}

function viewAt(state: State, at: number): View {
  const denials: DenialAtom[] = [];
  const grants: GrantAtom[] = [];
  const cadences: CadenceAtom[] = [];
  const facts: FactAtom[] = [];
  const reach = new Map<Channel, { up: number; down: number }>();
  const registries = new Map<string, { on: number; off: number }>();
  let erasedAt: number | undefined;
  let restrictedAt = Number.NEGATIVE_INFINITY;
  let unrestrictedAt = Number.NEGATIVE_INFINITY;
  for (const atom of state.atoms) {
    if (atom.at > at) continue;
    switch (atom.t) {
      case 'denial':
        // From its end on a pause is as if it never was.
        if (atom.until === undefined || at < atom.until) denials.push(atom);
        break;
      case 'grant':
        grants.push(atom);
        break;
      case 'fact':
        facts.push(atom);
        break;
      case 'cadence':
        cadences.push(atom);
        break;
      case 'erased':
        erasedAt = Math.max(erasedAt ?? atom.at, atom.at);
        break;
      case 'restricted':
        restrictedAt = Math.max(restrictedAt, atom.at);
        break;
      case 'unrestricted':
        unrestrictedAt = Math.max(unrestrictedAt, atom.at);
        break;
      case 'reach': {
        const known = reach.get(atom.channel) ?? { up: Number.NEGATIVE_INFINITY, down: Number.NEGATIVE_INFINITY };
        if (atom.reachable) known.up = Math.max(known.up, atom.at);
        else known.down = Math.max(known.down, atom.at);
        reach.set(atom.channel, known);
        break;
      }
      case 'registry': {
        const known = registries.get(atom.registry) ?? { on: Number.NEGATIVE_INFINITY, off: Number.NEGATIVE_INFINITY };
        if (atom.listed) known.on = Math.max(known.on, atom.at);
        else known.off = Math.max(known.off, atom.at);
        registries.set(atom.registry, known);
        break;
      }
    }
  }
  const end = erasedAt;
  return {
    denials,
    grants: end === undefined ? grants : grants.filter((grant) => grant.at > end),
    cadences: end === undefined ? cadences : cadences.filter((cadence) => cadence.at > end),
    facts: factsOf(facts, end),
    erasedAt: end,
    customerSinceErasure:
      end !== undefined &&
      facts.some((f) => 'relationship' in f.fact && f.fact.relationship === 'customer' && f.at > end),
    // At the same instant what closes wins.
    restrictedAt: restrictedAt > Number.NEGATIVE_INFINITY && restrictedAt >= unrestrictedAt ? restrictedAt : undefined,
    unreachable: new Map(
      [...reach].flatMap(([channel, { up, down }]) =>
        down > Number.NEGATIVE_INFINITY && down >= up ? [[channel, down] as const] : [],
      ),
    ),
    registries: new Map(
      [...registries].flatMap(([name, { on, off }]) =>
        on > Number.NEGATIVE_INFINITY && on >= off ? [[name, on] as const] : [],
      ),
    ),
  };
}

function asScope(query: Query): Scope {
  return { brand: query.brand, channel: query.channel, purpose: query.purpose, topic: query.topic };
}

/** True when a denial other than a pause, even one since lifted, ended the grant for this question. */
function ended(grant: GrantAtom, covering: readonly DenialAtom[]): boolean {
  return covering.some((denial) => denial.type !== 'paused' && denial.at >= grant.at);
}

function expired(grant: GrantAtom, at: number): boolean {
  return grant.until !== undefined && at >= grant.until;
}

/** True when a grant may lift a denial by its source; time and scope are looked at besides. */
export function mayLift(grant: GrantAtom, denial: DenialAtom): boolean {
  if (grant.liftsAt && !grant.liftsAt.includes(denial.at)) return false;
  if (grant.lifts === 'any') return true;
  return grant.lifts === 'same_source' && grant.destination !== undefined && grant.destination === denial.destination;
}

const DENIAL_REASONS: readonly { readonly types: readonly DenialType[]; readonly reason: Reason }[] = [
  { types: ['opted_out', 'consent_withdrawn'], reason: 'opted_out' },
  { types: ['objected'], reason: 'objected' },
  { types: ['complained'], reason: 'complained' },
  { types: ['gpc_received'], reason: 'gpc' },
  { types: ['paused'], reason: 'paused' },
];

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
        // Lifted for a part, it stands for the rest only; a grant that is over counts here, so that in doubt the person may say no.
        !grants.some(
          (grant) => grant.at > denial.at && meet(grant.scope, scope) !== undefined && mayLift(grant, denial),
        ),
    )
    .sort((a, b) => a.at - b.at)[0];
}

/** The facts that count at `at` (ms): what an erasure forgot is not among them. */
export const factsAt = (state: State, at: number): Facts => viewAt(state, at).facts;

/** Since when (ms) the contact is restricted; undefined when it is not. */
export const restrictedSince = (state: State, at: number): number | undefined => viewAt(state, at).restrictedAt;

/** When (ms) the contact was erased; undefined when it was not. */
export const erasedSince = (state: State, at: number): number | undefined => viewAt(state, at).erasedAt;

function impliedAlive(facts: Facts, months: ImpliedMonths, at: number): boolean {
  return (
    (facts.purchaseAt !== undefined && at < addMonths(facts.purchaseAt, months.purchase)) ||
    (facts.inquiryAt !== undefined && at < addMonths(facts.inquiryAt, months.inquiry))
  );
}

function applies(rule: ConsentRule, query: Query, jurisdiction: string): boolean {
  return (
    jurisdictionMatches(rule.jurisdictions, jurisdiction) &&
    (rule.channels.includes('*') || rule.channels.includes(query.channel)) &&
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

/** The latest cadence the person chose for something that covers the question. */
function cadenceFor(view: View, target: Scope): CadenceAtom | undefined {
  let chosen: CadenceAtom | undefined;
  for (const atom of view.cadences) {
    if (!covers(atom.scope, target)) continue;
    if (!chosen || atom.at > chosen.at || (atom.at === chosen.at && atom.recorded >= chosen.recorded)) chosen = atom;
  }
  return chosen?.cadence === 'every' ? undefined : chosen;
}

function cadenceOf(view: View, target: Scope): { cadence?: Cadence } {
  const chosen = cadenceFor(view, target);
  return chosen ? { cadence: chosen.cadence } : {};
}

/**
 * The decision: twelve rules in order, the first that decides gives the reason: docs/decision-rules.md.
 *
 * The state must know everything up to the question's time: for a question before `state.horizon` fold the ledger.
 */
export function decide(state: State, query: Query, context: DecisionContext): Decision {
  const { policy } = context;
  const view = viewAt(state, query.at);
  const target = asScope(query);

  // 1
  if (query.purpose === 'legal') return { allowed: true, reason: 'legal_notice' };

  const allCovering = view.denials.filter((denial) => covers(denial.scope, target));
  // Pauses that are over are gone from the view; every other denial counts for ever, lifted or not.
  const alive = view.grants.filter(
    (grant) =>
      covers(grant.scope, target) &&
      (grant.type === 'opted_in' || (!expired(grant, query.at) && !ended(grant, allCovering))),
  );
  const activeConsents = alive.filter((grant) => grant.type === 'consent_granted');

  // 2
  const { erasedAt, restrictedAt } = view;
  if (erasedAt !== undefined) {
    const endsErasure = alive.some((grant) => grant.lifts === 'any' && grant.at > erasedAt);
    const serviceAgain = query.purpose === 'service' && view.customerSinceErasure;
    if (!endsErasure && !serviceAgain) return { allowed: false, reason: 'erased' };
  }

  // 3
  if (restrictedAt !== undefined && !activeConsents.some((grant) => grant.at > restrictedAt)) {
    return { allowed: false, reason: 'restricted' };
  }

  // 4
  if (view.unreachable.has(query.channel)) {
    return query.channel === 'mail' || view.unreachable.has('mail')
      ? { allowed: false, reason: 'undeliverable' }
      : { allowed: false, reason: 'undeliverable', fallbackChannel: 'mail' };
  }

  const standing = allCovering.filter(
    (denial) =>
      !alive.some((grant) => grant.at > denial.at && covers(denial.scope, grant.scope) && mayLift(grant, denial)),
  );
  const denied = (reason: Reason, denials: readonly DenialAtom[]): Decision => {
    const latest = denials.reduce((a, b) => (b.at > a.at || (b.at === a.at && b.recorded > a.recorded) ? b : a));
    return { allowed: false, reason, since: latest.at, scope: latest.scope, event: latest.id };
  };

  // 5: STOP by text is about every text, service included. 47 CFR 64.1200(a)(10), (12)
  if (query.purpose === 'service') {
    const stops = standing.filter(
      (denial) => (denial.type === 'opted_out' || denial.type === 'consent_withdrawn') && denial.scope.purpose === '*',
    );
    if (query.channel === 'sms' && stops.length > 0) return denied('opted_out', stops);
    return { allowed: true, reason: 'service', ...cadenceOf(view, target) };
  }

  // 6
  if (view.facts.minor) return { allowed: false, reason: 'minor' };

  // 7
  for (const { types, reason } of DENIAL_REASONS) {
    const found = standing.filter((denial) => types.includes(denial.type));
    if (found.length > 0) return denied(reason, found);
  }

  // 8
  const byPhone = query.channel === 'voice' || query.channel === 'sms';
  if (
    byPhone &&
    view.registries.size > 0 &&
    activeConsents.length === 0 &&
    view.facts.relationship !== 'customer' &&
    !impliedAlive(view.facts, policy.registryRelationship, query.at)
  ) {
    return { allowed: false, reason: 'registry' };
  }

  // 9
  if (view.facts.relationship === 'recipient' && activeConsents.length === 0) {
    return { allowed: false, reason: 'indirect_source' };
  }

  // 10
  const jurisdiction = view.facts.jurisdiction ?? context.country ?? policy.defaultJurisdiction;
  if (activeConsents.length === 0) {
    const unmet = policy.consent.filter(
      (rule) =>
        applies(rule, query, jurisdiction) &&
        !(rule.implied && impliedAlive(view.facts, rule.implied, query.at)) &&
        // One that takes an act back says nothing beyond that.
        !(rule.optInSuffices && alive.some(({ liftsAt }) => liftsAt === undefined)),
    );
    if (unmet.length > 0) {
      const lapsed = view.grants.some(
        (grant) =>
          grant.type === 'consent_granted' &&
          covers(grant.scope, target) &&
          expired(grant, query.at) &&
          !ended(grant, allCovering),
      );
      const impliedOnce = view.facts.purchaseAt !== undefined || view.facts.inquiryAt !== undefined;
      const impliedLapsed = impliedOnce && unmet.every((rule) => rule.implied !== undefined);
      return { allowed: false, reason: lapsed || impliedLapsed ? 'consent_expired' : 'consent_missing' };
    }
  }

  // 11
  if (byPhone && !context.ignoreQuietHours) {
    const window = callingHours(policy, jurisdiction, view.facts.timeZone);
    if (window && !insideHours(query.at, window.zones, window.hours)) {
      const retryAfter = nextInsideHours(query.at, window.zones, window.hours);
      return retryAfter === undefined
        ? { allowed: false, reason: 'quiet_hours' }
        : { allowed: false, reason: 'quiet_hours', retryAfter };
    }
  }

  // 12
  return {
    allowed: true,
    reason: activeConsents.length > 0 ? 'consented' : 'not_objected',
    ...cadenceOf(view, target),
  };
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
