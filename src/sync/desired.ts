import type { ContactType } from '../core/contact-point.js';
import { type Decision, decide } from '../core/decide.js';
import { fold, presentAt, type State } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { type Contact, type NewPendingSync, type SyncedState, stateOf } from '../store/contacts.js';
import type { Binding, Destination } from './destination.js';

/** A destination of the catalog with its adapter made. */
export interface BoundDestination {
  readonly name: string;
  readonly adapter: string;
  readonly role: 'processor' | 'third_party';
  readonly bindings: readonly Binding[];
  readonly destination: Destination;
  readonly reconcileHours?: number | undefined;
  readonly callsPerSecond?: number | undefined;
}

export type Desired = ReadonlyMap<string, Decision>;

/** What the decision function says for each binding, leaving the hour of the day out. */
export function desiredState(
  state: State,
  bindings: readonly Binding[],
  context: { readonly policy: Policy; readonly country?: string | undefined; readonly now: number },
): Desired {
  const { policy, country, now } = context;
  const at = presentAt(state, now);
  return new Map(
    bindings.map(({ name, scope }) => [
      name,
      decide(
        state,
        {
          brand: scope.brand,
          channel: scope.channel as never,
          purpose: scope.purpose as never,
          topic: scope.topic,
          at,
        },
        { policy, ignoreQuietHours: true, ...(country ? { country } : {}) },
      ),
    ]),
  );
}

/** The desired state of a contact at a destination: for an ad platform the most restrictive of all spellings. */
export function desiredAt(
  { bindings, destination }: Pick<BoundDestination, 'bindings' | 'destination'>,
  contact: Contact,
  context: { readonly policy: Policy; readonly now: number },
): Desired {
  const own = desiredState(stateOf(contact), bindings, { ...context, country: contact.country });
  if (!destination.matchesMailboxes) return own;
  const all = [contact, ...(contact.others ?? [])];
  const others = all.slice(1).map((other) => {
    const state = stateOf(
      other,
      all.filter((one) => one !== other),
    );
    return desiredState(state, bindings, { ...context, country: other.country });
  });
  return new Map(
    [...own].map(([name, decision]) => {
      const denied = others.map((desired) => desired.get(name)).find((one) => one?.allowed === false);
      return [name, decision.allowed && denied ? denied : decision];
    }),
  );
}

/**
 * Whether a binding is still allowed when an opt-out of its scope at `at` (ms) becomes known: a grant of the person may be
 * later than an entry found at a provider.
 */
export function allowedDespite(
  state: State,
  binding: Binding,
  at: number,
  context: { readonly policy: Policy; readonly country?: string | undefined; readonly now: number },
): boolean {
  const known = fold(state, [
    {
      id: '',
      type: 'opted_out',
      at,
      recorded: context.now * 1024,
      scope: binding.scope,
      source: { kind: 'reconciliation' },
    },
  ]);
  return desiredState(known, [binding], context).get(binding.name)?.allowed ?? false;
}

/** One text per desired state, to compare and to remember what was parked. */
export function desiredText(desired: Desired): string {
  return [...desired].map(([name, decision]) => `${name}=${decision.allowed ? 0 : 1}`).join(',');
}

export function syncedAsSuppressed(synced: SyncedState | undefined, binding: string): boolean {
  return synced?.bindings[binding]?.suppressed ?? false;
}

/** True when the destination was not told what is desired. */
export function differs(desired: Desired, synced: SyncedState | undefined): boolean {
  return [...desired].some(([name, decision]) => syncedAsSuppressed(synced, name) === decision.allowed);
}

export function acceptsType(accepts: readonly ContactType[], type: ContactType): boolean {
  return accepts.includes(type);
}

/**
 * Marks of a contact at a new version: a destination that is marked stays so, at the new version, and one whose desired
 * state is not what it was told is marked. The worker clears a mark only for the version it sent.
 */
export function createPlanPendingSyncs(parts: {
  readonly destinations: readonly BoundDestination[];
  readonly policy: Policy;
}) {
  return (
    contact: Contact,
    state: State,
    version: number,
    now: number,
    since: number,
    addressable: boolean,
  ): readonly NewPendingSync[] => {
    const standing = new Map(contact.pendingSyncs.map((pendingSync) => [pendingSync.destination, pendingSync]));
    // Without an event, its own or another spelling's, it is the configuration or the clock that changed, and that may concern
    // everybody at once.
    const backfill = contact.pending.length === 0 && !contact.touched;
    const projected = { ...contact, state, pending: [] };
    const pendingSyncs: NewPendingSync[] = [];
    for (const bound of parts.destinations) {
      const { name, destination } = bound;
      if (!acceptsType(destination.accepts, contact.type)) continue;
      const current = standing.get(name);
      if (current) {
        // Said anew while a backfill waits: from now on somebody waits for it.
        const waitingSince = current.backfill && !backfill ? since : current.since;
        pendingSyncs.push({
          destination: name,
          version,
          due: now,
          since: waitingSince,
          backfill: backfill && current.backfill === true,
        });
        continue;
      }
      if (!addressable) continue;
      const desired = desiredAt(bound, projected, { policy: parts.policy, now });
      const synced = contact.synced[name];
      if (differs(desired, synced) && synced?.parked?.desired !== desiredText(desired)) {
        pendingSyncs.push({ destination: name, version, due: now, since, backfill });
      }
    }
    return pendingSyncs;
  };
}

export type PlanPendingSyncs = ReturnType<typeof createPlanPendingSyncs>;
