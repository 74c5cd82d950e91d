import type { Clock } from '../core/clock.js';
import { MissingKeyError } from '../core/seal.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import { isDue, type KnownEntries, type Plan, type PlanContext, planProjection } from './plan.js';
import { type RegroupContext, regrouped } from './regroup.js';
import { BrokenSealError } from './reseal.js';

/** Overflowing events a round takes: a contact that was written to faster than we project is caught up in steps. */
const MAX_OVERFLOW = 1000;
/** Times a contact is planned in one round: again when another projector was faster with the numbers. */
const MAX_PLANS = 2;

export interface ProjectionContext extends Omit<PlanContext, 'now'>, RegroupContext {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly privateParts: PrivateParts;
  readonly clock: Clock;
  /** Wakes whoever syncs to these destinations: they have new pending syncs. */
  readonly onPending: (destinations: ReadonlySet<string>) => void;
  readonly onProjected?: (contacts: number, lagMs: number) => void;
  /** A contact's data key does not open under any key: something changed it. */
  readonly onBrokenSeal?: (contact: Buffer) => void;
}

/** The plan for a contact; undefined for one that this process cannot open, which stays as it is. */
function planIfOpen(context: ProjectionContext, contact: Contact, known: KnownEntries | undefined): Plan | undefined {
  try {
    return planProjection({ ...context, now: context.clock.now() }, contact, known);
  } catch (error) {
    if (error instanceof MissingKeyError) context.onMissingKey?.(error.keyId);
    else if (error instanceof BrokenSealError) context.onBrokenSeal?.(contact.key);
    else throw error;
    return undefined;
  }
}

/**
 * Plans contacts and inserts what is new into the ledger. What another projector has moved meanwhile, perhaps before it was
 * killed, keeps its numbers; ours go on from there. A contact that loses twice stays dirty and comes again.
 */
async function insertPlanned(
  context: ProjectionContext,
  found: readonly Contact[],
): Promise<{ done: Plan[]; unopened: number }> {
  const { ledger } = context;
  const pending = found.filter((contact) => contact.pending.length > 0);
  const known = await ledger.findIds(
    pending.map(({ key, pending: events }) => ({ key, ids: events.map(({ id }) => id) })),
  );
  const done: Plan[] = [];
  let unopened = 0;
  let left = found;
  for (let planned = 0; planned < MAX_PLANS && left.length > 0; planned++) {
    if (planned > 0) {
      for (const [id, moved] of await ledger.beyond(left)) known.set(id, new Map([...(known.get(id) ?? []), ...moved]));
    }
    const plans = left.flatMap((contact) => planIfOpen(context, contact, known.get(contact.key.toString('hex'))) ?? []);
    unopened += left.length - plans.length;
    const raced = await ledger.insert(plans.flatMap(({ fresh }) => fresh));
    done.push(...plans.filter(({ contact }) => !raced.has(contact.key.toString('hex'))));
    left = left.filter(({ key }) => raced.has(key.toString('hex')));
  }
  return { done, unopened };
}

/** Keys of the other spellings of these contacts, without those that are being projected anyway. */
function othersOf(plans: readonly Plan[], projected: readonly Contact[]): Buffer[] {
  const others = plans.flatMap(({ contact }) => (contact.others ?? []).map(({ key }) => key));
  const keys = new Map(others.map((key) => [key.toString('hex'), key]));
  for (const { key } of projected) keys.delete(key.toString('hex'));
  return [...keys.values()];
}

function report({ clock, onProjected, onPending }: ProjectionContext, done: readonly Plan[]): void {
  const oldest = Math.min(...done.flatMap(({ entries }) => entries.map(({ event }) => event.recorded / 1024)));
  if (Number.isFinite(oldest)) onProjected?.(done.length, Math.max(0, clock.now() - oldest));
  const pending = done.flatMap(({ projection }) => projection.pendingSyncs.map(({ destination }) => destination));
  if (pending.length > 0) onPending(new Set(pending));
}

/**
 * Drops the overflow of planned contacts that is in their snapshots. Where another projector was faster, what we moved is in the
 * ledger and perhaps not in its snapshot yet: then the overflow is all that decisions have of it.
 */
async function dropOverflow(
  { contacts }: ProjectionContext,
  done: readonly Plan[],
  areAllWritten: boolean,
): Promise<void> {
  const hot = done.filter(({ contact }) => contact.overflow > 0);
  if (hot.length === 0) return;
  const stored = areAllWritten ? undefined : await contacts.entriesOf(hot.map(({ contact }) => contact.key));
  for (const { contact, projection } of hot) {
    const entries = stored ? (stored.get(contact.key.toString('hex')) ?? 0) : projection.entries;
    if (entries >= projection.entries) await contacts.dropOverflow(contact.key, projection.movedIds);
  }
}

/**
 * One round: (1) read, (2) number and insert into the ledger, (3) one update of each contact, conditional on the revision
 * read. It may crash anywhere and run twice.
 *
 * @returns `more`: contacts to project next; `unopened`: how many this process could not open
 */
async function projectRound(
  context: ProjectionContext,
  keys: readonly Buffer[],
): Promise<{ more: Buffer[]; unopened: number }> {
  const { contacts, configuration, clock } = context;
  const read = [...(await contacts.find(keys, undefined, MAX_OVERFLOW)).values()].filter((contact) =>
    isDue(contact, { configuration, now: clock.now() }),
  );
  if (read.length === 0) return { more: [], unopened: 0 };
  const { contacts: found, moved } = await regrouped(context, read);
  const { done, unopened } = await insertPlanned(context, found);
  const changed = done.filter(({ contact, entries }) => entries.length > 0 || moved.has(contact.key.toString('hex')));
  // Before what they are touched for leaves `pending`: after a crash in between they are touched twice, never not at all.
  const touched = othersOf(changed, read);
  await contacts.touch(touched);
  const count = done.length > 0 ? await contacts.project(done.map(({ projection }) => projection)) : 0;
  await dropOverflow(context, done, count === done.length);
  report(context, done);
  const more = done.flatMap(({ contact }) => (contact.more ? [contact.key] : []));
  return { more: [...more, ...touched], unopened: unopened + read.length - found.length };
}

/** The projector: moves pending events into the ledger and folds them into the snapshot. */
export function createProjector(context: ProjectionContext) {
  /** Contacts that this process projects at the moment, and when it is done: two at once would do the same work in vain. */
  const busy = new Map<string, Promise<unknown>>();

  async function projectAll(keys: readonly Buffer[]): Promise<number> {
    let unopened = 0;
    for (let left = keys; left.length > 0; ) {
      const round = await projectRound(context, left);
      left = round.more;
      unopened += round.unopened;
    }
    return unopened;
  }

  /**
   * Projects the given contacts; one that has more pending than a round takes is projected until nothing is left. Those
   * that are being projected already are waited for and looked at again: something may have been appended since they were
   * read. Those that another process changed meanwhile stay dirty and come again. Returns how many this process could not
   * open.
   */
  async function project(keys: readonly Buffer[]): Promise<number> {
    const waited = keys.filter((key) => busy.has(key.toString('hex')));
    const others = waited.map((key) => busy.get(key.toString('hex')));
    const mine = keys.filter((key) => !busy.has(key.toString('hex')));
    const work = projectAll(mine).finally(() => {
      for (const key of mine) busy.delete(key.toString('hex'));
    });
    for (const key of mine) busy.set(key.toString('hex'), work);
    const unopened = await work;
    if (waited.length === 0) return unopened;
    // What failed is its caller's to say; the contact is looked at again in any case.
    await Promise.allSettled(others);
    return unopened + (await project(waited));
  }

  return { project };
}

export type Projector = ReturnType<typeof createProjector>;
