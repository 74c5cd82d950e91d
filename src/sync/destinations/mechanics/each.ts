import type { Entry, Sent } from '../../destination.js';
import { ProviderError } from '../../destination.js';

export type Parked = NonNullable<Sent['parked']>[number];

/**
 * Calls `work` for each item, at most `width` at a time, results in order. On a failure it starts nothing more and waits
 * for what is in flight, so that no call outlives the lease; then it throws the first failure.
 */
export async function each<T, R>(
  items: readonly T[],
  width: number,
  signal: AbortSignal,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const failures: unknown[] = [];
  let next = 0;
  const lane = async () => {
    while (failures.length === 0 && next < items.length) {
      const index = next++;
      const item = items[index];
      if (item === undefined) continue;
      try {
        if (signal.aborted) throw new ProviderError('unavailable', 'no answer before the deadline');
        results[index] = await work(item);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
  return results;
}

/** As `each`, for calls that name one address: what the provider refuses is parked, the others go on. */
export async function eachEntry(
  entries: readonly Entry[],
  width: number,
  signal: AbortSignal,
  work: (entry: Entry) => Promise<unknown>,
): Promise<Parked[]> {
  const outcomes = await each(entries, width, signal, async (entry): Promise<Parked | undefined> => {
    try {
      await work(entry);
      return undefined;
    } catch (error) {
      if (error instanceof ProviderError && error.fault === 'refused') return { ref: entry.ref, why: error.message };
      throw error;
    }
  });
  return outcomes.filter((outcome) => outcome !== undefined);
}

/** `in_force`, with what was parked if anything was. */
export function inForce(parked: readonly Parked[] = []): Sent {
  return parked.length > 0 ? { status: 'in_force', parked } : { status: 'in_force' };
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
