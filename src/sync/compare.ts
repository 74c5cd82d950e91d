import type { Decision } from '../core/decide.js';
import type { Contact } from '../store/contacts.js';
import type { Findings } from '../store/reconciliations.js';
import type { ReadBackEntry } from './destination.js';
import { isNewer } from './entry-origin.js';

/**
 * What a comparison finds of one contact.
 * - `in_step`: listed there, and denied here
 * - `missing_there`: we suppressed it, and it is not listed: synced again
 * - `unknown_here`: listed there by somebody else: becomes an opt-out here
 * - `still_there`: we lifted it, and it is still listed: lifted again
 * - `cannot_lift`: as that, where the provider offers no lift; no drift
 * - `keyed_only`: missing there, and its address was erased here: it cannot be synced; no drift
 * - `parked`: missing there because the provider refuses the address; no drift
 * - `waiting`: something is being synced, or was so lately that the list may be older; not compared
 * - `unreadable`: what is listed is no address
 * - `asserted`: where nothing can be read, a denial said again; no drift
 */
export type Finding =
  | 'in_step'
  | 'missing_there'
  | 'unknown_here'
  | 'still_there'
  | 'cannot_lift'
  | 'keyed_only'
  | 'parked'
  | 'waiting'
  | 'unreadable'
  | 'asserted';

/** The findings that are a difference, and are repaired. */
export const DRIFT: readonly Finding[] = ['missing_there', 'unknown_here', 'still_there'];

/** Findings over all bindings. */
export function totalsOf(found: Findings): Readonly<Record<string, number>> {
  const totals: Record<string, number> = {};
  for (const counts of Object.values(found)) {
    for (const [kind, count] of Object.entries(counts)) totals[kind] = (totals[kind] ?? 0) + count;
  }
  return totals;
}

/** Differences among findings. */
export function driftOf(found: Readonly<Record<string, number>>): number {
  return DRIFT.reduce((sum, kind) => sum + (found[kind] ?? 0), 0);
}

interface About {
  readonly destination: string;
  readonly binding: string;
  /** ms; what was synced later may be missing in the list that was read. */
  readonly settledBefore: number;
}

/** True while the list there need not agree yet: this binding is being synced, or was lately. */
function unsettled(contact: Contact, allowed: boolean, { destination, binding, settledBefore }: About): boolean {
  const synced = contact.synced[destination]?.bindings[binding];
  const pendingSync = contact.pendingSyncs.find((one) => one.destination === destination);
  const differs = (synced?.suppressed ?? false) === allowed;
  return (
    (pendingSync !== undefined && (differs || pendingSync.uncertainBindings?.includes(binding) === true)) ||
    (synced !== undefined && (synced.status === 'accepted' || synced.at > settledBefore))
  );
}

/** Of an entry that is listed there. `decision` is what holds here now; a contact nobody has heard of is undefined. */
export function findingOfListed(
  entry: ReadBackEntry,
  contact: Contact | undefined,
  decision: Decision,
  about: About & { readonly liftsNothing: boolean },
): Finding {
  if (!contact) return 'unknown_here';
  if (unsettled(contact, decision.allowed, about)) return 'waiting';
  if (!decision.allowed) return 'in_step';
  const synced = contact.synced[about.destination];
  const binding = synced?.bindings[about.binding];
  if (!binding) return 'unknown_here';
  // The lift was refused, and the refusal is kept with the contact.
  if (binding.suppressed) return synced?.parked ? 'parked' : 'still_there';
  if (about.liftsNothing && (entry.at === undefined || !isNewer(entry, binding.at))) return 'cannot_lift';
  return isNewer(entry, binding.at) ? 'unknown_here' : 'still_there';
}

/** What it means that a synced contact is not listed for a binding. Undefined when nothing is expected there. */
export function findingOfAbsent(contact: Contact, about: About): Finding | undefined {
  const synced = contact.synced[about.destination];
  if (synced?.bindings[about.binding]?.suppressed !== true) return undefined;
  if (contact.pending.length > 0 || unsettled(contact, false, about)) return 'waiting';
  if (!contact.address) return 'keyed_only';
  return synced.parked ? 'parked' : 'missing_there';
}
