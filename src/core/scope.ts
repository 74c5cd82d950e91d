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

/** A scope with its missing fields filled with `*`. */
export function wholeScope(scope: Partial<Scope> | undefined): Scope {
  return { ...EVERYTHING, ...scope };
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

/** One text per scope, for keys and for grouping. */
export function scopeText(scope: Scope): string {
  return `${scope.brand}/${scope.channel}/${scope.purpose}/${scope.topic}`;
}
