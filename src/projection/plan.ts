import { stateOf } from '../core/contact-state.js';
import { nextChange } from '../core/decide.js';
import { pendingSyncsOf, type SyncTarget } from '../core/desired.js';
import { fold } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { EVERYTHING, type Scope, scopeText, wholeScope } from '../core/scope.js';
import { inOrderOfRecording, privateIntake } from '../preferences/erasure-gate.js';
import type { Contact, Projection, StoredEvent } from '../store/contacts.js';
import type { LedgerEntry } from '../store/ledger.js';
import { resealed, type SealingParts } from './reseal.js';

/** What a plan goes by besides the contact. */
export interface PlanContext {
  readonly privateParts: SealingParts;
  readonly policy: Policy;
  /** Hash of catalog and policy. */
  readonly configuration: string;
  readonly destinations: readonly SyncTarget[];
  /** ms */
  readonly now: number;
}

/** What projecting one contact is. */
export interface Plan {
  readonly contact: Contact;
  /** All that moves into the snapshot, with their numbers in the ledger. */
  readonly entries: readonly LedgerEntry[];
  /** Those of them that the ledger has not. */
  readonly fresh: readonly LedgerEntry[];
  readonly projection: Projection;
}

/** Ledger entries by event id. */
export type KnownEntries = ReadonlyMap<string, LedgerEntry>;

/** A change of more scopes than this is said to be about everything. */
const MAX_SCOPES = 10;

/** True when time or the configuration has changed what holds for a contact since it was last projected. */
export function isOutdated(
  contact: Pick<Contact, 'configuration' | 'wakeAt'>,
  { configuration, now }: Pick<PlanContext, 'configuration' | 'now'>,
): boolean {
  return contact.configuration !== configuration || (contact.wakeAt ?? Number.POSITIVE_INFINITY) <= now;
}

/** False for a contact that another projector, or the sweep, has projected already: once more would change nothing. */
export function isDue(
  contact: Pick<Contact, 'pending' | 'overflow' | 'touched' | 'configuration' | 'wakeAt'>,
  context: Pick<PlanContext, 'configuration' | 'now'>,
): boolean {
  return contact.pending.length > 0 || contact.overflow > 0 || contact.touched || isOutdated(contact, context);
}

/** The scopes that events are about; everything where they are many, or where time or the configuration changed something. */
export function changedScopes(events: readonly Pick<StoredEvent, 'scope'>[]): Scope[] {
  const scopes = new Map(events.map(({ scope }) => [scopeText(wholeScope(scope)), wholeScope(scope)]));
  return scopes.size === 0 || scopes.size > MAX_SCOPES ? [EVERYTHING] : [...scopes.values()];
}

/**
 * Events with their numbers in the ledger. One that the ledger has keeps its number; a number that an interrupted projector
 * left free is filled, so that a contact's numbers have no gap. `last` is the highest that is used without a gap before it.
 */
export function numbered(
  contact: Pick<Contact, 'key' | 'entries'>,
  events: readonly StoredEvent[],
  known: KnownEntries,
): Pick<Plan, 'entries' | 'fresh'> & { readonly last: number } {
  const used = new Set([...known.values()].map(({ number }) => number));
  let last = contact.entries;
  const skipUsed = () => {
    while (used.has(last + 1)) last++;
  };
  const entries: LedgerEntry[] = [];
  const fresh: LedgerEntry[] = [];
  for (const event of events) {
    const number = known.get(event.id)?.number;
    if (number !== undefined) {
      entries.push({ key: contact.key, number, event });
      continue;
    }
    skipUsed();
    last++;
    const entry = { key: contact.key, number: last, event };
    entries.push(entry);
    fresh.push(entry);
  }
  skipUsed();
  return { entries, fresh, last };
}

/**
 * True while another spelling of its mailbox has something pending. Projected in the same round, that is no reason to touch
 * this contact again, but what holds for it is otherwise than before.
 */
function othersSaySomething({ others = [] }: Contact): boolean {
  return others.some(({ pending }) => pending.length > 0);
}

/**
 * A pending event as an interrupted projector has recorded it: of a writer's retries it may have met another one, with
 * another time, and what the ledger says is what counts. Still sealed as it is pending.
 */
function asRecorded(event: StoredEvent, recorded: StoredEvent | undefined): StoredEvent {
  if (!recorded) return event;
  const { sealed: _sealed, ...rest } = recorded;
  return event.sealed ? { ...rest, sealed: event.sealed } : rest;
}

/**
 * What projecting a contact is. Reads and writes nothing: whoever read the same contact plans the same, but for the bytes of
 * new seals.
 *
 * @param known those of its pending events, and of its entries beyond `contact.entries`, that the ledger has
 * @throws MissingKeyError, BrokenSealError where this process cannot open the contact
 */
export function planProjection(context: PlanContext, contact: Contact, known: KnownEntries = new Map()): Plan {
  const { policy, configuration, destinations, now } = context;
  // A writer's retry says nothing new. Without a time of the writer's it has a later one than the first, and the first counts:
  // what the person decided in between stays decided.
  const pending = inOrderOfRecording(contact.pending);
  // What is numbered within the snapshot is in the snapshot.
  const events = pending
    .filter(({ id }) => (known.get(id)?.number ?? Number.POSITIVE_INFINITY) > contact.entries)
    .map((event) => asRecorded(event, known.get(event.id)?.event));
  const state = fold(contact.state, events);
  const { admitted, erasing } = privateIntake(contact, events, state);
  // Asked for again, an erasure finds no data to destroy, and has the log forget what was said since the one before.
  const erasedNow = events.some(({ type }) => type === 'erased');
  const { events: stored, dataKey, address } = resealed(context.privateParts, contact, events, admitted);
  const { entries, fresh, last } = numbered(contact, stored, known);
  const hasAddress = address !== undefined || contact.address !== undefined;
  const since = Math.min(now, ...events.map((event) => event.recorded / 1024));
  const change = { contact, state, version: contact.rev + 1, since, hasAddress };
  const wakeAt = nextChange(stateOf({ state, pending: [] }, contact.others), now, policy);
  return {
    contact,
    entries,
    fresh,
    projection: {
      key: contact.key,
      rev: contact.rev,
      state,
      entries: last,
      movedIds: pending.map(({ id }) => id),
      scopes: changedScopes(events),
      overflow: contact.more ? undefined : contact.overflow,
      pendingSyncs: pendingSyncsOf(change, destinations, { policy, now }),
      keyedOnly: !hasAddress,
      erasing: erasing && (erasedNow || contact.erasing || (contact.dataKey ?? dataKey) !== undefined),
      changed: events.length > 0 || contact.touched || isOutdated(contact, context) || othersSaySomething(contact),
      configuration,
      ...(wakeAt === undefined ? {} : { wakeAt }),
      ...(dataKey ? { dataKey } : {}),
      ...(address ? { address } : {}),
    },
  };
}
