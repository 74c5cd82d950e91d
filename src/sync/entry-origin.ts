import type { SyncedBinding } from '../core/sync-state.js';
import type { ReadBackEntry } from './destination.js';

/** How far (ms) a provider's clock and the time of our call may be apart. */
const SAME_TIME = 2 * 60_000;

/**
 * Whether an entry found at a provider is the one we put there: only such a one may be lifted. `isUncertain`: a call whose
 * outcome is not known may have put it there. `liftedAt`: when a lift was last begun (ms).
 */
export function isOurEntry(
  entry: ReadBackEntry,
  synced: SyncedBinding | undefined,
  liftedAt: number | undefined,
  isUncertain: boolean,
): boolean {
  const suppressed = synced?.suppressed === true;
  if (entry.kind === 'bounced' || entry.kind === 'complained') {
    // Some lists know no other kind (Amazon SES): then its time is that of our call.
    return suppressed && entry.at !== undefined && Math.abs(entry.at - synced.at) <= SAME_TIME;
  }
  // A lift may have taken place though its answer was lost; what is there since then was put there by somebody else.
  if (suppressed && liftedAt !== undefined && liftedAt > synced.at && (entry.at ?? 0) > liftedAt + SAME_TIME)
    return false;
  return suppressed || isUncertain;
}

/**
 * Whether an entry came after a lift that took place at `liftedAt` (ms): somebody said no there. Without the provider's
 * time it counts as if it did, because an opt-out must not be lost.
 */
export function isNewer(entry: ReadBackEntry, liftedAt: number): boolean {
  return entry.at === undefined || entry.at > liftedAt - SAME_TIME;
}
