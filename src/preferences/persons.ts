import { createHmac } from 'node:crypto';
import type { AliasGroupOf } from '../core/alias-group.js';
import type { Clock } from '../core/clock.js';
import type { ContactType } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import { fold, superseded } from '../core/fold.js';
import { type ContactKey, contactKeyText, eventId, type Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { withTimeout } from '../store/connect.js';
import type { Append, Contact, Contacts, StoredEvent } from '../store/contacts.js';
import type { Member, Person, Persons } from '../store/persons.js';
import type { AppendOne } from './append.js';
import { newContact, type Subject, subjectKey } from './draft.js';
import { isTakenBack, sharedPart } from './person-reach.js';
import type { PrivateParts } from './private-part.js';

/** Times a join is begun again because another one joins the same contacts. */
const MAX_JOINS = 10;
/** Contacts of one person: an act for all of them is written to each, and their list is one document. */
const MAX_MEMBERS = 500;
/** So many events for all contacts of a person are stored before those that matter no more are dropped. */
const COMPACT_ABOVE = 32;
/** An event that is not at every contact after so many ms was left by a crash. */
const UNFINISHED_MS = 5000;
/** Events that one sweep finishes. */
const FINISH_BATCH = 100;

type PersonsStore = Omit<Persons, 'models'>;

export interface PersonsContext {
  readonly contacts: Pick<Contacts, 'find' | 'introduce' | 'setPerson'>;
  readonly persons: PersonsStore;
  readonly keyring: Keyring;
  readonly aliasGroupOf: AliasGroupOf;
  readonly privateParts: Pick<PrivateParts, 'newKeySeed'>;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly append: AppendOne;
}

type Lookup = Pick<Persons, 'get'>;

async function personById(persons: Lookup, id: string): Promise<Person> {
  return (await persons.get(id)) ?? { id, members: [] };
}

/** A person and those it was merged into, one after the other: the last stands for all. */
async function mergeChain(persons: Lookup, id: string): Promise<[Person, ...Person[]]> {
  let last = await personById(persons, id);
  const chain: [Person, ...Person[]] = [last];
  while (last.mergedInto !== undefined) {
    last = await personById(persons, last.mergedInto);
    chain.push(last);
  }
  return chain;
}

/** The person that stands for this one now: itself, or the one it was merged into at last. */
export async function currentPerson(persons: Lookup, id: string): Promise<Person> {
  const chain = await mergeChain(persons, id);
  return chain.at(-1) ?? chain[0];
}

/** Keys of the other contacts of the person that a contact belongs to. */
export async function linkedKeys(persons: Lookup, contact: Pick<Contact, 'key' | 'person'>): Promise<Buffer[]> {
  if (contact.person === undefined) return [];
  const { members } = await currentPerson(persons, contact.person);
  return members.map(({ key }) => key).filter((key) => !key.equals(contact.key));
}

/** The same for the same contact, so that two events at once that each make a person of it make the same one. */
function newPersonId(keyring: Keyring, key: Buffer): string {
  return `p_${createHmac('sha256', keyring.lookup).update('person:').update(key).digest('hex').slice(0, 24)}`;
}

async function personOf(context: PersonsContext, contact: Omit<Append, 'event'>): Promise<string> {
  const { contacts, persons, keyring } = context;
  const { key, type } = contact;
  const known = (await contacts.find([key], { person: 1 })).get(key.toString('hex'));
  if (known?.person) return known.person;
  const person = newPersonId(keyring, key);
  await persons.addMembers(person, [{ key, type }]);
  const isOurs = await contacts.setPerson(contact, person);
  return isOurs ? person : personOf(context, contact);
}

/** Copies a person's event to one of its contacts, under an id that a repeat has again. */
async function copyTo(
  { keyring, privateParts, clock, append }: PersonsContext,
  person: string,
  { key, type }: Member,
  event: StoredEvent,
): Promise<void> {
  const { sealed: _sealed, ...rest } = event;
  const id = eventId(keyring, key, { name: `person:${person}`, id: event.id });
  await append({
    key,
    type: type as ContactType,
    keySeed: privateParts.newKeySeed(),
    event: { ...rest, id, recorded: clock.recorded() },
  });
}

/** Brings what of a person's event denies to all contacts but the one it began with. */
async function spread(context: PersonsContext, person: string, event: StoredEvent, except?: Buffer): Promise<void> {
  const shared = sharedPart(event);
  if (!shared) return;
  const { members } = await currentPerson(context.persons, person);
  const others = members.filter(({ key }) => !except || !key.equals(except));
  await Promise.all(others.map((member) => copyTo(context, person, member, shared)));
}

/** Drops what later events of the person made superfluous, so that a link that is pressed for ever leaves no more behind. */
async function compact(persons: PersonsStore, person: string): Promise<void> {
  const events = await persons.eventsOf(person);
  if (events.length > COMPACT_ABOVE) await persons.drop(person, [...superseded(events)]);
}

/**
 * Records an event for every contact of a person: at the person first, then at each contact. What a crash leaves in between
 * is finished by the sweeper.
 *
 * @param shared what of the event reaches the other contacts
 */
export async function reachPerson(context: PersonsContext, item: Append, shared: StoredEvent): Promise<void> {
  const { persons, append } = context;
  const { event, ...contact } = item;
  const person = await withTimeout(context.machine, personOf(context, contact));
  const { sealed: _sealed, ...open } = shared;
  await persons.append(person, open);
  const current = await currentPerson(persons, person);
  if (current.id !== person) await persons.append(current.id, open);
  await append(item);
  await spread(context, current.id, event, item.key);
  await persons.close(person, [event.id]);
  if (current.id !== person) await persons.close(current.id, [event.id]);
  // Nobody waits for it, and what fails is done by the next act.
  void compact(persons, current.id).catch(() => undefined);
}

/** Finishes what a crash between a person and its contacts left. Returns how many events were brought to every contact. */
export async function finishPersons(context: PersonsContext): Promise<number> {
  const unfinished = await context.persons.unfinished(new Date(context.machine.now() - UNFINISHED_MS), FINISH_BATCH);
  for (const { person, event } of unfinished) {
    await spread(context, person, event);
    await context.persons.close(person, [event.id]);
  }
  return unfinished.length;
}

async function refuseCrowd(persons: PersonsStore, ids: readonly string[], members: readonly Member[]): Promise<void> {
  const joining = await Promise.all(ids.map((id) => personById(persons, id)));
  const all = new Set([...members, ...joining.flatMap((one) => one.members)].map(({ key }) => key.toString('hex')));
  if (all.size <= MAX_MEMBERS) return;
  throw new HushError('invalid', `a person has at most ${MAX_MEMBERS} contacts`, {
    field: 'contacts',
    remedy: 'join those only that belong to one person',
  });
}

interface Join {
  readonly person: string;
  /** Persons that were merged into it. */
  readonly merged: readonly string[];
  readonly members: readonly Member[];
  /** False when somebody else joins the same contacts at the same time. */
  readonly isSettled: boolean;
}

/** Joins contacts, and all persons they belong to, to one person; of several it is the first in the order of ids. */
async function joinOnce(
  context: PersonsContext,
  members: readonly Member[],
  involved: readonly string[],
): Promise<Join> {
  const { contacts, persons, keyring } = context;
  const keys = members.map(({ key }) => key);
  const known = await withTimeout(context.machine, contacts.find(keys, { person: 1 }));
  const named = new Set([...involved, ...[...known.values()].flatMap((contact) => contact.person ?? [])]);
  const chains = await Promise.all([...named].map((id) => mergeChain(persons, id)));
  const [first] = chains.map((chain) => (chain.at(-1) ?? chain[0]).id).sort();
  const person = first ?? newPersonId(keyring, [...keys].sort(Buffer.compare)[0] ?? context.machine.randomBytes(16));
  const merged = [...new Set(chains.flat().map(({ id }) => id))].filter((id) => id !== person).sort();
  await refuseCrowd(persons, [person, ...merged], members);
  let joined = await persons.addMembers(person, members);
  // All that a person was merged from is gone through again: a join may have broken off.
  for (const other of merged) {
    const former = await persons.merge(other, person);
    if (!former) continue;
    joined = await persons.addMembers(person, former.members);
    await persons.adopt(person, await persons.eventsOf(other));
  }
  const settled = await Promise.all(
    joined.members.map(({ key, type }) =>
      contacts.setPerson(
        { key, type: type as ContactType, keySeed: context.privateParts.newKeySeed() },
        person,
        merged,
      ),
    ),
  );
  const whole = (await persons.get(person)) ?? joined;
  const isSettled = whole.mergedInto === undefined && !settled.includes(false);
  return { person, merged, members: whole.members, isSettled };
}

/** Brings what was said for a whole person, and still denies, to every contact of it. */
async function spreadStanding(context: PersonsContext, person: string, members: readonly Member[]): Promise<void> {
  const events = await context.persons.eventsOf(person);
  const found = events.length > 0 ? await context.contacts.find(members.map(({ key }) => key)) : undefined;
  const atoms = [...(found?.values() ?? [])].flatMap(({ state, pending }) => fold(state, pending).atoms);
  const superfluous = superseded(events);
  const standing = events.filter((event) => !superfluous.has(event.id) && !isTakenBack(event, atoms));
  for (const event of standing) await spread(context, person, event);
  await context.persons.close(
    person,
    events.map(({ id }) => id),
  );
}

/**
 * Joins contacts to one person. The person knows them first; then what denies for the whole person is copied to them, so
 * that an event on its way in is missed in neither order. Two that join the same contact at once both see that the other
 * did, and end as one.
 *
 * @throws HushError('invalid') for too many contacts, HushError('unavailable')
 */
export async function joinContacts(
  context: PersonsContext,
  subjects: readonly Subject[],
): Promise<{ person: string; contacts: ContactKey[] }> {
  const joining = subjects.map((subject) => newContact(context, subject, subjectKey(context.keyring, subject)));
  await withTimeout(context.machine, context.contacts.introduce(joining));
  let members: readonly Member[] = joining.map(({ key, type }) => ({ key, type }));
  let involved: readonly string[] = [];
  for (let tries = 0; tries <= MAX_JOINS; tries++) {
    const join = await joinOnce(context, members, involved);
    members = join.members;
    if (!join.isSettled) {
      involved = [...join.merged, join.person];
      continue;
    }
    await spreadStanding(context, join.person, members);
    return { person: join.person, contacts: members.map(({ key }) => contactKeyText(key)) };
  }
  throw new HushError('unavailable', 'these contacts are being joined by others too', {});
}
