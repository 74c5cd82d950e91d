import type { AliasGroup, AliasGroupOf } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import { normaliseContact } from '../core/contact-point.js';
import { stateOf } from '../core/contact-state.js';
import { nextChange } from '../core/decide.js';
import { pendingSyncsOf, type SyncTarget } from '../core/desired.js';
import { HushError } from '../core/errors.js';
import { fold } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { EVERYTHING, type Scope, scopeText, wholeScope } from '../core/scope.js';
import { MissingKeyError } from '../core/seal.js';
import type { Contact, Contacts, Projection, StoredEvent } from '../store/contacts.js';
import type { Ledger, LedgerEntry } from '../store/ledger.js';
import { addressOf } from './contact-address.js';
import { inOrderOfRecording, privateIntake } from './erasure-gate.js';
import type { PrivateParts } from './private-part.js';

interface Work {
  readonly contact: Contact;
  readonly entries: LedgerEntry[];
  readonly fresh: LedgerEntry[];
  readonly projection: Projection;
}

/** Overflowing events a round takes: a contact that was written to faster than we project is caught up in steps. */
const MAX_OVERFLOW = 1000;

/** A change of many scopes, or one that time or the configuration brought, may be about anything. */
const MANY_SCOPES = 10;

/** A data key is there and does not open under a root key that we have. */
class BrokenSeal extends Error {
  override name = 'BrokenSeal';
}

function changedScopes(events: readonly StoredEvent[]): Scope[] {
  const scopes = new Map(events.map(({ scope }) => [scopeText(wholeScope(scope)), wholeScope(scope)]));
  return scopes.size === 0 || scopes.size > MANY_SCOPES ? [EVERYTHING] : [...scopes.values()];
}

const STATE = { state: 1, pending: 1, overflow: 1, country: 1, type: 1 } as const;

/** Keys of the other spellings of these contacts, without those that are being projected anyway. */
function othersOf(work: readonly Work[], projected: readonly Contact[]): Buffer[] {
  const others = work.flatMap(({ contact }) => (contact.others ?? []).map(({ key }) => key));
  const keys = new Map(others.map((key) => [key.toString('hex'), key]));
  for (const { key } of projected) keys.delete(key.toString('hex'));
  return [...keys.values()];
}

/**
 * The projector: moves pending events into the ledger and folds them into the snapshot. It may crash anywhere and run
 * twice: (1) read, (2) number and insert into the ledger, (3) one update conditional on the revision read.
 */
export function createProjector(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly privateParts: PrivateParts;
  readonly policy: Policy;
  readonly configuration: string;
  readonly aliasGroupOf: AliasGroupOf;
  readonly clock: Clock;
  readonly destinations: readonly SyncTarget[];
  /** Told of destinations that have new marks, and of entries that are new in the ledger. */
  readonly onPending: (destinations: ReadonlySet<string>) => void;
  readonly onProjected?: (contacts: number, lagMs: number) => void;
  /** Told of a root key that contacts are sealed under and that this process lacks. */
  readonly onMissingKey?: (keyId: number) => void;
  /** Told of a contact whose data key does not open under any key: something changed it. */
  readonly onBrokenSeal?: (contact: Buffer) => void;
}) {
  const { contacts, ledger, privateParts, policy, configuration, clock, destinations } = parts;

  /** A contact's data key. Throws rather than have a new one made in the place of one that does not open. */
  function dataKeyOf(contact: Buffer, wrapped: Buffer): Buffer {
    const key = privateParts.unwrapKey(contact, wrapped);
    if (!key) throw new BrokenSeal();
    return key;
  }

  /** Re-seals an event's private part under the contact's data key and picks up the address. */
  function reseal(contact: Contact, dataKey: Buffer, event: StoredEvent): { event: StoredEvent; address?: Buffer } {
    if (!event.sealed) return { event };
    const part = privateParts.openPending(contact.key, event.sealed);
    if (!part) return { event };
    const { address, ...rest } = part;
    const { sealed: _sealed, ...open } = event;
    return {
      event: Object.keys(rest).length > 0 ? { ...open, sealed: privateParts.seal(dataKey, contact.key, rest) } : open,
      ...(address ? { address: privateParts.seal(dataKey, contact.key, { address }) } : {}),
    };
  }

  /** True when time or the configuration has changed what holds for a contact since it was last projected. */
  function isOutdated(contact: Contact): boolean {
    return contact.configuration !== configuration || (contact.wakeAt ?? Number.POSITIVE_INFINITY) <= clock.now();
  }

  /** False for a contact that another projector, or the sweep, has projected already: once more would be no change. */
  function isDue(contact: Contact): boolean {
    return contact.pending.length > 0 || contact.overflow > 0 || contact.touched || isOutdated(contact);
  }

  function plan(contact: Contact, known: ReadonlyMap<string, number> | undefined): Work {
    // A writer's retry says nothing new. Where the writer gave no time it has a later one than the first, which counts:
    // what the person decided in between stays decided.
    const pending = inOrderOfRecording(contact.pending);
    const events = pending.filter(({ id }) => (known?.get(id) ?? Number.POSITIVE_INFINITY) > contact.entries);
    const state = fold(contact.state, events);
    const { admitted, erasing } = privateIntake(contact, events, state);
    let unwrapped: Buffer | undefined;
    let wrapped: Buffer | undefined;
    let address: Buffer | undefined;
    // A number that an interrupted projector left free is filled: numbers of a contact have no gap.
    const usedNumbers = new Set(known?.values());
    let number = contact.entries;
    const advance = () => {
      while (usedNumbers.has(number + 1)) number++;
    };
    const entries: LedgerEntry[] = [];
    const fresh: LedgerEntry[] = [];
    for (const event of events) {
      let stored: StoredEvent = event;
      if (event.sealed && admitted.has(event.id)) {
        unwrapped ??= contact.dataKey && dataKeyOf(contact.key, contact.dataKey);
        if (!unwrapped) {
          unwrapped = privateParts.newKey(contact.key, event.sealed);
          wrapped = privateParts.wrapKey(contact.key, unwrapped);
        }
        const sealed = reseal(contact, unwrapped, event);
        stored = sealed.event;
        if (sealed.address && !contact.address) address ??= sealed.address;
      } else if (event.sealed) {
        // Of an erased contact no address and no evidence is taken in; the opt-out itself counts.
        const { sealed: _sealed, ...open } = event;
        stored = open;
      }
      const at = known?.get(event.id);
      if (at === undefined) {
        advance();
        number++;
      }
      const entry = { key: contact.key, number: at ?? number, event: stored };
      entries.push(entry);
      if (at === undefined) fresh.push(entry);
    }
    advance();
    const now = clock.now();
    const hasAddress = address !== undefined || contact.address !== undefined;
    const since = Math.min(now, ...events.map((event) => event.recorded / 1024));
    const change = { contact, state, version: contact.rev + 1, since, hasAddress };
    const pendingSyncs = pendingSyncsOf(change, destinations, { policy, now });
    const wakeAt = nextChange(stateOf({ state, pending: [] }, contact.others), now, policy);
    return {
      contact,
      entries,
      fresh,
      projection: {
        key: contact.key,
        rev: contact.rev,
        state,
        entries: number,
        movedIds: pending.map(({ id }) => id),
        scopes: changedScopes(events),
        overflow: contact.more ? undefined : contact.overflow,
        pendingSyncs,
        keyedOnly: !hasAddress,
        erasing: erasing && (contact.dataKey ?? wrapped) !== undefined,
        changed: events.length > 0 || contact.touched || isOutdated(contact),
        configuration,
        ...(wakeAt === undefined ? {} : { wakeAt }),
        ...(wrapped ? { dataKey: wrapped } : {}),
        ...(address ? { address } : {}),
      },
    };
  }

  /** The plan for a contact; undefined for one that this process cannot open, which stays as it is. */
  function planIfOpen(contact: Contact, known: ReadonlyMap<string, number> | undefined): Work | undefined {
    try {
      return plan(contact, known);
    } catch (error) {
      if (error instanceof MissingKeyError) parts.onMissingKey?.(error.keyId);
      else if (error instanceof BrokenSeal) parts.onBrokenSeal?.(contact.key);
      else throw error;
      return undefined;
    }
  }

  /**
   * The group a contact belongs to under this configuration. What was appended with its address has it already; a contact
   * from before the policy said so is put into it when it is evaluated again.
   */
  function groupOf(contact: Contact): AliasGroup | undefined {
    const { type, given } = addressOf(privateParts, contact) ?? { type: contact.type, given: '' };
    if (type !== 'email' && type !== 'phone') return undefined;
    try {
      return parts.aliasGroupOf(normaliseContact(type === 'email' ? { email: given } : { phone: given }));
    } catch (error) {
      // Sealed under the rules of another day.
      if (error instanceof HushError) return undefined;
      throw error;
    }
  }

  /** Contacts put into the groups of this configuration, with the others there. Written first: two that move at once see each other. */
  async function regrouped(found: readonly Contact[]): Promise<{ contacts: Contact[]; moved: ReadonlySet<string> }> {
    const closed = new Set<Contact>();
    const moves = found.flatMap((contact) => {
      if (contact.configuration === configuration || contact.address === undefined) return [];
      try {
        const group = groupOf(contact);
        return group?.id === contact.aliasGroup ? [] : [{ key: contact.key, aliasGroup: group?.id, group }];
      } catch (error) {
        if (!(error instanceof MissingKeyError)) throw error;
        // A process with the key evaluates it.
        parts.onMissingKey?.(error.keyId);
        closed.add(contact);
        return [];
      }
    });
    const open = found.filter((contact) => !closed.has(contact));
    if (moves.length === 0) return { contacts: open, moved: new Set() };
    await contacts.setAliasGroups(moves);
    const shared = await contacts.findShared(moves, { aliasGroup: 1, ...STATE });
    return {
      moved: new Set(moves.map(({ key }) => key.toString('hex'))),
      contacts: open.map((contact) => {
        const id = contact.key.toString('hex');
        const others = shared.get(id)?.others;
        return others ? { ...contact, others } : contact;
      }),
    };
  }

  /** Contacts this process projects at the moment: two at once would do the same work and one of them in vain. */
  const busy = new Set<string>();

  async function projectThese(keys: readonly Buffer[]): Promise<{ more: Buffer[]; unopened: number }> {
    const read = [...(await contacts.find(keys, undefined, MAX_OVERFLOW)).values()].filter(isDue);
    if (read.length === 0) return { more: [], unopened: 0 };
    const { contacts: found, moved } = await regrouped(read);
    const pairs = found
      .filter((c) => c.pending.length > 0)
      .map((c) => ({ key: c.key, ids: c.pending.map(({ id }) => id) }));
    const known = await ledger.findIds(pairs);
    let work = found.flatMap((contact) => planIfOpen(contact, known.get(contact.key.toString('hex'))) ?? []);
    const unopened = read.length - work.length;
    let raced = await ledger.insert(work.flatMap(({ fresh }) => fresh));
    const done = work.filter(({ contact }) => !raced.has(contact.key.toString('hex')));
    if (raced.size > 0) {
      // What another projector has moved, perhaps before it was killed, keeps its numbers; ours go on from there.
      const racedContacts = found.filter(({ key }) => raced.has(key.toString('hex')));
      const moved = await ledger.beyond(racedContacts);
      work = racedContacts.flatMap((contact) => {
        const id = contact.key.toString('hex');
        return planIfOpen(contact, new Map([...(known.get(id) ?? []), ...(moved.get(id) ?? [])])) ?? [];
      });
      raced = await ledger.insert(work.flatMap(({ fresh }) => fresh));
      done.push(...work.filter(({ contact }) => !raced.has(contact.key.toString('hex'))));
    }
    // Before what they are touched for is no more pending: a crash in between leaves them touched twice, never not at all.
    const touched = othersOf(
      done.filter(({ contact, entries }) => entries.length > 0 || moved.has(contact.key.toString('hex'))),
      read,
    );
    await contacts.touch(touched);
    if (done.length > 0) await contacts.project(done.map(({ projection }) => projection));
    const oldest = Math.min(...done.flatMap(({ entries }) => entries.map(({ event }) => event.recorded / 1024)));
    if (Number.isFinite(oldest)) parts.onProjected?.(done.length, Math.max(0, clock.now() - oldest));
    for (const { contact, projection } of done) {
      if (contact.overflow > 0) await contacts.dropOverflow(contact.key, projection.movedIds);
    }
    const pendingDestinations = new Set(
      done.flatMap(({ projection }) => projection.pendingSyncs.map(({ destination }) => destination)),
    );
    if (pendingDestinations.size > 0) parts.onPending(pendingDestinations);
    const more = done.flatMap(({ contact }) => (contact.more ? [contact.key] : []));
    return { more: [...more, ...touched], unopened };
  }

  return {
    /**
     * Projects the given contacts; one that has more pending than a round takes is projected until nothing is left. Those
     * that somebody else changed meanwhile stay dirty and come again. Returns how many this process could not open.
     */
    async project(keys: readonly Buffer[]): Promise<number> {
      let unopened = 0;
      const mine = keys.filter((key) => !busy.has(key.toString('hex')));
      for (const key of mine) busy.add(key.toString('hex'));
      try {
        for (let left: readonly Buffer[] = mine; left.length > 0; ) {
          const round = await projectThese(left);
          left = round.more;
          unopened += round.unopened;
        }
        return unopened;
      } finally {
        for (const key of mine) busy.delete(key.toString('hex'));
      }
    },
  };
}

export type Projector = ReturnType<typeof createProjector>;
