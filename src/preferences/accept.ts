import { createHmac, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pLimit, { type LimitFunction } from 'p-limit';
import type { AliasGroupOf } from '../core/alias-group.js';
import { contentText } from '../core/canonical-json.js';
import type { Clock } from '../core/clock.js';
import type { ContactPoint, ContactType } from '../core/contact-point.js';
import { HushError } from '../core/errors.js';
import type { ContactEvent } from '../core/event.js';
import { fold, superseded } from '../core/fold.js';
import { type ContactKey, contactKeyBytes, contactKeyText, type EventId, eventId, type Keyring } from '../core/keys.js';
import { BATCH_TIMEOUT_MS, isUnavailable, stretched, unavailable, withTimeout } from '../store/connect.js';
import type { Append, AppendResult, Contacts, StoredEvent } from '../store/contacts.js';
import type { Persons } from '../store/persons.js';
import type { WriterIds } from '../store/writer-ids.js';
import { createGroupCommit } from './group-commit.js';
import { isTakenBack, sharedPart } from './person-reach.js';
import { EVIDENCE_LIMIT, type PrivatePart, type PrivateParts } from './private-part.js';

/** Whom an event is about: an address, or a contact known by its key only. */
export type Subject = { readonly point: ContactPoint } | { readonly key: Buffer; readonly type: ContactType };

/** An event on its way in: what we add ourselves is not there yet. */
export interface Draft extends Omit<ContactEvent, 'id' | 'recorded' | 'at'> {
  readonly subject: Subject;
  /** ms; now, when absent. */
  readonly at?: number | undefined;
  /** The writer's own id, for its retries. */
  readonly writer?: { readonly name: string; readonly id: string };
  readonly reach?: 'person';
  readonly link?: { readonly brand: string; readonly campaign?: string };
  readonly notice?: { readonly id: string; readonly version: string };
  readonly actor?: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

export interface Accepted {
  readonly id: EventId;
  readonly contact: ContactKey;
  readonly at: number;
}

/** The clock of a machine that sends events may be ahead of ours by so much (ms). */
const AHEAD = 5 * 60_000;

/** Pause (ms) before a write whose outcome is unknown is sent again. */
const RETRY_EVERY_MS = 100;

/** Times a join is begun again because another one joins the same contacts. */
const MAX_JOINS = 10;
/** Person-wide events of one request at work at once: each is several writes, and others need the store meanwhile. */
const MAX_PERSON_WIDE = 4;

/** Contacts of one person: an act for all of them is written to each, and their list is one document. */
const MAX_MEMBERS = 500;

/** So many events for all contacts of a person are kept before those that matter no more are dropped. */
const COMPACT_ABOVE = 32;

export function subjectKey(keyring: Keyring, subject: Subject): Buffer {
  return 'point' in subject ? contactKeyBytes(keyring, subject.point) : subject.key;
}

/**
 * The write path: an event becomes one durable append to its contact and is then acknowledged. Nothing is read and
 * nothing but MongoDB is waited for, unless the writer gave an id of its own or the event reaches a whole person.
 */
export function createAccept(parts: {
  readonly contacts: Contacts;
  readonly persons: Persons;
  readonly writerIds: WriterIds;
  readonly keyring: Keyring;
  readonly privateParts: PrivateParts;
  readonly aliasGroupOf: AliasGroupOf;
  readonly clock: Clock;
  /** Told of every contact that has something to project. */
  readonly onAppended: (key: Buffer) => void;
  /** Keeps an opt-out durably while the store is away. Without one the answer is an honest "not now". */
  readonly journal?: ((item: Append) => Promise<unknown>) | undefined;
}) {
  const { contacts, persons, writerIds, keyring, privateParts, clock } = parts;

  const commit = createGroupCommit<Append, AppendResult>((appends) => withTimeout(contacts.append(appends)), {
    concernsAll: isUnavailable,
  });

  const overflowCommit = createGroupCommit<Append, undefined>(
    async (items) => {
      await withTimeout(contacts.appendOverflow(items), BATCH_TIMEOUT_MS);
      return items.map(() => undefined);
    },
    { concernsAll: isUnavailable },
  );

  /**
   * Appends durably. `busy` is a full array, an id that is pending already, or two processes creating one contact: for
   * all three a document of its own is right, because ids are compared again when events are folded and numbered.
   *
   * A write that the time limit cut off may have happened or not. It is sent again, under the same id, until `retryUntil`
   * (ms of `performance.now()`): the writer of a large batch need not know that its database was slow.
   */
  async function append(item: Append, retryUntil = 0): Promise<void> {
    try {
      const result = await commit(item);
      if (result === 'busy') await overflowCommit(item);
      else if (result !== 'appended') throw result;
    } catch (error) {
      if (!isUnavailable(error) || performance.now() >= retryUntil) throw error;
      await sleep(RETRY_EVERY_MS);
      return append(item, retryUntil);
    }
    parts.onAppended(item.key);
  }

  /** As `append`; a single opt-out may go to the journal when the store does not answer. */
  async function appendOrJournal(item: Append, retryUntil: number): Promise<void> {
    try {
      await append(item, retryUntil);
    } catch (error) {
      if (!parts.journal || item.event.type !== 'opted_out' || !isUnavailable(error)) throw error;
      await parts.journal(item);
    }
  }

  /** Checks what needs no store, so that an event which is refused leaves nothing behind. Throws HushError('invalid'). */
  function checked(draft: Draft): Draft {
    const { at, evidence, type } = draft;
    const grant = type === 'opted_in' || type === 'consent_granted';
    if (at !== undefined && !grant && at > clock.now() + AHEAD) {
      throw new HushError('invalid', 'at lies more than 5 minutes in the future', {
        field: 'at',
        remedy: 'send the time at which it happened; check the sending machine’s clock',
      });
    }
    if (evidence !== undefined && Buffer.byteLength(JSON.stringify(evidence)) > EVIDENCE_LIMIT) {
      throw new HushError('invalid', 'evidence is larger than 1 kB', {
        field: 'source.evidence',
        remedy: 'keep the document elsewhere and give its reference',
      });
    }
    return draft;
  }

  function store(draft: Draft, key: Buffer, id: EventId, at: number, withAddress: boolean): StoredEvent {
    const { subject, writer, actor, evidence, at: _at, ...fields } = draft;
    const part: PrivatePart = {
      ...(withAddress && 'point' in subject
        ? { address: { type: subject.point.type, given: subject.point.given } }
        : {}),
      ...(actor === undefined ? {} : { actor }),
      ...(evidence === undefined ? {} : { evidence }),
      ...(writer ? { writerId: writer.id } : {}),
    };
    return {
      ...fields,
      id,
      at,
      recorded: clock.recorded(),
      ...(Object.keys(part).length > 0 ? { sealed: privateParts.sealPending(key, part) } : {}),
    };
  }

  /** What a contact that is new is stored with. */
  function contactOf(subject: Subject, key: Buffer): Omit<Append, 'event'> {
    if (!('point' in subject)) return { key, type: subject.type };
    const { type, country } = subject.point;
    const aliasGroup = parts.aliasGroupOf(subject.point)?.id;
    return { key, type, ...(country ? { country } : {}), ...(aliasGroup ? { aliasGroup } : {}) };
  }

  const appendFor = (subject: Subject, key: Buffer, event: StoredEvent): Append => ({
    ...contactOf(subject, key),
    event,
  });

  /** Copies a person's event to one of its contacts, under an id that a repeat has again. */
  async function copyTo(person: string, member: { key: Buffer; type: string }, event: StoredEvent): Promise<void> {
    const { sealed: _sealed, ...rest } = event;
    const id = eventId(keyring, member.key, { name: `person:${person}`, id: event.id });
    await append({
      key: member.key,
      type: member.type as ContactType,
      event: { ...rest, id, recorded: clock.recorded() },
    });
  }

  /** Brings what of a person's event denies to all contacts but the one it began with. */
  async function spread(person: string, given: StoredEvent, except?: Buffer): Promise<void> {
    const event = sharedPart(given);
    if (!event) return;
    const current = await persons.current(person);
    const others = (current?.members ?? []).filter((member) => !except || !member.key.equals(except));
    await Promise.all(others.map((member) => copyTo(person, member, event)));
  }

  /** The same for the same contact, so that two events at once that each make a person of it make the same one. */
  const newPerson = (key: Buffer): string =>
    `p_${createHmac('sha256', keyring.lookup).update('person:').update(key).digest('hex').slice(0, 24)}`;

  async function personOf(subject: Subject, key: Buffer): Promise<string> {
    const contact = (await contacts.find([key], { person: 1 })).get(key.toString('hex'));
    if (contact?.person) return contact.person;
    const person = newPerson(key);
    const fresh = contactOf(subject, key);
    await persons.addMembers(person, [{ key, type: fresh.type }]);
    const mine = await contacts.setPerson(fresh, person);
    return mine ? person : personOf(subject, key);
  }

  /** A person and those it was merged into, one after the other; the last stands for all. */
  async function chainOf(id: string): Promise<string[]> {
    const chain = [id];
    for (let person = await persons.get(id); person?.mergedInto; person = await persons.get(person.mergedInto)) {
      chain.push(person.mergedInto);
    }
    return chain;
  }

  /**
   * Joins contacts to one person. The person knows them first; then what denies for the whole person is copied to them, so
   * that an event on its way in is missed in neither order. Two that join the same contact at once both see that the other
   * did, and end as one. All that a person was merged from is gone through again: a join may have broken off.
   */
  async function link(
    subjects: readonly Subject[],
    tries = 0,
    involved: readonly string[] = [],
  ): Promise<{ person: string; contacts: ContactKey[] }> {
    const members = subjects.map((subject) => ({
      subject,
      key: subjectKey(keyring, subject),
      type: 'point' in subject ? subject.point.type : subject.type,
    }));
    const known = await withTimeout(
      contacts.find(
        members.map(({ key }) => key),
        { person: 1 },
      ),
    );
    const named = new Set([...involved, ...[...known.values()].flatMap((contact) => contact.person ?? [])]);
    const chains = await Promise.all([...named].map(chainOf));
    const [first] = chains.map((chain) => chain.at(-1) ?? '').sort();
    const person = first ?? newPerson(members.map(({ key }) => key).sort(Buffer.compare)[0] ?? randomBytes(16));
    const others = [...new Set(chains.flat())].filter((id) => id !== person).sort();
    const joining = await Promise.all([person, ...others].map((id) => persons.get(id)));
    const all = new Set(
      [...members, ...joining.flatMap((one) => one?.members ?? [])].map(({ key }) => key.toString('hex')),
    );
    if (all.size > MAX_MEMBERS) {
      throw new HushError('invalid', `a person has at most ${MAX_MEMBERS} contacts`, {
        field: 'contacts',
        remedy: 'join those only that belong to one person',
      });
    }
    let joined = await persons.addMembers(
      person,
      members.map(({ key, type }) => ({ key, type })),
    );
    for (const other of others) {
      const merged = await persons.merge(other, person);
      if (!merged) continue;
      joined = await persons.addMembers(person, merged.members);
      await persons.adopt(person, await persons.eventsOf(other));
    }
    const settled = await Promise.all(
      joined.members.map(({ key, type }) => contacts.setPerson({ key, type: type as ContactType }, person, others)),
    );
    const whole = (await persons.get(person)) ?? joined;
    if (whole.mergedInto !== undefined || settled.includes(false)) {
      if (tries >= MAX_JOINS) throw new HushError('unavailable', 'these contacts are being joined by others too', {});
      return link(
        whole.members.map(({ key, type }) => ({ key, type: type as ContactType })),
        tries + 1,
        [...others, person],
      );
    }
    const events = await persons.eventsOf(person);
    const missing = superseded(events);
    const found = events.length > 0 ? await contacts.find(whole.members.map(({ key }) => key)) : undefined;
    const atoms = [...(found?.values() ?? [])].flatMap(({ state, pending }) => fold(state, pending).atoms);
    const standing = events.filter((event) => !missing.has(event.id) && !isTakenBack(event, atoms));
    for (const event of standing) await spread(person, event);
    await persons.close(
      person,
      events.map(({ id }) => id),
    );
    return { person, contacts: whole.members.map(({ key }) => contactKeyText(key)) };
  }

  async function acceptOne(draft: Draft, retryUntil: number, personWide: LimitFunction): Promise<Accepted> {
    const key = subjectKey(keyring, draft.subject);
    const id = eventId(keyring, key, draft.writer);
    // What is acknowledged is in force: a clock ahead of ours does not put it off.
    const now = clock.now();
    const at = Math.min(draft.at ?? now, now);
    const event = store(draft, key, id, at, true);
    const accepted = { id, contact: contactKeyText(key), at };
    const shared = event.reach === 'person' ? sharedPart(event) : undefined;
    if (shared) await personWide(() => withTimeout(reachPerson(draft.subject, key, event, shared), BATCH_TIMEOUT_MS));
    else {
      const { reach: _reach, ...own } = event;
      await appendOrJournal(appendFor(draft.subject, key, own), retryUntil);
    }
    return accepted;
  }

  /** The person first, then every contact: a crash in between is finished by the sweeper. */
  async function reachPerson(subject: Subject, key: Buffer, event: StoredEvent, shared: StoredEvent): Promise<void> {
    const person = await withTimeout(personOf(subject, key));
    const { sealed: _sealed, ...open } = shared;
    const after = await persons.append(person, open);
    const target = after.mergedInto ?? person;
    if (target !== person) await persons.append(target, open);
    await append(appendFor(subject, key, event));
    await spread(target, event, key);
    await persons.close(person, [event.id]);
    if (target !== person) await persons.close(target, [event.id]);
    // Nobody waits for it, and what fails is done by the next act.
    void compact(target).catch(() => undefined);
  }

  /** Drops what later events of the person made superfluous, so that a link that is pressed for ever leaves no more behind. */
  async function compact(person: string): Promise<void> {
    const events = await persons.eventsOf(person);
    if (events.length > COMPACT_ABOVE) await persons.drop(person, [...superseded(events)]);
  }

  /** Same content, same text: what a retry is compared by. Keyed, so that the store tells nothing of the content. */
  function contentOf(draft: Draft): string {
    const { subject, writer: _writer, ...rest } = draft;
    const key = subjectKey(keyring, subject).toString('hex');
    return createHmac('sha256', keyring.lookup)
      .update(contentText([key, rest]))
      .digest('base64url')
      .slice(0, 22);
  }

  function writerKey(writer: { name: string; id: string }): string {
    return createHmac('sha256', keyring.lookup)
      .update(`writer:${writer.name.length}:${writer.name}:${writer.id}`)
      .digest('base64url')
      .slice(0, 22);
  }

  return {
    /** Accepts events; each is durable or has an error of its own when this resolves, in order. */
    async acceptAll(drafts: readonly Draft[]): Promise<(Accepted | Error)[]> {
      const valid = drafts.map((draft) => {
        try {
          return checked(draft);
        } catch (error) {
          return error instanceof Error ? error : new Error(String(error));
        }
      });
      const named = valid.flatMap((draft) =>
        !(draft instanceof Error) && draft.writer ? [{ id: writerKey(draft.writer), content: contentOf(draft) }] : [],
      );
      let contents = new Map<string, string>();
      try {
        contents = await withTimeout(writerIds.claim(named), named.length > 1 ? BATCH_TIMEOUT_MS : undefined);
      } catch (error) {
        throw unavailable(error);
      }
      const retryUntil = drafts.length > 1 ? performance.now() + stretched(BATCH_TIMEOUT_MS) : 0;
      const personWide = pLimit(MAX_PERSON_WIDE);
      return Promise.all(
        valid.map(async (draft) => {
          try {
            if (draft instanceof Error) throw draft;
            // Of several contents under one id, in this request or before it, the first counts.
            if (draft.writer && contents.get(writerKey(draft.writer)) !== contentOf(draft)) {
              throw new HushError('id_reused', 'this id was used before with other content', {
                field: 'id',
                remedy: 'give every event an id of its own; repeat an event unchanged',
              });
            }
            return await acceptOne(draft, retryUntil, personWide);
          } catch (error) {
            const failure = unavailable(error);
            return failure instanceof Error ? failure : new Error(String(failure));
          }
        }),
      );
    },

    /** Accepts one event. Throws HushError; durable when it resolves. */
    async accept(draft: Draft): Promise<Accepted> {
      const [result] = await this.acceptAll([draft]);
      if (result instanceof Error) throw result;
      if (!result) throw new Error('nothing was accepted');
      return result;
    },

    link,

    /** Appends what the journal kept. */
    append,

    /** Finishes what a crash between a person and its contacts left. Returns how many events were brought home. */
    async finishPersons(): Promise<number> {
      let finished = 0;
      for (const { person, event } of await persons.unfinished(new Date(Date.now() - 5000), 100)) {
        await spread(person, event);
        await persons.close(person, [event.id]);
        finished++;
      }
      return finished;
    },
  };
}

export type Accept = ReturnType<typeof createAccept>;
