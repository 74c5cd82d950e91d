import { denialScopes } from './atoms.js';
import type { ContactType } from './contact-point.js';
import { type ContactState, stateOf } from './contact-state.js';
import { type Decision, decide } from './decide.js';
import type { ContactEvent } from './event.js';
import { fold, presentAt, type State } from './fold.js';
import type { Policy } from './policy.js';
import { covers, type QueryScope } from './scope.js';
import type { NewPendingSync, PendingSync, SyncedState } from './sync-state.js';

/** A scope tied to a list at a destination: whom the decision denies is suppressed there. */
export interface ScopedBinding {
  /** Unique within its destination; part of the synced state, so never renamed. */
  readonly name: string;
  readonly scope: QueryScope;
}

/** What the rules need to know of a destination. */
export interface SyncTarget {
  readonly name: string;
  readonly bindings: readonly ScopedBinding[];
  readonly destination: {
    /** Types of contact that it knows. */
    readonly accepts: readonly ContactType[];
    /** True for an ad platform: it finds one person behind all spellings of a mailbox, so one that is denied keeps all out. */
    readonly matchesMailboxes?: boolean;
  };
}

/** What is known of a contact and of what was synced of it. */
export interface SyncContact extends ContactState {
  readonly pendingSyncs: readonly PendingSync[];
  readonly synced: Readonly<Record<string, SyncedState>>;
  /** Something was said for another spelling since it was last projected. */
  readonly touched: boolean;
}

/** The decision for each binding, by its name. */
export type Desired = ReadonlyMap<string, Decision>;

export interface DesiredContext {
  readonly policy: Policy;
  /** ms */
  readonly now: number;
}

/** What the decision function says for each binding, leaving the hour of the day out. */
export function desiredState(
  state: State,
  bindings: readonly ScopedBinding[],
  { policy, now, country }: DesiredContext & { readonly country?: string | undefined },
): Desired {
  const at = presentAt(state, now);
  const context = { policy, ignoreQuietHours: true, ...(country ? { country } : {}) };
  return new Map(
    bindings.map(({ name, scope: { brand, channel, purpose, topic } }) => [
      name,
      decide(state, { brand, channel, purpose, topic, at }, context),
    ]),
  );
}

/** The desired state of a contact at a destination: for an ad platform the most restrictive of all spellings. */
export function desiredAt(
  { bindings, destination }: Pick<SyncTarget, 'bindings' | 'destination'>,
  contact: ContactState,
  context: DesiredContext,
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
  binding: ScopedBinding,
  at: number,
  context: DesiredContext & { readonly country?: string | undefined },
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

/** True when the destination has not what is desired. */
export function differs(desired: Desired, synced: SyncedState | undefined): boolean {
  return [...desired].some(([name, decision]) => syncedAsSuppressed(synced, name) === decision.allowed);
}

export function acceptsType({ destination }: Pick<SyncTarget, 'destination'>, type: ContactType): boolean {
  return destination.accepts.includes(type);
}

/** A contact at a new version. */
export interface Change {
  /** As it was, with what is pending. */
  readonly contact: SyncContact;
  /** Its own state from now on. */
  readonly state: State;
  readonly version: number;
  /** ms; when the oldest of what changed it was recorded, or now. */
  readonly since: number;
  /** False when only its keyed hash is left: nothing can be sent. */
  readonly hasAddress: boolean;
}

/**
 * The pending syncs that a change makes: one that is there stays, at the new version, and a destination that has not what is
 * desired gets one. The worker clears a pending sync only for the version it sent.
 */
export function pendingSyncsOf(
  change: Change,
  targets: readonly SyncTarget[],
  context: DesiredContext,
): NewPendingSync[] {
  return targets.flatMap((target) => pendingSyncOf(change, target, context) ?? []);
}

function pendingSyncOf(
  { contact, state, version, since, hasAddress }: Change,
  target: SyncTarget,
  context: DesiredContext,
): NewPendingSync | undefined {
  if (!acceptsType(target, contact.type)) return undefined;
  const { name: destination } = target;
  const due = context.now;
  // Without an event, its own or another spelling's, the configuration or the clock changed it, and that may concern
  // everybody at once.
  const backfill = contact.pending.length === 0 && !contact.touched;
  const current = contact.pendingSyncs.find((one) => one.destination === destination);
  if (current) {
    // Said again while a backfill waits: from now on somebody waits for it.
    const waitsSince = current.backfill && !backfill ? since : current.since;
    return { destination, version, due, since: waitsSince, backfill: backfill && current.backfill === true };
  }
  if (!hasAddress) return undefined;
  const desired = desiredAt(target, { ...contact, state, pending: [] }, context);
  const synced = contact.synced[destination];
  const isParked = synced?.parked?.desired === desiredText(desired);
  return differs(desired, synced) && !isParked ? { destination, version, due, since, backfill } : undefined;
}

/** The bindings that an event of a contact of this type concerns. */
export function concernedBindings(
  event: ContactEvent,
  type: ContactType,
  targets: readonly SyncTarget[],
): { readonly destination: string; readonly name: string }[] {
  const scopes = denialScopes(event);
  return targets
    .filter((target) => acceptsType(target, type))
    .flatMap(({ name: destination, bindings }) =>
      bindings
        .filter(({ scope }) => scopes.some((one) => covers(one, scope) || covers(scope, one)))
        .map(({ name }) => ({ destination, name })),
    );
}
