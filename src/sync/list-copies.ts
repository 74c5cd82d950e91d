import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock } from '../core/clock.js';
import { acceptsType, desiredState } from '../core/desired.js';
import { fold } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import type { Contacts } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { Binding, BoundDestination, Entry } from './destination.js';
import { entryFor } from './task.js';

/** Contacts read at once. */
const PAGE = 500;

/**
 * Sees to it that a list which is kept as a copy is the one that the store knows. A folder that was lost, emptied or
 * brought back from elsewhere has another id, or none: it is written anew from the store before anything is added to it,
 * and publishes nothing until it is whole.
 */
export function createListCopies(parts: {
  readonly contacts: Contacts;
  readonly states: DestinationStates;
  readonly privateParts: PrivateParts;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly log: Logger;
}) {
  const { contacts, states, privateParts, policy, clock, log } = parts;

  /** All that the bindings of one list should hold by what the store knows now. */
  async function* entriesOf(bound: BoundDestination, bindings: readonly Binding[]): AsyncGenerator<Entry> {
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

  return {
    /** Rejects where a list cannot be made whole: nothing may be added to it then. */
    async ensure(bound: BoundDestination, signal: AbortSignal): Promise<void> {
      const { copy } = bound.destination;
      if (!copy) return;
      const { lists = {} } = await states.get(bound.name);
      for (const list of new Set(bound.bindings.map(copy.listOf))) {
        const bindings = bound.bindings.filter((binding) => copy.listOf(binding) === list);
        const [binding] = bindings;
        if (!binding) continue;
        const known = lists[list];
        if (known !== undefined && known === (await copy.idOf(binding))) continue;
        if (known !== undefined) {
          log.warn(
            { destination: bound.name, list },
            'the list is not where it was: it is written anew from the store',
          );
        }
        const id = randomBytes(8).toString('hex');
        await copy.replace(binding, id, entriesOf(bound, bindings), signal);
        await states.rememberList(bound.name, list, id);
      }
    },
  };
}
