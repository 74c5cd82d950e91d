import type { Query } from '../../src/core/decide.js';
import { type ContactEvent, compareEvents } from '../../src/core/event.js';
import type { Policy } from '../../src/core/policy.js';

/** Reasons of `naiveDecision` that allow; all others deny. */
export const ALLOWING_REASONS: ReadonlySet<string> = new Set(['legal_notice', 'service', 'consented', 'not_objected']);

/**
 * docs/decision-rules.md read word by word over the raw events: no state, no compaction, no shared code with
 * `core/decide.ts` beyond the order of events. Slow and plain on purpose. Quiet hours are left out.
 */
export function naiveDecision(events: readonly ContactEvent[], question: Query, policy: Policy): string {
  const known = [...new Map(events.map((e) => [e.id, e])).values()]
    .filter((e) => e.at <= question.at)
    .sort(compareEvents);
  const marketing = question.purpose !== 'legal' && question.purpose !== 'service';
  type S = { brand?: string; channel?: string; purpose?: string; topic?: string };
  const field = (value: string | undefined) => value ?? '*';
  const coversQuestion = (s: S) =>
    ['*', question.brand].includes(field(s.brand)) &&
    ['*', question.channel].includes(field(s.channel)) &&
    ['*', question.topic].includes(field(s.topic)) &&
    (['*', question.purpose].includes(field(s.purpose)) || (s.purpose === 'marketing' && marketing));
  const purposeWithin = (inner: string, outer: string) =>
    outer === '*' || inner === outer || (outer === 'marketing' && !['*', 'legal', 'service'].includes(inner));
  const within = (inner: S, outer: S) =>
    (['brand', 'channel', 'topic'] as const).every(
      (f) => field(outer[f]) === '*' || field(outer[f]) === field(inner[f]),
    ) && purposeWithin(field(inner.purpose), field(outer.purpose));
  const gpc = ['retargeting', 'lookalike_seed', 'lookalike_target', 'partner_promotion', 'affiliate_promotion'];
  const scopesOf = (e: ContactEvent): S[] => {
    if (e.type === 'complained') return [{ channel: 'email', purpose: 'marketing' }];
    if (e.type === 'gpc_received') return gpc.map((purpose) => ({ purpose }));
    if ((e.type === 'objected' || e.type === 'paused') && field(e.scope?.purpose) === '*')
      return [{ ...e.scope, purpose: 'marketing' }];
    return [{ ...e.scope }];
  };

  if (question.purpose === 'legal') return 'legal_notice';
  const erasure = known.filter((e) => e.type === 'erased').at(-1);
  const isAfter = (e: ContactEvent, mark: ContactEvent | undefined) => !mark || compareEvents(e, mark) > 0;
  const denials = known.filter((e) =>
    ['opted_out', 'consent_withdrawn', 'objected', 'complained', 'gpc_received', 'paused'].includes(e.type),
  );
  const liveDenials = denials.filter((e) => e.type !== 'paused' || question.at < (e.until ?? 0));
  const covering = liveDenials.filter((e) => scopesOf(e).some(coversQuestion));
  const grants = known.filter((e) => ['opted_in', 'consent_granted'].includes(e.type) && isAfter(e, erasure));
  const endedBy = (g: ContactEvent) => covering.some((d) => d.type !== 'paused' && d.at >= g.at);
  const active = (g: ContactEvent) => question.at < (g.until ?? Number.POSITIVE_INFINITY) && !endedBy(g);
  const alive = grants.filter((g) => coversQuestion({ ...g.scope }) && (g.type === 'opted_in' || active(g)));
  const consents = alive.filter((g) => g.type === 'consent_granted');
  const profiles = known.filter((e) => e.type === 'profile');
  const remembered = profiles.filter((e) => isAfter(e, erasure));

  if (erasure) {
    const back = alive.some((g) => (g.lifts ?? 'any') === 'any' && g.at > erasure.at);
    const again = question.purpose === 'service' && remembered.some((e) => e.relationship === 'customer');
    if (!back && !again) return 'erased';
  }
  const restriction = known.filter((e) => e.type === 'restricted' || e.type === 'restriction_lifted').at(-1);
  if (restriction?.type === 'restricted') {
    const latest = known.filter((e) => e.type === 'restricted').at(-1)!;
    if (!consents.some((g) => g.at > latest.at)) return 'restricted';
  }
  const reach = known
    .filter(
      (e) =>
        ((e.type === 'unreachable' || e.type === 'reachable') && e.channel === question.channel) ||
        (e.type === 'bounced' && e.kind === 'hard' && question.channel === 'email'),
    )
    .at(-1);
  if (reach && reach.type !== 'reachable') return 'undeliverable';

  const stands = (d: ContactEvent) =>
    scopesOf(d).some(
      (s) =>
        coversQuestion(s) &&
        !alive.some(
          (g) =>
            g.at > d.at &&
            within({ ...g.scope }, s) &&
            (g.liftsAt === undefined || g.liftsAt.includes(d.at)) &&
            ((g.lifts ?? 'any') === 'any' ||
              (g.lifts === 'same_source' &&
                g.source.destination !== undefined &&
                g.source.destination === d.source.destination)),
        ),
    );
  const standing = covering.filter(stands);
  if (question.purpose === 'service') {
    const stop = standing.some(
      (d) => ['opted_out', 'consent_withdrawn'].includes(d.type) && field(d.scope?.purpose) === '*',
    );
    return question.channel === 'sms' && stop ? 'opted_out' : 'service';
  }
  if (profiles.filter((e) => e.minor !== undefined).at(-1)?.minor) return 'minor';
  const order: [string, string[]][] = [
    ['opted_out', ['opted_out', 'consent_withdrawn']],
    ['objected', ['objected']],
    ['complained', ['complained']],
    ['gpc', ['gpc_received']],
    ['paused', ['paused']],
  ];
  for (const [reason, types] of order) if (standing.some((d) => types.includes(d.type))) return reason;

  let relationship = 'prospect';
  for (const e of remembered) {
    if (e.relationship && !(relationship === 'recipient' && e.relationship !== 'customer'))
      relationship = e.relationship;
  }
  const monthsAfter = (at: number, months: number) => {
    const d = new Date(at);
    const target = new Date(Date.UTC(d.getUTCFullYear(), d.getUTCMonth() + months, 1));
    const days = new Date(Date.UTC(target.getUTCFullYear(), target.getUTCMonth() + 1, 0)).getUTCDate();
    return Date.UTC(
      target.getUTCFullYear(),
      target.getUTCMonth(),
      Math.min(d.getUTCDate(), days),
      d.getUTCHours(),
      d.getUTCMinutes(),
      d.getUTCSeconds(),
      d.getUTCMilliseconds(),
    );
  };
  const implied = (purchase: number, inquiry: number) =>
    remembered.some((e) => e.implied && question.at < monthsAfter(e.at, e.implied === 'purchase' ? purchase : inquiry));
  const phone = question.channel === 'voice' || question.channel === 'sms';
  const listings = known.filter((e) => e.type === 'registry_listed' || e.type === 'registry_unlisted');
  const listed = [...new Set(listings.map((e) => e.registry))].some(
    (r) => listings.filter((e) => e.registry === r).at(-1)?.type === 'registry_listed',
  );
  if (phone && listed && consents.length === 0 && relationship !== 'customer' && !implied(18, 3)) return 'registry';
  if (relationship === 'recipient' && consents.length === 0) return 'indirect_source';
  const jurisdiction = remembered.filter((e) => e.jurisdiction).at(-1)?.jurisdiction ?? 'US';
  const europe = policy.consent[2]?.jurisdictions.includes(jurisdiction) ?? false;
  const canada = jurisdiction === 'CA' || jurisdiction.startsWith('CA-');
  const partner = question.purpose === 'partner_promotion';
  const always =
    question.channel === 'sms' ||
    partner ||
    (europe && ['email', 'push', 'voice'].includes(question.channel)) ||
    (europe && ['retargeting', 'lookalike_seed', 'lookalike_target', 'profiling'].includes(question.purpose));
  const casl = canada && question.channel === 'email' && !implied(24, 6);
  if (consents.length === 0 && (always || casl)) {
    const lapsed = grants.some(
      (g) =>
        g.type === 'consent_granted' &&
        coversQuestion({ ...g.scope }) &&
        !endedBy(g) &&
        question.at >= (g.until ?? Number.POSITIVE_INFINITY),
    );
    const impliedLapsed = !always && casl && remembered.some((e) => e.implied);
    return lapsed || impliedLapsed ? 'consent_expired' : 'consent_missing';
  }
  return consents.length > 0 ? 'consented' : 'not_objected';
}
