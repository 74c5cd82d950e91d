import type { Accept } from './accept.js';
import type { Accepted, Draft } from './draft.js';

/**
 * Accepts every draft, or throws what went wrong with the first that failed: nobody says "done" for half of them. Those
 * that were accepted stay recorded, in order of the drafts.
 */
export async function acceptEach(accept: Pick<Accept, 'acceptAll'>, drafts: readonly Draft[]): Promise<Accepted[]> {
  const results = await accept.acceptAll(drafts);
  return results.map((result) => {
    if (result instanceof Error) throw result;
    return result;
  });
}
