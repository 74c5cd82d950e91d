import { recordedAt } from '../core/clock.js';
import { concernedBindings, type SyncTarget } from '../core/desired.js';
import { contactPrefixOf, type EventId, parseEventId } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { unavailable, withTimeout } from '../store/connect.js';
import type { Contact, Contacts, StoredEvent } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { PrivateParts } from './private-part.js';

export interface Receipt {
  readonly id: string;
  readonly event: StoredEvent;
  readonly key: Buffer;
  readonly contact: Contact;
  readonly recordedAt: number;
  /** The id that whoever wrote the event gave it. */
  readonly writerId?: string;
  /** Number in the contact's ledger; absent while pending. */
  readonly number?: number;
  readonly destinations: readonly BindingStatus[];
}

/** What a binding of a destination knows of an event. */
export interface BindingStatus {
  readonly destination: string;
  readonly binding: string;
  readonly suppressed: boolean;
  readonly status: 'waiting' | 'accepted' | 'in_force' | 'parked';
  /** ms */
  readonly at?: number;
}

interface ReceiptContext {
  readonly contacts: Pick<Contacts, 'get' | 'byPrefix'>;
  readonly ledger: Pick<Ledger, 'byId'>;
  readonly destinations: readonly SyncTarget[];
  readonly privateParts: Pick<PrivateParts, 'of'>;
  readonly machine: Pick<Machine, 'after'>;
}

/** What a binding knows of an event of a contact; `isPending` while the event is not in the ledger. */
export function bindingStatus(
  contact: Pick<Contact, 'synced' | 'pendingSyncs'>,
  event: Pick<StoredEvent, 'recorded'>,
  { destination, name: binding }: { readonly destination: string; readonly name: string },
  isPending: boolean,
): BindingStatus {
  const synced = contact.synced[destination];
  const syncedBinding = synced?.bindings[binding];
  if (synced?.parked) {
    const suppressed = syncedBinding?.suppressed ?? false;
    return { destination, binding, suppressed, status: 'parked', at: synced.parked.at };
  }
  const isWaiting = contact.pendingSyncs.some((one) => one.destination === destination && !one.reassert);
  if (syncedBinding && (syncedBinding.at >= recordedAt(event.recorded) || !isWaiting)) {
    const { suppressed, status, at } = syncedBinding;
    return { destination, binding, suppressed, status, at };
  }
  return { destination, binding, suppressed: false, status: isWaiting || isPending ? 'waiting' : 'in_force' };
}

function receiptOf(
  { destinations, privateParts }: ReceiptContext,
  contact: Contact,
  event: StoredEvent,
  number: number | undefined,
): Receipt {
  const writerId = privateParts.of(contact, event.sealed)?.writerId;
  return {
    id: `r_${event.id}`,
    ...(writerId === undefined ? {} : { writerId }),
    event,
    key: contact.key,
    contact,
    recordedAt: recordedAt(event.recorded),
    ...(number === undefined ? {} : { number }),
    destinations: concernedBindings(event, contact.type, destinations).map((binding) =>
      bindingStatus(contact, event, binding, number === undefined),
    ),
  };
}

async function inLedger(context: ReceiptContext, id: EventId): Promise<Receipt | undefined> {
  const entry = await context.ledger.byId(id);
  const contact = entry && (await context.contacts.get(entry.key));
  return contact && receiptOf(context, contact, entry.event, entry.number);
}

/** An event acknowledged a moment ago is still with its contact, which the id's first letters name. */
async function stillPending(context: ReceiptContext, id: EventId): Promise<Receipt | undefined> {
  for (const contact of await context.contacts.byPrefix(contactPrefixOf(id))) {
    const event = contact.pending.find((item) => item.id === id);
    if (event) return receiptOf(context, contact, event, undefined);
  }
  return undefined;
}

async function find(context: ReceiptContext, id: EventId): Promise<Receipt | undefined> {
  // The projector may move the event from its contact to the ledger between both looks.
  return (await inLedger(context, id)) ?? (await stillPending(context, id)) ?? (await inLedger(context, id));
}

/** What happened, when, by whom, and which destinations know. */
export function createReceipts(context: ReceiptContext) {
  return {
    /** The receipt under `r_…`, `e_…` or the bare number as read out by phone. Throws HushError `unavailable`. */
    async get(text: string): Promise<Receipt | undefined> {
      const id = parseEventId(text);
      if (!id) return undefined;
      try {
        return await withTimeout(context.machine, find(context, id));
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type Receipts = ReturnType<typeof createReceipts>;
