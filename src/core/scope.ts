/** Channels a message or a use of data can go through. */
export const CHANNELS = ['email', 'sms', 'voice', 'mail', 'push', 'web', 'ads'] as const;
export type Channel = (typeof CHANNELS)[number];

/** Why data is used. The order is part of the token format: append only. */
export const PURPOSES = [
  'legal',
  'service',
  'promotion',
  'affiliate_promotion',
  'partner_promotion',
  'retargeting',
  'lookalike_seed',
  'lookalike_target',
  'profiling',
  'research',
  'sweepstakes',
  'events',
] as const;
export type Purpose = (typeof PURPOSES)[number];

/** Marketing means every purpose but `legal` and `service`. */
export const MARKETING_PURPOSES: readonly Purpose[] = PURPOSES.filter((p) => p !== 'legal' && p !== 'service');

export type ScopePurpose = Purpose | 'marketing' | '*';

/** What an event is about. `*` matches everything; purpose may be the group `marketing`. */
export interface Scope {
  readonly brand: string;
  readonly channel: Channel | '*';
  readonly purpose: ScopePurpose;
  readonly topic: string;
}

/** What a query asks about: channel and purpose are named; topic `*` is a query without a topic. */
export interface QueryScope extends Scope {
  readonly channel: Channel;
  readonly purpose: Purpose;
}

/** Purposes that a Global Privacy Control signal denies. 11 CCR 7025 (sale and sharing) */
export const GPC_PURPOSES: readonly Purpose[] = [
  'retargeting',
  'lookalike_seed',
  'lookalike_target',
  'partner_promotion',
  'affiliate_promotion',
];

export const EVERYTHING: Scope = { brand: '*', channel: '*', purpose: '*', topic: '*' };
export const ALL_MARKETING: Scope = { ...EVERYTHING, purpose: 'marketing' };

/** A scope with its missing fields, null ones among them, filled with `*`. */
export function wholeScope(scope: Partial<Scope> | null | undefined): Scope {
  return {
    brand: scope?.brand ?? '*',
    channel: scope?.channel ?? '*',
    purpose: scope?.purpose ?? '*',
    topic: scope?.topic ?? '*',
  };
}

function purposeCovers(outer: ScopePurpose, inner: ScopePurpose): boolean {
  if (outer === '*' || outer === inner) return true;
  return outer === 'marketing' && inner !== '*' && inner !== 'legal' && inner !== 'service';
}

/**
 * True when `outer` covers all that `inner` covers: `covers(scope, question)` is "the scope covers the question", and
 * `covers(outer, inner)` is "inner is within outer".
 */
export function covers(outer: Scope, inner: Scope): boolean {
  return (
    (outer.brand === '*' || outer.brand === inner.brand) &&
    (outer.channel === '*' || outer.channel === inner.channel) &&
    (outer.topic === '*' || outer.topic === inner.topic) &&
    purposeCovers(outer.purpose, inner.purpose)
  );
}

function narrower<T extends string>(a: T | '*', b: T | '*'): T | '*' | undefined {
  if (a === '*' || a === b) return b;
  return b === '*' ? a : undefined;
}

/** What both scopes cover, or undefined when no question is covered by both. */
export function meet(a: Scope, b: Scope): Scope | undefined {
  const brand = narrower(a.brand, b.brand);
  const channel = narrower(a.channel, b.channel);
  const topic = narrower(a.topic, b.topic);
  const purpose = purposeCovers(a.purpose, b.purpose)
    ? b.purpose
    : purposeCovers(b.purpose, a.purpose)
      ? a.purpose
      : undefined;
  if (brand === undefined || channel === undefined || topic === undefined || purpose === undefined) return undefined;
  return { brand, channel, purpose, topic };
}

/** One text per scope, for keys and for grouping. */
export function scopeText(scope: Scope): string {
  return `${scope.brand}/${scope.channel}/${scope.purpose}/${scope.topic}`;
}
