import { acceptsType, desiredState } from '../core/desired.js';
import { fold } from '../core/fold.js';
import { MissingKeyError } from '../core/seal.js';
import { addressOf } from '../preferences/contact-address.js';
import type { SyncContext } from './context.js';
import { type Binding, type BoundDestination, type Entry, ProviderError } from './destination.js';
import { entryFor } from './task.js';

/** Contacts read at once. */
const PAGE = 500;
/** A list that cannot be made whole is tried so many times as often as refused credentials. */
const COPY_RETRIES_A_PAUSE = 12;

/** All that the bindings of one list should hold by what the store knows now. */
async function* entriesOf(
  { contacts, privateParts, policy, clock }: SyncContext,
  bound: BoundDestination,
  bindings: readonly Binding[],
): AsyncGenerator<Entry> {
  for (let page = await contacts.page(undefined, PAGE); page.length > 0; ) {
    for (const contact of page) {
      if (!acceptsType(bound, contact.type)) continue;
      const state = fold(contact.state, contact.pending);
      const desired = desiredState(state, bindings, { policy, country: contact.country, now: clock.now() });
      const denied = [...desired.values()].find((decision) => !decision.allowed);
      const address = denied && addressOf(privateParts, contact)?.given;
      if (address !== undefined) yield entryFor(contact, address, denied);
    }
    page = await contacts.page(page.at(-1)?.key, PAGE);
  }
}

async function ensureCopies(context: SyncContext, bound: BoundDestination): Promise<void> {
  const { copy } = bound.destination;
  if (!copy) return;
  const { states, log } = context;
  const { lists = {} } = await states.get(bound.name);
  for (const list of new Set(bound.bindings.map(copy.listOf))) {
    const bindings = bound.bindings.filter((binding) => copy.listOf(binding) === list);
    const [binding] = bindings;
    if (!binding) continue;
    const known = lists[list];
    if (known !== undefined && known === (await copy.idOf(binding))) continue;
    if (known !== undefined) {
      log.warn({ destination: bound.name, list }, 'the list is not where it was: it is written anew from the store');
    }
    const id = context.machine.randomBytes(8).toString('hex');
    await copy.replace(binding, id, entriesOf(context, bound, bindings), context.stopping);
    await states.rememberList(bound.name, list, id);
  }
}

/**
 * Sees to it that a list which is kept as a copy is the one that the store knows. A folder that was lost, emptied or
 * brought back from elsewhere has another id, or none: it is written anew from the store before anything is added to it,
 * and publishes nothing until it is whole.
 *
 * @returns false where a list cannot be made whole: nothing may be added to it. Its destination waits, and says why.
 */
export async function hasWholeCopies(context: SyncContext, bound: BoundDestination): Promise<boolean> {
  try {
    await ensureCopies(context, bound);
    return true;
  } catch (error) {
    const { states, clock, log, times } = context;
    const { name } = bound;
    if (error instanceof MissingKeyError) context.onMissingKey(error.keyId);
    else log.error({ err: error, destination: name }, 'a list cannot be written anew; what is to be sent waits');
    const isFault = error instanceof ProviderError;
    const why = isFault ? error.message : 'the list cannot be written anew; see the log';
    await states.fault(name, isFault ? error.fault : 'incomplete', why, clock.now());
    await states.waitUntil(name, clock.now() + times.credentialPause / COPY_RETRIES_A_PAUSE);
    return false;
  }
}
