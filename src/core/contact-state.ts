import type { ContactType } from './contact-point.js';
import type { ContactEvent } from './event.js';
import { EMPTY_STATE, fold, joinStates, type State } from './fold.js';

/** What decisions need to know of a contact. */
export interface ContactState {
  readonly type: ContactType;
  /** Jurisdiction that the address itself tells. */
  readonly country?: string;
  /** The snapshot. */
  readonly state: State;
  /** Accepted, and not in the snapshot yet. */
  readonly pending: readonly ContactEvent[];
  /** The other spellings of its mailbox or number; absent where they were not asked for. */
  readonly others?: readonly ContactState[];
}

/** What is shared between spellings of one address: two forms of a phone number were always the same contact. */
export const sharedWith = (other: Pick<ContactState, 'type'>): 'denials' | 'all' =>
  other.type === 'phone' ? 'all' : 'denials';

/**
 * The state that decisions about a contact go by: all that was accepted for it, projected or not, and the denials of other
 * spellings of its mailbox.
 */
export function stateOf(
  contact: Pick<ContactState, 'state' | 'pending' | 'others'> | undefined,
  others: readonly ContactState[] = contact?.others ?? [],
): State {
  const own = contact ? fold(contact.state, contact.pending) : EMPTY_STATE;
  return others.reduce((state, other) => joinStates(state, fold(other.state, other.pending), sharedWith(other)), own);
}
