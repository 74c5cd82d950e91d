import type { Catalog } from '../core/catalog.js';
import type { Clock } from '../core/clock.js';
import { recordedAt } from '../core/clock.js';
import type { ContactType } from '../core/contact-point.js';
import { stateOf } from '../core/contact-state.js';
import { desiredAt } from '../core/desired.js';
import { compareEvents } from '../core/event.js';
import { presentAt, type State } from '../core/fold.js';
import type { Policy } from '../core/policy.js';
import { type Scope, wholeScope } from '../core/scope.js';
import { consentStatus } from '../core/standing.js';
import { factsAt } from '../core/view.js';
import { addressOf, evidenceOf, maskedAddress } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import { unavailable } from '../store/connect.js';
import type { Contact, StoredEvent } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { BoundDestination } from '../sync/destination.js';
import { type MatrixGroup, matrixOf } from './matrix.js';

/** Something that happened to a contact. */
export interface Happening {
  readonly event: StoredEvent;
  readonly scope: Scope;
  readonly recordedAt: number;
  /** Absent while it waits to be numbered. */
  readonly number?: number;
  readonly actor?: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

export interface HeldConsent {
  readonly event: StoredEvent;
  readonly scope: Scope;
  /** The wording agreed to, where it was kept. */
  readonly wording?: string;
  readonly status: 'active' | 'lapsed' | 'ended';
}

/** What one destination knows of a contact, binding by binding. */
export interface Known {
  readonly destination: string;
  readonly binding: string;
  readonly desired: boolean;
  readonly told?: boolean;
  /** ms */
  readonly at?: number;
  readonly state: 'in_step' | 'waiting' | 'parked' | 'unaddressed';
  readonly detail?: string;
}

export interface PersonFile {
  readonly contact: Contact;
  readonly state: State;
  readonly masked: string;
  readonly relationship: string | undefined;
  readonly jurisdiction: string | undefined;
  readonly matrix: readonly MatrixGroup[];
  /** Of the page asked for, the newest first. */
  readonly history: readonly Happening[];
  /** Of all of the history. */
  readonly historyPages: number;
  readonly consents: readonly HeldConsent[];
  readonly known: readonly Known[];
}

/** Entries of a history that one page shows. */
const PAGE_SIZE = 500;

interface PersonFileParts {
  readonly ledger: Ledger;
  readonly privateParts: PrivateParts;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly destinations: readonly BoundDestination[];
  readonly clock: Clock;
}

async function historyOf(
  { ledger, privateParts }: Pick<PersonFileParts, 'ledger' | 'privateParts'>,
  contact: Contact,
  withEvidence: boolean,
): Promise<Happening[]> {
  const entries = await ledger.ofContact(contact.key);
  const numbered = new Set(entries.map(({ event }) => event.id));
  const pending = contact.pending.filter(({ id }) => !numbered.has(id)).map((event) => ({ event, number: undefined }));
  return [...entries, ...pending]
    .sort((a, b) => compareEvents(b.event, a.event))
    .map(({ event, number }) => {
      const part = withEvidence ? evidenceOf(privateParts, contact, event) : undefined;
      return {
        event,
        scope: wholeScope(event.scope),
        recordedAt: recordedAt(event.recorded),
        ...(number === undefined ? {} : { number }),
        ...part,
      };
    });
}

function wordingOf(
  { privateParts, catalog }: Pick<PersonFileParts, 'privateParts' | 'catalog'>,
  contact: Contact,
  event: StoredEvent,
): string | undefined {
  const stored = evidenceOf(privateParts, contact, event)?.evidence?.wording;
  if (typeof stored === 'string') return stored;
  const notice = catalog.notices.find(({ id, version }) => id === event.notice?.id && version === event.notice.version);
  return notice?.text;
}

function consentsOf(
  parts: Pick<PersonFileParts, 'clock' | 'privateParts' | 'catalog'>,
  contact: Contact,
  state: State,
  history: readonly Happening[],
): HeldConsent[] {
  const { clock } = parts;
  const now = presentAt(state, clock.now());
  return history
    .filter(({ event }) => event.type === 'consent_granted')
    .map(({ event, scope }) => {
      const wording = wordingOf(parts, contact, event);
      return {
        event,
        scope,
        status: consentStatus(state, event, now),
        ...(wording === undefined ? {} : { wording }),
      };
    });
}

function syncedStatesOf(parts: PersonFileParts, contact: Contact): Known[] {
  const { clock, privateParts, policy } = parts;
  const now = clock.now();
  const addressable = addressOf(privateParts, contact) !== undefined;
  return parts.destinations
    .filter(({ destination }) => destination.accepts.includes(contact.type))
    .flatMap((bound) => {
      const { name, bindings } = bound;
      const desired = desiredAt(bound, contact, { policy, now });
      const synced = contact.synced[name];
      const pendingSync = contact.pendingSyncs.find((item) => item.destination === name && !item.reassert);
      return bindings.map((binding): Known => {
        const wanted = desired.get(binding.name)?.allowed === false;
        const known = synced?.bindings[binding.name];
        const base = {
          destination: name,
          binding: binding.name,
          desired: wanted,
          ...(known ? { told: known.suppressed, at: known.at } : {}),
        };
        if (synced?.parked) return { ...base, state: 'parked', detail: synced.parked.why };
        if (pendingSync || contact.pending.length > 0) return { ...base, state: 'waiting' };
        if (!addressable && (known?.suppressed ?? false) !== wanted) return { ...base, state: 'unaddressed' };
        return { ...base, state: 'in_step' };
      });
    });
}

/** @param page of the history, from 1 */
async function readPersonFile(
  parts: PersonFileParts,
  contact: Contact,
  withEvidence: boolean,
  page = 1,
): Promise<PersonFile> {
  const { clock, privateParts, catalog, policy } = parts;
  try {
    const state = stateOf(contact);
    const history = await historyOf(parts, contact, withEvidence);
    const facts = factsAt(state, presentAt(state, clock.now()));
    return {
      contact,
      state,
      masked: maskedAddress(privateParts, contact),
      relationship: facts.relationship,
      jurisdiction: facts.jurisdiction ?? contact.country,
      matrix: matrixOf({ catalog, policy, state, country: contact.country, now: clock.now() }),
      history: history.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE),
      historyPages: Math.max(1, Math.ceil(history.length / PAGE_SIZE)),
      consents: consentsOf(parts, contact, state, history),
      known: syncedStatesOf(parts, contact),
    };
  } catch (error) {
    throw unavailable(error);
  }
}

/** Everything the console shows of one contact. Nothing here is logged: whoever shows it writes the look down first. */
export function createPersonFiles(parts: PersonFileParts) {
  const { privateParts } = parts;

  return {
    read: (contact: Contact, withEvidence: boolean, page?: number) =>
      readPersonFile(parts, contact, withEvidence, page),

    masked: (contact: Contact): string => maskedAddress(privateParts, contact),
    address: (contact: Contact): { type: ContactType; given: string } | undefined => addressOf(privateParts, contact),
    evidence: (contact: Contact, event: StoredEvent) => evidenceOf(privateParts, contact, event),
  };
}

export type PersonFiles = ReturnType<typeof createPersonFiles>;
