/** A person's exercise of a right: its kinds, its states and the one table that says what may follow what. */

export const REQUEST_KINDS = [
  'opt_out',
  'correction',
  'access',
  'deletion',
  'restriction',
  'objection',
  'automated_decision_review',
  'consent_withdrawal',
] as const;
export type RequestKind = (typeof REQUEST_KINDS)[number];

export function isRequestKind(text: string): text is RequestKind {
  return (REQUEST_KINDS as readonly string[]).includes(text);
}

/** How a request came. */
export const REQUEST_WAYS = ['form', 'mail', 'phone', 'post', 'api'] as const;
export type RequestWay = (typeof REQUEST_WAYS)[number];

/**
 * These only deny: an opt-out needs no proof of identity (11 CCR 7060(b)), and doubt about who asks must not keep it
 * waiting. They are in force when they are received.
 */
const IMMEDIATE: ReadonlySet<RequestKind> = new Set<RequestKind>(['opt_out', 'objection', 'consent_withdrawal']);

/** True for a kind that is in force on receipt, without verification. */
export function takesEffectAtOnce(kind: RequestKind): boolean {
  return IMMEDIATE.has(kind);
}

/** True for a kind that is answered only to the person or someone authorised: it shows, changes or stops what others rely on. */
export function needsVerification(kind: RequestKind): boolean {
  return !IMMEDIATE.has(kind);
}

export const OPEN_STATES = ['received', 'verifying', 'in_progress', 'fulfilling'] as const;
export const CLOSED_STATES = ['fulfilled', 'denied', 'refused', 'withdrawn'] as const;
export const REQUEST_STATES = [...OPEN_STATES, ...CLOSED_STATES] as const;
export type OpenState = (typeof OPEN_STATES)[number];
export type ClosedState = (typeof CLOSED_STATES)[number];
export type RequestState = (typeof REQUEST_STATES)[number];

export function isClosed(state: RequestState): state is ClosedState {
  return (CLOSED_STATES as readonly string[]).includes(state);
}

/** What can be done to a request. */
export const REQUEST_ACTIONS = [
  'acknowledge',
  'ask_verification',
  'verify',
  'refuse',
  'extend',
  'fulfil',
  'override',
  'complete',
  'deny',
  'withdraw',
] as const;
export type RequestAction = (typeof REQUEST_ACTIONS)[number];

interface Transition {
  readonly from: readonly OpenState[];
  /** Where it leads; `same` stays. */
  readonly to: RequestState | 'same';
  /** Kinds it exists for; all, when absent. */
  readonly kinds?: readonly RequestKind[];
}

const VERIFIED_KINDS = REQUEST_KINDS.filter(needsVerification);

/** The one table of transitions. What is not here cannot happen. */
export const TRANSITIONS: Readonly<Record<RequestAction, Transition>> = {
  acknowledge: { from: OPEN_STATES, to: 'same' },
  ask_verification: { from: ['received', 'verifying'], to: 'verifying', kinds: VERIFIED_KINDS },
  // Once in progress: a further address of the request is proven.
  verify: { from: ['received', 'verifying', 'in_progress'], to: 'in_progress', kinds: VERIFIED_KINDS },
  refuse: { from: ['received', 'verifying'], to: 'refused', kinds: VERIFIED_KINDS },
  extend: { from: OPEN_STATES, to: 'same' },
  // A kind in force on receipt goes straight through; a slow one waits in `fulfilling` until it is complete.
  fulfil: { from: ['received', 'in_progress'], to: 'fulfilling' },
  override: { from: ['fulfilling'], to: 'same', kinds: ['deletion'] },
  complete: { from: ['fulfilling'], to: 'fulfilled' },
  // What is in force already is not denied afterwards.
  deny: { from: ['in_progress'], to: 'denied', kinds: VERIFIED_KINDS },
  withdraw: { from: ['received', 'verifying', 'in_progress'], to: 'withdrawn' },
};

/** The state after an action, or undefined where the table does not allow it. */
export function after(kind: RequestKind, state: RequestState, action: RequestAction): RequestState | undefined {
  const { from, to, kinds } = TRANSITIONS[action];
  if (isClosed(state) || !from.includes(state) || (kinds && !kinds.includes(kind))) return undefined;
  // Only what never needs verification is fulfilled without it.
  if (action === 'fulfil' && state === 'received' && needsVerification(kind)) return undefined;
  return to === 'same' ? state : to;
}

/** What the table allows now. */
export function allowedActions(kind: RequestKind, state: RequestState): RequestAction[] {
  return REQUEST_ACTIONS.filter((action) => after(kind, state, action) !== undefined);
}

/** Why a request may be denied; each has its words in the letters. */
export const DENIAL_REASONS = [
  // GDPR Art. 17(3)(e), 18(2); the privacy policy: "to establish, exercise or defend legal claims"
  'legal_claims',
  // GDPR Art. 17(3)(b); Cal. Civ. Code 1798.105(d)(8): retention that a law or a regulator orders
  'legal_obligation',
  // Cal. Civ. Code 1798.105(d)(1): needed to complete what the person asked for, such as a policy or a claim
  'needed_for_service',
  // GDPR Art. 15(4); the privacy policy: "to protect the rights of another person"
  'others_rights',
  // Cal. Civ. Code 1798.105(d)(2)
  'security',
  // GDPR Art. 12(5); Cal. Civ. Code 1798.145(h)(3)
  'excessive',
  // We hold it for another company and tell the person which.
  'not_our_data',
  // Nothing is held of the person.
  'nothing_held',
  // Correction: what we hold is right as far as anybody can show. 11 CCR 7023(b)
  'accurate_as_held',
  // Review: the decision was made by a human, or has no legal or similar effect. GDPR Art. 22(1)
  'not_automated',
] as const;
export type DenialReason = (typeof DENIAL_REASONS)[number];

const REASONS_OF_ONE_KIND: Partial<Record<DenialReason, readonly RequestKind[]>> = {
  needed_for_service: ['deletion', 'restriction'],
  security: ['deletion', 'access'],
  accurate_as_held: ['correction', 'restriction'],
  not_automated: ['automated_decision_review'],
};

/** The reasons that a request of this kind may be denied for. */
export function denialReasonsOf(kind: RequestKind): DenialReason[] {
  return DENIAL_REASONS.filter((reason) => REASONS_OF_ONE_KIND[reason]?.includes(kind) ?? true);
}

/** Why more time may be taken. GDPR Art. 12(3): complexity and number; Cal. Civ. Code 1798.130(a)(2)(A): where necessary. */
export const EXTENSION_REASONS = [
  'complexity',
  'number_of_requests',
  'third_party_systems',
  'verification_took_time',
  'volume_of_data',
] as const;
export type ExtensionReason = (typeof EXTENSION_REASONS)[number];

/** Why a request could not be verified. */
export const REFUSAL_REASONS = [
  'no_answer_to_link',
  'details_do_not_match',
  'no_authority_shown',
  'not_confirmed_by_person',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** How somebody was shown to be who they say. */
export const VERIFICATION_WAYS = ['link', 'knowledge', 'agent'] as const;
export type VerificationWay = (typeof VERIFICATION_WAYS)[number];

/** How the outcome of a review reads. */
export const REVIEW_OUTCOMES = ['changed', 'upheld', 'profiling_stopped'] as const;
export type ReviewOutcome = (typeof REVIEW_OUTCOMES)[number];
