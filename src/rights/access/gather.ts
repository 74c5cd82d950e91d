import { type AccessSystem, type Catalog, say, topicById } from '../../core/catalog.js';
import { type Clock, recordedAt } from '../../core/clock.js';
import { stateOf } from '../../core/contact-state.js';
import { presentAt } from '../../core/fold.js';
import { contactKeyText } from '../../core/keys.js';
import type { Policy } from '../../core/policy.js';
import { type Scope, wholeScope } from '../../core/scope.js';
import { consentStatus, inForce } from '../../core/standing.js';
import { addressOf, evidenceOf } from '../../preferences/contact-address.js';
import type { PrivateParts } from '../../preferences/private-part.js';
import { matrixOf } from '../../staff/matrix.js';
import type { TrailStore } from '../../store/audit-trail.js';
import type { Contact, Contacts, StoredEvent } from '../../store/contacts.js';
import type { Ledger } from '../../store/ledger.js';

export const SECTIONS = [
  'contacts',
  'permissions',
  'consents',
  'events',
  'destinations',
  'requests',
  'letters',
  'looks',
  'systems',
] as const;
export type Section = (typeof SECTIONS)[number];

/** One thing we hold. `row` goes into the JSON as it is; times are RFC 3339. */
export interface PackageRow {
  readonly section: Section;
  readonly row: Readonly<Record<string, unknown>>;
}

/** What a system answered, or that it has not. */
export interface SystemResponse {
  readonly system: Pick<AccessSystem, 'name' | 'role' | 'about'>;
  readonly state: 'answered' | 'partial' | 'nothing_held' | 'not_answered' | 'refused';
  /** ms; when it answered. */
  readonly at?: number;
  /** ms; until when we waited. */
  readonly deadline: number;
  readonly data?: unknown;
}

/** A rights request as the package lists it. */
export interface RequestRow {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly way: string;
  readonly jurisdiction: string;
  /** ms */
  readonly receivedAt: number;
  readonly closedAt?: number;
  /** What was written with it: name, words, messages, notes, files. */
  readonly contents?: Readonly<Record<string, unknown>>;
}

const iso = (at: number): string => new Date(at).toISOString();
const PAGE = 500;

interface GatherParts {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly trail: Pick<TrailStore, 'list'>;
  readonly privateParts: PrivateParts;
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly clock: Pick<Clock, 'now'>;
  readonly requestsOf: (contacts: readonly Buffer[]) => Promise<readonly RequestRow[]>;
  readonly lettersOf: (
    request: string,
  ) => Promise<readonly { readonly kind: string; readonly at: number; readonly way: string }[]>;
}

interface GatherContext extends GatherParts {
  readonly labels: WeakMap<Contact, string>;
}

/** Opened once a contact, not once a row. */
function labelOf(context: GatherContext, contact: Contact): string {
  const { labels, privateParts } = context;
  const label = labels.get(contact) ?? readable(addressOf(privateParts, contact)) ?? contactKeyText(contact.key);
  labels.set(contact, label);
  return label;
}

function contactRow(context: GatherContext, contact: Contact): Record<string, unknown> {
  const state = stateOf(contact);
  const { atoms } = state;
  const { denials, restrictedAt, erasedAt, unreachable, registries, cadences } = inForce(
    state,
    presentAt(state, context.clock.now()),
  );
  const facts = atoms.filter((atom) => atom.t === 'fact').sort((a, b) => a.at - b.at);
  const address = addressOf(context.privateParts, contact);
  return {
    type: contact.type,
    address: readable(address) ?? null,
    kept: address ? 'readable' : 'hash_only',
    key: contactKeyText(contact.key),
    country: contact.country,
    linkedToOthers: contact.person !== undefined,
    facts: facts.map(({ fact, at }) => ({ ...fact, at: iso(at) })),
    reachability: [...unreachable].map(([channel, at]) => ({ channel, reachable: false, at: iso(at) })),
    standing: [
      ...denials.map(({ denial, except }) => ({
        type: denial.type,
        scope: denial.scope,
        ...(except.length > 0 ? { except } : {}),
        receipt: `r_${denial.id}`,
        at: iso(denial.at),
        ...(denial.until === undefined ? {} : { until: iso(denial.until) }),
      })),
      ...(restrictedAt === undefined ? [] : [{ type: 'restricted', at: iso(restrictedAt) }]),
      ...(erasedAt === undefined ? [] : [{ type: 'erased', at: iso(erasedAt) }]),
      ...[...registries].map(([registry, at]) => ({ type: 'registry', registry, listed: true, at: iso(at) })),
      ...cadences.map(({ scope, cadence, at }) => ({ type: 'cadence', scope, cadence, at: iso(at) })),
    ],
  };
}

function* permissionRows(context: GatherContext, contact: Contact): Generator<Record<string, unknown>> {
  const { catalog, policy, clock } = context;
  const state = stateOf(contact);
  for (const group of matrixOf({ catalog, policy, state, country: contact.country, now: clock.now() })) {
    for (const table of group.tables) {
      for (const { purpose, cells } of table.rows) {
        yield {
          contact: labelOf(context, contact),
          brands: group.brands,
          purpose,
          channels: cells.map(({ channel, allowed, reason, since, except }) => ({
            channel,
            allowed,
            reason,
            ...(except.length > 0 ? { exceptTopics: except } : {}),
            ...(since === undefined ? {} : { since: iso(since) }),
          })),
        };
      }
    }
  }
}

async function* eventsOf(
  context: GatherContext,
  contact: Contact,
  type?: StoredEvent['type'],
): AsyncGenerator<StoredEvent> {
  const unnumbered = new Set(contact.pending.map(({ id }) => id));
  for await (const page of context.ledger.pages(contact.key, type === undefined ? {} : { type })) {
    for (const { event } of page) {
      unnumbered.delete(event.id);
      yield event;
    }
  }
  // Acknowledged a moment ago and not yet numbered.
  for (const event of contact.pending) if (unnumbered.has(event.id) && (!type || event.type === type)) yield event;
}

function consentRow(context: GatherContext, contact: Contact, event: StoredEvent): Record<string, unknown> {
  const { privateParts, catalog, clock } = context;
  const wording = evidenceOf(privateParts, contact, event)?.evidence?.wording;
  const state = stateOf(contact);
  const notice = catalog.notices.find(({ id, version }) => id === event.notice?.id && version === event.notice.version);
  return {
    contact: labelOf(context, contact),
    receipt: `r_${event.id}`,
    at: iso(event.at),
    scope: wholeScope(event.scope),
    wording: typeof wording === 'string' ? wording : notice?.text,
    notice: event.notice,
    until: event.until === undefined ? undefined : iso(event.until),
    status: consentStatus(state, event, presentAt(state, clock.now())),
  };
}

function eventRow(context: GatherContext, contact: Contact, event: StoredEvent): Record<string, unknown> {
  const { id, type, at, recorded, source, sealed: _sealed, scope, until, reach, lifts, notice, link, ...facts } = event;
  // Who of the staff acted is somebody else's data; what they wrote down of the person is not.
  const { evidence, writerId } = context.privateParts.of(contact, event.sealed) ?? {};
  return {
    contact: labelOf(context, contact),
    receipt: `r_${id}`,
    type,
    at: iso(at),
    recordedAt: iso(recordedAt(recorded)),
    scope: scope && wholeScope(scope),
    source,
    until: until === undefined ? undefined : iso(until),
    reach,
    lifts,
    notice,
    link,
    writerId,
    ...(Object.keys(facts).length > 0 ? { facts } : {}),
    ...(evidence ? { evidence } : {}),
  };
}

async function* looksAt(context: GatherContext, contact: Contact): AsyncGenerator<Record<string, unknown>> {
  for (let skip = 0; ; skip += PAGE) {
    const rows = await context.trail.list({ contact: contact.key }, skip, PAGE);
    for (const row of rows) {
      yield {
        contact: labelOf(context, contact),
        at: iso(row.at.getTime()),
        kind: row.kind,
        what: row.what,
        roles: row.roles,
        reason: row.reason,
      };
    }
    if (rows.length < PAGE) return;
  }
}

function* syncedRows(context: GatherContext, contact: Contact): Generator<Record<string, unknown>> {
  for (const [destination, state] of Object.entries(contact.synced)) {
    const known = context.catalog.destinations.find(({ name }) => name === destination);
    for (const [binding, { suppressed, at }] of Object.entries(state.bindings)) {
      yield {
        contact: labelOf(context, contact),
        destination,
        role: known?.role,
        about: known?.bindings.find(({ name }) => name === binding)?.scope,
        list: binding,
        told: suppressed ? 'suppressed' : 'not_suppressed',
        at: iso(at),
      };
    }
  }
}

/**
 * Everything of these contacts. The trail of looks goes along as far as the law gives it: when, in which role and why, not
 * by whom (CJEU C-579/21, Pankki S).
 */
async function* gather(
  context: GatherContext,
  keys: readonly Buffer[],
  responses: readonly SystemResponse[],
  addresses: readonly { readonly type: string; readonly address: string }[] = [],
): AsyncGenerator<PackageRow> {
  const found = (await Promise.all(keys.map((key) => context.contacts.get(key)))).filter(
    (contact) => contact !== undefined,
  );
  for (const contact of found) yield { section: 'contacts', row: contactRow(context, contact) };
  for (const { type, address } of addresses)
    yield { section: 'contacts', row: { type, address: readable({ type, given: address }), kept: 'with_request' } };
  for (const contact of found)
    for (const row of permissionRows(context, contact)) yield { section: 'permissions', row };
  for (const contact of found) {
    for await (const event of eventsOf(context, contact, 'consent_granted'))
      yield { section: 'consents', row: consentRow(context, contact, event) };
  }
  for (const contact of found) {
    for await (const event of eventsOf(context, contact))
      yield { section: 'events', row: eventRow(context, contact, event) };
  }
  for (const contact of found) for (const row of syncedRows(context, contact)) yield { section: 'destinations', row };
  const requests = await context.requestsOf(keys);
  for (const { receivedAt, closedAt, contents, ...request } of requests) {
    yield {
      section: 'requests',
      row: {
        ...request,
        ...contents,
        receivedAt: iso(receivedAt),
        closedAt: closedAt === undefined ? undefined : iso(closedAt),
      },
    };
  }
  for (const { id } of requests) {
    for (const { kind, at, way } of await context.lettersOf(id))
      yield { section: 'letters', row: { request: id, kind, at: iso(at), way } };
  }
  for (const contact of found) for await (const row of looksAt(context, contact)) yield { section: 'looks', row };
  for (const { system, state, at, deadline, data } of responses) {
    yield {
      section: 'systems',
      row: {
        name: system.name,
        role: system.role,
        about: system.about,
        state,
        answeredAt: at === undefined ? undefined : iso(at),
        askedUntil: iso(deadline),
        data,
      },
    };
  }
}

/**
 * All that is held of some contacts, section after section, read a page at a time: a history of tens of thousands of events
 * is never in memory whole. Names of staff are left out: they are data of somebody else.
 */
export function createGather(parts: GatherParts) {
  const labels = new WeakMap<Contact, string>();
  const context: GatherContext = { ...parts, labels };
  return (
    keys: readonly Buffer[],
    responses: readonly SystemResponse[],
    addresses?: readonly { readonly type: string; readonly address: string }[],
  ) => gather(context, keys, responses, addresses);
}

export type Gather = ReturnType<typeof createGather>;

/** An address as a person writes it; a postal one on one line. */
export function readable(address: { readonly type: string; readonly given: string } | undefined): string | undefined {
  if (address?.type !== 'postal') return address?.given;
  return postalLines(address.given).join(', ');
}

/** Lines of a postal address as given. */
export function postalLines(json: string): string[] {
  const address: Record<string, unknown> = JSON.parse(json);
  const text = (field: string) => (typeof address[field] === 'string' ? String(address[field]).trim() : '');
  const place = [text('city'), [text('region'), text('postalCode')].filter(Boolean).join(' ')]
    .filter(Boolean)
    .join(', ');
  return [text('name'), text('line1'), text('line2'), place, text('country')].filter((line) => line !== '');
}

/** A topic's name, or its id where it is gone. */
export function topicName(catalog: Catalog, scope: Scope, language: string): string | undefined {
  if (scope.topic === '*') return undefined;
  const topic = topicById(catalog, scope.topic);
  return topic ? say(topic.name, language) : scope.topic;
}
