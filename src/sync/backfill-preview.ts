import type { Clock } from '../core/clock.js';
import { acceptsType, desiredAt, syncedAsSuppressed } from '../core/desired.js';
import type { Policy } from '../core/policy.js';
import type { Contacts } from '../store/contacts.js';
import type { BoundDestination } from './destination.js';

/** Contacts looked at with one query. */
const BATCH_SIZE = 500;

/** What would be synced to one binding. */
export interface Preview {
  readonly destination: string;
  readonly binding: string;
  suppress: number;
  lift: number;
  /** Denied, but their address was erased or never given: nothing can be synced. */
  withoutAddress: number;
}

/** Counts what would be synced to destinations under a configuration that may not be in force yet. Changes nothing. */
export async function previewBackfill(parts: {
  readonly contacts: Pick<Contacts, 'page'>;
  readonly destinations: readonly BoundDestination[];
  readonly policy: Policy;
  readonly clock: Clock;
  readonly onProgress?: (contacts: number) => void;
}): Promise<Preview[]> {
  const { contacts, destinations, policy, clock } = parts;
  const counts = destinations.map((bound) => ({
    bound,
    previews: new Map(
      bound.bindings.map(({ name }): [string, Preview] => [
        name,
        { destination: bound.name, binding: name, suppress: 0, lift: 0, withoutAddress: 0 },
      ]),
    ),
  }));
  let after: Buffer | undefined;
  for (;;) {
    const page = await contacts.page(after, BATCH_SIZE);
    for (const contact of page) {
      for (const { bound, previews } of counts) {
        if (!acceptsType(bound, contact.type)) continue;
        for (const [name, decision] of desiredAt(bound, contact, { policy, now: clock.now() })) {
          const preview = previews.get(name);
          if (!preview || syncedAsSuppressed(contact.synced[bound.name], name) !== decision.allowed) continue;
          if (contact.keyedOnly) preview.withoutAddress++;
          else if (decision.allowed) preview.lift++;
          else preview.suppress++;
        }
      }
    }
    parts.onProgress?.(page.length);
    after = page.at(-1)?.key;
    if (page.length < BATCH_SIZE) return counts.flatMap(({ previews }) => [...previews.values()]);
  }
}
