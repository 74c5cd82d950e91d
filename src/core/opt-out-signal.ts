import type { GrantAtom } from './atoms.js';
import type { State } from './fold.js';
import type { Policy } from './policy.js';
import { GPC_PURPOSES, meet, wholeScope } from './scope.js';
import { consentStatus, inForce } from './standing.js';
import { factsAt } from './view.js';

/** How an opt-out signal of a browser and what the person agreed to go together. Times in ms. */
export interface SignalView {
  /** One that comes now is recorded. */
  readonly isRecorded: boolean;
  /** An earlier one is in force, if only for a part. */
  readonly isInForce: boolean;
  /** What the person agreed to after the last signal, knowing of it: it stands. */
  readonly consents: readonly GrantAtom[];
  /** They have not been asked yet which of the two counts. */
  readonly isOpen: boolean;
  /** When they had agreed to something that the last signal ended. */
  readonly endedConsentAt: number | undefined;
}

const isAboutSignal = ({ scope }: GrantAtom): boolean =>
  GPC_PURPOSES.some((purpose) => meet(scope, wholeScope({ purpose })) !== undefined);

/**
 * 11 CCR 7025(c)(3): a signal that conflicts with what the person allowed this business counts as an opt-out, and they are
 * told and may consent again. Who does so may be taken at their word for as long as they are known: a consent that is later
 * than a signal stands against the next ones, until the person confirms the signal. An opt-in without proof of a notice does
 * not.
 */
export function signalView(state: State, at: number, policy: Pick<Policy, 'optOutSignal'>): SignalView {
  const signals = state.atoms.filter((atom) => atom.t === 'denial' && atom.type === 'gpc_received' && atom.at <= at);
  const signalAt = signals.reduce<number | undefined>(
    (latest, atom) => Math.max(latest ?? atom.at, atom.at),
    undefined,
  );
  const given = state.atoms.filter(
    (atom): atom is GrantAtom => atom.t === 'grant' && atom.type === 'consent_granted' && isAboutSignal(atom),
  );
  const consents =
    signalAt === undefined
      ? []
      : given.filter(
          (atom) => atom.lifts === 'any' && atom.at > signalAt && consentStatus(state, atom, at) === 'active',
        );
  const ended =
    signalAt === undefined
      ? []
      : given.filter((atom) => atom.at <= signalAt && consentStatus(state, atom, signalAt - 1) === 'active');
  const isInForce = inForce(state, at).denials.some(({ denial }) => denial.type === 'gpc_received');
  const asks = policy.optOutSignal.afterConsent === 'ask';
  const { signalIgnoredAt } = factsAt(state, at);
  const isAnswered = signalIgnoredAt !== undefined && signalAt !== undefined && signalIgnoredAt > signalAt;
  return {
    isRecorded: consents.length > 0 ? !asks : !isInForce,
    isInForce,
    consents,
    isOpen: asks && consents.length > 0 && !isAnswered,
    endedConsentAt: ended.length === 0 ? undefined : Math.max(...ended.map((atom) => atom.at)),
  };
}
