import type { Clock } from '../core/clock.js';
import { recordedAt } from '../core/clock.js';
import { contactKeyText, contactPrefixOf, type EventId, parseEventId } from '../core/keys.js';
import { covers, GPC_PURPOSES, type Scope, wholeScope } from '../core/scope.js';
import { unavailable, withTimeout } from '../store/connect.js';
import type { Contact, Contacts, StoredEvent } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { BoundBindings } from './bound-bindings.js';
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
  readonly destinations: readonly {
    readonly destination: string;
    readonly binding: string;
    readonly suppressed: boolean;
    readonly status: 'waiting' | 'accepted' | 'in_force' | 'parked';
    readonly at?: number;
  }[];
}

/** Scopes an event is about, as far as destinations are concerned. */
function scopesOf(event: StoredEvent): Scope[] {
  if (event.type === 'gpc_received') return GPC_PURPOSES.map((purpose) => wholeScope({ purpose }));
  if (event.type === 'complained') return [wholeScope({ channel: 'email', purpose: 'marketing' })];
  return [wholeScope(event.scope)];
}

/** What happened, when, by whom, and which destinations know. */
export function createReceipts(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly bindings: BoundBindings;
  readonly privateParts: Pick<PrivateParts, 'of'>;
  readonly clock: Clock;
}) {
  const { contacts, ledger, bindings } = parts;

  async function inLedger(id: EventId): Promise<Receipt | undefined> {
    const entry = await ledger.byId(id);
    const contact = entry && (await contacts.get(entry.key));
    return contact && receiptOf(contact, entry.event, entry.number);
  }

  /** An event acknowledged a moment ago is still with its contact, which the id's first letters name. */
  async function pending(id: EventId): Promise<Receipt | undefined> {
    for (const contact of await contacts.byPrefix(contactPrefixOf(id))) {
      const event = contact.pending.find((item) => item.id === id);
      if (event) return receiptOf(contact, event, undefined);
    }
    return undefined;
  }

  async function find(id: EventId): Promise<Receipt | undefined> {
    // The projector may move the event from its contact to the ledger between both looks.
    return (await inLedger(id)) ?? (await pending(id)) ?? (await inLedger(id));
  }

  function receiptOf(contact: Contact, event: StoredEvent, number: number | undefined): Receipt {
    const scopes = scopesOf(event);
    const concerned = bindings.filter(
      ({ scope, accepts }) =>
        accepts.includes(contact.type) && scopes.some((s) => covers(s, scope) || covers(scope, s)),
    );
    const writerId = parts.privateParts.of(contact, event.sealed)?.writerId;
    return {
      id: `r_${event.id}`,
      ...(writerId === undefined ? {} : { writerId }),
      event,
      key: contact.key,
      contact,
      recordedAt: recordedAt(event.recorded),
      ...(number === undefined ? {} : { number }),
      destinations: concerned.map(({ destination, name }) => {
        const synced = contact.synced[destination];
        const syncedBinding = synced?.bindings[name];
        const waiting = contact.pendingSyncs.some(
          (pendingSync) => pendingSync.destination === destination && !pendingSync.reassert,
        );
        const seen = syncedBinding && syncedBinding.at >= recordedAt(event.recorded);
        if (synced?.parked)
          return {
            destination,
            binding: name,
            suppressed: syncedBinding?.suppressed ?? false,
            status: 'parked' as const,
            at: synced.parked.at,
          };
        if (syncedBinding && (seen || !waiting))
          return {
            destination,
            binding: name,
            suppressed: syncedBinding.suppressed,
            status: syncedBinding.status,
            at: syncedBinding.at,
          };
        return {
          destination,
          binding: name,
          suppressed: false,
          status: waiting || number === undefined ? ('waiting' as const) : ('in_force' as const),
        };
      }),
    };
  }

  return {
    /** The receipt under `r_…`, `e_…` or the bare number as read out by phone. */
    async get(text: string): Promise<Receipt | undefined> {
      const id = parseEventId(text);
      if (!id) return undefined;
      try {
        return await withTimeout(find(id));
      } catch (error) {
        throw unavailable(error);
      }
    },
    contactText: contactKeyText,
  };
}

export type Receipts = ReturnType<typeof createReceipts>;
