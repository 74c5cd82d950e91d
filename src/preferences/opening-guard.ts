import { HushError } from '../core/errors.js';
import { type EventType, opens } from '../core/event.js';
import { presentAt } from '../core/fold.js';
import type { Keyring } from '../core/keys.js';
import { closingFacts, needsAsMuchConsent, type ProfileFacts } from '../core/opening.js';
import type { Policy } from '../core/policy.js';
import { factsAt, restrictedSince } from '../core/view.js';
import type { Decisions } from './decisions.js';
import { type Draft, subjectKey } from './draft.js';

/** What a writer may do besides recording what denies. */
export interface WriterRights {
  /** May say what turns a denial into an allowance. */
  readonly lift: boolean;
  readonly erase: boolean;
}

/** A field of an event that was not taken. */
export interface LeftOut {
  readonly field: string;
  readonly reason: string;
}

export interface Guarded {
  readonly draft: Draft;
  readonly leftOut: readonly LeftOut[];
}

const FACTS = ['relationship', 'jurisdiction', 'timeZone', 'minor', 'implied'] as const;
const GRANTS: ReadonlySet<EventType> = new Set(['opted_in', 'consent_granted', 'profile']);
const NEEDS_LIFT = 'this can turn a denial into an allowance, and the key lacks the scope lift';

function needsLift(field: string, message = NEEDS_LIFT): HushError {
  return new HushError('forbidden', message, {
    field,
    remedy: 'use a key with the scope lift: hush keys create --scopes events,lift',
  });
}

/**
 * Takes an event of a writer who may not lift as far as it denies, and refuses the rest with the reason: a leaked key must not
 * bring marketing back, by a grant or by any other event. Reads a contact only where its state decides.
 */
export function createOpeningGuard(parts: {
  readonly decisions: Pick<Decisions, 'present'>;
  readonly keyring: Keyring;
  readonly policy: Policy;
  readonly clock: { now(): number };
}) {
  const { decisions, keyring, policy, clock } = parts;

  async function presentOf({ subject }: Draft) {
    const point = 'point' in subject ? subject.point : undefined;
    const { contact, state } = await decisions.present({
      key: subjectKey(keyring, subject),
      ...(point ? { point } : {}),
    });
    const country = contact?.country ?? point?.country;
    return { state, country, at: presentAt(state, clock.now()) };
  }

  /** A place that needs as much consent everywhere as the one that counts now. */
  async function closingPlace(draft: Draft): Promise<ProfileFacts> {
    const { jurisdiction } = draft;
    if (jurisdiction === undefined) return {};
    const { state, country, at } = await presentOf(draft);
    const known = factsAt(state, at).jurisdiction ?? country ?? policy.defaultJurisdiction;
    return needsAsMuchConsent(policy, jurisdiction, known) ? { jurisdiction } : {};
  }

  async function profile(draft: Draft): Promise<Guarded> {
    const { relationship: _r, jurisdiction: _j, timeZone: _t, minor: _m, implied: _i, ...rest } = draft;
    const facts = { ...closingFacts(draft), ...(await closingPlace(draft)) };
    const [first, ...more] = FACTS.filter((name) => draft[name] !== undefined && facts[name] === undefined);
    // In which language somebody is written to opens nothing.
    if (first !== undefined && draft.language === undefined && Object.keys(facts).length === 0) throw needsLift(first);
    const fields = first === undefined ? [] : [first, ...more];
    return { draft: { ...rest, ...facts }, leftOut: fields.map((field) => ({ field, reason: NEEDS_LIFT })) };
  }

  /** @throws HushError `forbidden` for what the writer may not say at all, `unavailable` */
  async function guard(draft: Draft, rights: WriterRights): Promise<Guarded> {
    const { type } = draft;
    if (type === 'erased' && !rights.erase) {
      throw new HushError('forbidden', 'an erasure needs a key with the scope erase', {
        field: 'type',
        remedy: 'take the person’s request in with /v1/requests, or use a key with the scope erase',
      });
    }
    if (rights.lift || !opens(type)) return { draft, leftOut: [] };
    if (type === 'profile') return profile(draft);
    if (!GRANTS.has(type)) throw needsLift('type');
    if (type === 'consent_granted') {
      const { state, at } = await presentOf(draft);
      // An active consent ends a restriction for what it covers: docs/decision-rules.md, rule 3.
      if (restrictedSince(state, at) !== undefined)
        throw needsLift(
          'type',
          'the contact is restricted, which a consent would lift, and the key lacks the scope lift',
        );
    }
    return { draft, leftOut: [] };
  }

  return guard;
}

export type OpeningGuard = ReturnType<typeof createOpeningGuard>;
