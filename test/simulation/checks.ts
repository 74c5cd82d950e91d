import { decide } from '../../src/core/decide.js';
import { type ContactEvent, compareEvents, DENIAL_TYPES } from '../../src/core/event.js';
import { EMPTY_STATE, fold, presentAt } from '../../src/core/fold.js';
import { leafHash, rootOfHashes } from '../../src/core/merkle.js';
import { covers } from '../../src/core/scope.js';
import { inForce } from '../../src/core/standing.js';
import { createPrivateParts } from '../../src/preferences/private-part.js';
import type { ContactRow } from '../../src/store/contact-rows.js';
import type { LedgerRow } from '../../src/store/ledger.js';
import { ALLOWING_REASONS, naiveDecision } from '../support/naive-rules.js';
import { checkPersons } from './check-persons.js';
import { type Answer, QUESTIONS } from './clients.js';
import { AFTER_ROTATION, HEX, LATER_BINDING, POINTS, policy, SPELLINGS, spellingsOf } from './installation.js';
import type { SimulatedProcess, Site } from './process.js';
import { Broken, CLOCKS_APART_MS } from './promises.js';

const DENIES: ReadonlySet<string> = new Set(DENIAL_TYPES);

interface Overflow {
  readonly contact: Buffer;
  readonly event: ContactEvent;
}
interface LogEntryRow {
  readonly _id: number;
  readonly entry: Buffer;
  readonly event: string;
  readonly contact: Buffer;
  readonly salt?: Buffer;
  readonly empties?: number;
}

const nameOf = (hex: string): string => POINTS[HEX.indexOf(hex)]?.given ?? hex.slice(0, 8);

function fail(text: string): never {
  throw new Broken(text);
}

/** Ledger entries by contact (hex), in the order of their numbers. */
function ledgers(site: Site): Map<string, LedgerRow[]> {
  const found = new Map<string, LedgerRow[]>();
  for (const row of site.database.rows<LedgerRow>('ledger')) {
    const hex = row.contact.toString('hex');
    found.set(hex, [...(found.get(hex) ?? []), row]);
  }
  for (const rows of found.values()) rows.sort((a, b) => a.number - b.number);
  return found;
}

/** Invariant 1: what was acknowledged is pending, overflowing or in the ledger, as a majority has it, or on a disk. */
export function checkAcknowledged(site: Site): void {
  const ids = new Set<string>(site.disk.eventIds());
  for (const { pending } of site.database.committedRows<ContactRow>('contacts'))
    for (const { id } of pending ?? []) ids.add(id);
  for (const { event } of site.database.committedRows<Overflow>('overflow')) ids.add(event.id);
  for (const { id } of site.database.committedRows<LedgerRow>('ledger')) ids.add(id);
  for (const { id, draft, contact } of site.promises.acknowledged()) {
    if (id !== undefined && !ids.has(id))
      fail(`${draft.type} of ${nameOf(contact)} was acknowledged as ${id} and is nowhere`);
  }
}

/** Invariant 8: a size has one root for ever, and what was published stays. */
export function checkRoots(site: Site): void {
  const now = new Map(
    site.database
      .committedRows<{ readonly _id: number; readonly root: Buffer }>('log_checkpoints')
      .map(({ _id, root }) => [_id, root.toString('hex')]),
  );
  for (const [size, root] of site.publishedRoots) {
    if (now.get(size) !== root) fail(`the root of size ${size} was ${root} and is ${now.get(size) ?? 'gone'}`);
  }
  for (const [size, root] of now) site.publishedRoots.set(size, root);
}

/** What an installation at rest has no more of; undefined when it is at rest. */
export function whatIsLeft(site: Site & { readonly processes: readonly SimulatedProcess[] }): string | undefined {
  for (const process of site.processes) {
    if (!process.parts()) return `${process.name} does not run`;
    if (process.owner().pausedUntil > site.world.now()) return `${process.name} stands still`;
    if (site.promises.isAccepting(process.owner())) return `${process.name} accepts something`;
  }
  if (site.rollsOutUntil > site.world.now()) return 'processes are started again';
  if (site.disk.eventIds().length > 0) return 'the journal keeps events';
  for (const row of site.database.rows<ContactRow>('contacts')) {
    const name = nameOf(row._id.toString('hex'));
    if (row.dirty || (row.pending ?? []).length > 0 || (row.overflow ?? 0) > 0) return `${name} is not projected`;
    if ((row.entries ?? 0) > 0 && row.configuration !== site.setting.configuration)
      return `${name} is not evaluated again`;
    if (row.touched) return `${name} is touched`;
    if ((row.marks ?? []).length > 0) return `${name} is not synced: ${JSON.stringify(row.marks)}`;
    if (row.feed !== undefined) return `${name} is not in the feed`;
    if (row.wakeAt && row.wakeAt.getTime() <= site.world.now() + CLOCKS_APART_MS) return `time changes ${name}`;
    if (row.erasing) return `${name} is being erased`;
  }
  if (site.database.rows('overflow').length > 0) return 'overflow is left';
  if (site.database.rows<LedgerRow>('ledger').some(({ unsealed }) => unsealed !== undefined))
    return 'entries are not sealed';
  if (site.database.rows('log_forgets').length > 0) return 'salts are not destroyed';
  if (site.database.rows<{ readonly open?: Date }>('person_events').some(({ open }) => open !== undefined))
    return 'an event of a person is not everywhere';
  for (const { current, requested } of site.database.rows<{
    readonly current?: { readonly phase: string };
    readonly requested?: object;
  }>('reconciliations')) {
    if (requested || (current && current.phase !== 'done')) return 'a reconciliation runs';
  }
  const size = site.database.rows<{ readonly size: number }>('log_tree')[0]?.size ?? 0;
  const latest = Math.max(0, ...site.database.rows<{ readonly _id: number }>('log_checkpoints').map(({ _id }) => _id));
  return size === latest ? undefined : 'the log is not signed';
}

/** Events that decisions about a contact go by, by the rules: its own, and the denials of the other spellings of its mailbox. */
function eventsOf(all: ReadonlyMap<string, readonly LedgerRow[]>, hex: string): ContactEvent[] {
  return [
    ...(all.get(hex) ?? []).map(({ event }) => event),
    ...spellingsOf(hex).flatMap((other) =>
      (all.get(other) ?? []).map(({ event }) => event).filter(({ type }) => DENIES.has(type)),
    ),
  ];
}

/** Invariants 1 and 3: the ledger has all that was acknowledged, once and without a gap, and the snapshot is what follows from it. */
function checkLedger(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>): void {
  const contacts = new Map(site.database.rows<ContactRow>('contacts').map((row) => [row._id.toString('hex'), row]));
  for (const { id, contact, draft } of site.promises.acknowledged()) {
    const times = (all.get(contact) ?? []).filter((row) => row.id === id).length;
    if (times !== 1)
      fail(`${draft.type} of ${nameOf(contact)} was acknowledged as ${id} and is ${times} times in the ledger`);
  }
  for (const [hex, rows] of all) {
    const contact = contacts.get(hex);
    const numbers = rows.map(({ number }) => number);
    if (numbers.some((number, at) => number !== at + 1))
      fail(`the ledger of ${nameOf(hex)} has the numbers ${numbers.join(' ')}`);
    if (contact?.entries !== rows.length) fail(`${nameOf(hex)} counts ${contact?.entries} entries of ${rows.length}`);
    const folded = fold(EMPTY_STATE, rows.map(({ event }) => event).sort(compareEvents));
    if (JSON.stringify(folded.atoms) !== JSON.stringify(contact?.state?.atoms))
      fail(
        `the snapshot of ${nameOf(hex)} is not its ledger folded: ${JSON.stringify(contact?.state?.atoms)} instead of ${JSON.stringify(folded.atoms)}`,
      );
  }
}

/** Invariant 5: what every destination has is what the rules, read word by word over the ledger, say. */
function checkDestinations(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>, at: number): void {
  const rows = new Map(site.database.rows<ContactRow>('contacts').map((row) => [row._id.toString('hex'), row]));
  const isAllowed = (hex: string, scope: (typeof QUESTIONS)[number]) =>
    ALLOWING_REASONS.has(naiveDecision(eventsOf(all, hex), { ...scope, at }, policy));
  for (const provider of site.providers) {
    for (const { name, scope } of provider.bindings) {
      if (!site.setting.bindings.includes(name)) continue;
      for (const [index, point] of POINTS.entries()) {
        const hex = HEX[index] ?? '';
        const row = rows.get(hex);
        if (!provider.accepts.includes(point.type) || point.given === provider.refuses) continue;
        // Somebody of whom only the key was ever known is not sent anywhere.
        const isErased = row?.state?.atoms.some(({ t }) => t === 'erased') === true;
        if (row?.keyedOnly && !isErased) continue;
        // What was bound after somebody was erased cannot be sent for them: nobody knows their address.
        if (isErased && name === LATER_BINDING) continue;
        // The most restrictive of the spellings that are known.
        const group = provider.matchesMailboxes ? (SPELLINGS.find((one) => one.includes(index)) ?? []) : [];
        const known = group.filter((one) => rows.has(HEX[one] ?? ''));
        const allowed = [index, ...known].every((one) => isAllowed(HEX[one] ?? '', scope));
        const listed = provider.lists.get(name)?.get(point.given);
        if (allowed === (listed === undefined)) continue;
        if (!row && !listed) continue;
        fail(
          `${point.given} is ${allowed ? 'allowed' : 'denied'} for ${name} at ${provider.name}, where it is ${listed ? `listed (${JSON.stringify(listed)})` : 'not listed'}`,
        );
      }
    }
  }
}

/** Invariant 8: every entry has its leaf, and every root that was published is the root of the leaves there are. */
function checkLog(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>): void {
  const leaves = site.database.rows<LogEntryRow>('log_entries').sort((a, b) => a._id - b._id);
  if (leaves.some(({ _id }, at) => _id !== at)) fail('the leaves of the log have a gap');
  const hashes = leaves.map(({ entry }) => leafHash(entry));
  for (const [size, root] of site.publishedRoots) {
    const now = rootOfHashes(hashes.slice(0, size)).toString('hex');
    if (now !== root) fail(`size ${size} was signed with the root ${root}, and its leaves give ${now}`);
  }
  const known = new Set(
    leaves
      .filter(({ empties }) => empties === undefined)
      .map(({ contact, event }) => `${contact.toString('hex')}/${event}`),
  );
  for (const [hex, rows] of all)
    for (const { id } of rows) if (!known.has(`${hex}/${id}`)) fail(`${id} of ${nameOf(hex)} has no leaf`);
}

/** Invariant 9: of whom was erased nothing that could be read is left, and they are still suppressed. */
function checkErased(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>, at: number): void {
  for (const row of site.database.rows<ContactRow>('contacts')) {
    if (!row.state) continue;
    const { erasedAt } = inForce(row.state, presentAt(row.state, at));
    if (erasedAt === undefined || !isErasedNow(row, at)) continue;
    const hex = row._id.toString('hex');
    if (row.dataKey || row.address || !row.keyedOnly)
      fail(`${nameOf(hex)} was erased, and its data key or address is there`);
    // What was said later has a leaf of its own that nobody asked to be forgotten.
    const rows = all.get(hex) ?? [];
    const last = rows.findLast(({ event }) => event.type === 'erased')?.number ?? 0;
    const until = new Set(rows.filter(({ number }) => number <= last).map(({ id }) => id));
    const salted = site.database
      .rows<LogEntryRow>('log_entries')
      .filter(({ contact, salt, event }) => salt && contact.toString('hex') === hex && until.has(event));
    if (salted.length > 0) fail(`${nameOf(hex)} was erased, and ${salted.length} leaves have their salts`);
  }
}

function isErasedNow(row: ContactRow, at: number): boolean {
  const state = row.state ?? EMPTY_STATE;
  const query = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*', at: presentAt(state, at) } as const;
  // A yes after it for one scope ends the erasure: an address may be there again.
  return (
    decide(state, query, { policy }).reason === 'erased' &&
    !state.atoms.some(
      (atom) => atom.t === 'grant' && atom.lifts === 'any' && atom.at > (inForce(state, query.at).erasedAt ?? 0),
    )
  );
}

/** Invariant 13: what a page would say is in force is what the decision says. */
function checkPages(site: Site, at: number): void {
  for (const { _id, state } of site.database.rows<ContactRow>('contacts')) {
    if (!state) continue;
    for (const question of QUESTIONS) {
      const now = presentAt(state, at);
      const decision = decide(state, { ...question, at: now }, { policy, ignoreQuietHours: true });
      const stands = inForce(state, now).denials.some(
        ({ denial, except }) => covers(denial.scope, question) && !except.some((scope) => covers(scope, question)),
      );
      const isDenied = ['opted_out', 'objected', 'complained', 'gpc', 'paused'].includes(decision.reason);
      if (isDenied && !stands)
        fail(`a page shows nothing of what denies ${nameOf(_id.toString('hex'))}: ${decision.reason}`);
      // A consent that was ended for a part of its scope lifts the rest of a denial, and is said to lift nothing.
      const isSure = !state.atoms.some((atom) => atom.t === 'grant' && atom.type === 'consent_granted');
      if (stands && decision.allowed && isSure)
        fail(`a page shows a denial of ${nameOf(_id.toString('hex'))} that the decision does not know`);
    }
  }
}

/** What was sealed with an event opens under the contact's data key, whichever root that is under. */
function checkEvidence(site: Site, all: ReadonlyMap<string, readonly LedgerRow[]>): void {
  const parts = createPrivateParts({ ...AFTER_ROTATION, randomBytes: () => Buffer.alloc(0) });
  for (const row of site.database.rows<ContactRow>('contacts')) {
    const entries = all.get(row._id.toString('hex')) ?? [];
    if (entries.some(({ event }) => event.type === 'erased')) continue;
    const contact = { key: row._id, pending: [], ...(row.dataKey ? { dataKey: row.dataKey } : {}) };
    for (const { id, event } of entries) {
      if (event.sealed && !parts.of(contact, event.sealed)) fail(`what was sealed with ${id} does not open`);
    }
    if (row.address && !parts.of(contact, row.address))
      fail(`the address of ${nameOf(contact.key.toString('hex'))} does not open`);
  }
}

/** The feed has numbers without a gap, and its head is the last. */
function checkFeed(site: Site): void {
  const changes = site.database
    .rows<{ readonly _id: number }>('changes')
    .map(({ _id }) => _id)
    .sort((a, b) => a - b);
  if (changes.some((number, at) => number !== at + 1)) fail(`the feed has the numbers ${changes.join(' ')}`);
  const head = site.database.rows<{ readonly number: number }>('feed_head')[0]?.number ?? 0;
  if (head !== changes.length) fail(`the feed's head is ${head} of ${changes.length}`);
}

/** Invariant 4: what every web answers at rest is what the rules say over the ledger. */
function checkAnswers(all: ReadonlyMap<string, readonly LedgerRow[]>, answers: readonly Answer[] | undefined): void {
  if (answers === undefined || answers.length === 0) fail('nobody answered at rest');
  for (const { contact, query, allowed, at, by } of answers) {
    const events = eventsOf(all, HEX[contact] ?? '');
    // Whether a pause is over, two clocks may see differently.
    const said = [at - CLOCKS_APART_MS, at + CLOCKS_APART_MS].map((time) =>
      naiveDecision(events, { ...query, at: time }, policy),
    );
    if (!said.some((reason) => ALLOWING_REASONS.has(reason) === allowed))
      fail(
        `${by} answers ${allowed} about ${POINTS[contact]?.given} for ${query.brand}/${query.channel}, and it is ${said[0]}`,
      );
  }
}

/** Everything that has to hold once nothing is under way, with what every web answered then. */
export function checkAtQuiet(site: Site, at: number, answers: readonly Answer[] | undefined): void {
  const all = ledgers(site);
  checkAnswers(all, answers);
  checkAcknowledged(site);
  checkRoots(site);
  checkLedger(site, all);
  checkDestinations(site, all, at);
  checkLog(site, all);
  checkErased(site, all, at);
  checkPages(site, at);
  checkPersons(site, all);
  checkFeed(site);
  checkEvidence(site, all);
}
