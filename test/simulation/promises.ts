import type { Query } from '../../src/core/decide.js';
import { type ContactEvent, opens } from '../../src/core/event.js';
import type { Policy } from '../../src/core/policy.js';
import type { Accept } from '../../src/preferences/accept.js';
import type { Accepted, Draft } from '../../src/preferences/draft.js';
import { ALLOWING_REASONS, naiveDecision } from '../support/naive-rules.js';
import { spellingsOf } from './installation.js';
import type { Owner, World } from './world.js';

/** ms that two clocks of processes may be apart, once they were set by the database's. */
export const CLOCKS_APART_MS = 400;

/** Something that was said, or that somebody began to say. */
interface Said {
  readonly draft: Draft;
  /** Contact (hex). */
  readonly contact: string;
  /** ms; when it was first tried. */
  readonly triedAt: number;
  /** ms; when a process said that it has it. */
  acknowledgedAt: number | undefined;
  at: number;
  id: string | undefined;
}

/** A broken promise: what the product must never do. */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/**
 * What the record was given and what it acknowledged, as those who gave it know. Decisions are held against it by the rules
 * read word by word (`naiveDecision`): whatever else may or may not have been recorded, what was acknowledged counts.
 */
export function createPromises(
  world: World,
  parts: {
    readonly policy: Policy;
    readonly keyOf: (draft: Draft) => string;
    /** Ids of events that are on a disk only: until they are replayed, other processes know nothing of them. */
    readonly journaled: (but?: Owner) => readonly string[];
  },
) {
  const said: Said[] = [];
  const byWriter = new Map<string, Said>();
  /** How many accepts each process has under way. */
  const accepting = new Map<Owner, number>();
  /** When lifts were asked for that wait for a second person (ms), by their ids. */
  const lifts = new Map<string, number>();
  /** Who was joined with whom, once that was acknowledged (hex). */
  const joined = new Map<string, ReadonlySet<string>>();

  function tryToSay(draft: Draft): Said {
    const contact = parts.keyOf(draft);
    const writer = draft.writer && `${draft.writer.name}:${draft.writer.id}:${contact}`;
    const earlier = writer === undefined ? undefined : byWriter.get(writer);
    if (earlier) return earlier;
    const one: Said = { draft, contact, triedAt: world.now(), acknowledgedAt: undefined, at: 0, id: undefined };
    if (writer !== undefined) byWriter.set(writer, one);
    said.push(one);
    return one;
  }

  function acknowledge(one: Said, accepted: Accepted): void {
    one.acknowledgedAt ??= world.now();
    one.id ??= accepted.id;
    // A retry has a later time than what it repeats, and which of them was recorded its writer cannot know.
    const first = one.draft.writer ? one.triedAt - CLOCKS_APART_MS : accepted.at;
    const known = one.draft.at === undefined ? undefined : Math.min(one.draft.at, accepted.at);
    one.at = known ?? (opens(one.draft.type) ? accepted.at : first);
    world.note(`acknowledged ${one.draft.type} of ${one.contact.slice(0, 6)} (${accepted.id})`);
  }

  /** A lift opens nothing that was denied since it was asked for, whenever it is confirmed. */
  function latestOf({ draft }: Said): number {
    const id = draft.writer?.name === 'staff-approval' ? draft.writer.id.split(':')[0] : undefined;
    return (id === undefined ? undefined : lifts.get(id)) ?? Number.POSITIVE_INFINITY;
  }

  function eventOf({ draft, at, id }: Said, when: number): ContactEvent {
    const { subject: _subject, writer: _writer, evidence: _evidence, actor: _actor, ...fields } = draft;
    return { ...fields, id: id ?? `tried-${when}`, at, recorded: at * 1024 };
  }

  /** All that counts for a contact at least, and all that may open it. */
  function boundOf(
    contact: string,
    asked: { readonly since: number; readonly at: number; readonly unknown: ReadonlySet<string> },
  ): ContactEvent[] {
    const others = spellingsOf(contact);
    return said.flatMap((one, index): ContactEvent[] => {
      const isOpener = opens(one.draft.type);
      const isOwn = one.contact === contact;
      if (isOpener) {
        if (!isOwn) return [];
        const known = one.acknowledgedAt === undefined ? Math.min(one.draft.at ?? asked.at, asked.at) : one.at;
        const at = Math.min(known, latestOf(one));
        return [{ ...eventOf({ ...one, at }, index), id: `g${index}` }];
      }
      if (one.acknowledgedAt === undefined || one.acknowledgedAt > asked.since) return [];
      if (one.id !== undefined && asked.unknown.has(one.id)) return [];
      const reaches =
        isOwn ||
        (others.includes(one.contact) && one.draft.type !== 'erased') ||
        (one.draft.reach === 'person' && joined.get(`${one.contact}@${one.triedAt}`)?.has(contact) === true);
      return reaches ? [{ ...eventOf(one, index), id: `d${index}` }] : [];
    });
  }

  return {
    /** The accept of a process, watched: everything goes through it, whoever says it. */
    watched(accept: Accept, by: Owner): Accept {
      async function acceptAll(drafts: readonly Draft[]): Promise<(Accepted | Error)[]> {
        const tried = drafts.map((draft) => {
          const one = tryToSay(draft);
          const members = joined.get(one.contact);
          if (members && draft.reach === 'person') joined.set(`${one.contact}@${one.triedAt}`, members);
          return one;
        });
        accepting.set(by, (accepting.get(by) ?? 0) + 1);
        const results = await accept.acceptAll(drafts).finally(() => accepting.set(by, (accepting.get(by) ?? 0) - 1));
        results.forEach((result, index) => {
          const one = tried[index];
          if (one && !(result instanceof Error)) acknowledge(one, result);
        });
        return results;
      }
      return {
        ...accept,
        acceptAll,
        async accept(draft) {
          const [result] = await acceptAll([draft]);
          if (result instanceof Error) throw result;
          if (!result) throw new Error('nothing was accepted');
          return result;
        },
      };
    },

    /** Whether a process still accepts something, perhaps for somebody who waits no longer. */
    isAccepting: (by: Owner): boolean => (accepting.get(by) ?? 0) > 0,

    /** What whoever asks this process now has to be told: what it journaled itself, too. */
    asks: (owner: Owner) => ({ since: world.now(), unknown: new Set(parts.journaled(owner)) }),

    /** A lift was asked for; it waits for a second person. */
    askForLift(id: string): void {
      lifts.set(id, world.now() + CLOCKS_APART_MS);
    },

    /** Whether a contact may have said yes to something since (ms). */
    saidYesSince: (contact: string, since: number): boolean =>
      said.some((one) => one.contact === contact && opens(one.draft.type) && one.triedAt > since - CLOCKS_APART_MS),

    /** A join was acknowledged. */
    join(contacts: readonly string[]): void {
      const all = new Set(contacts.flatMap((contact) => [contact, ...(joined.get(contact) ?? [])]));
      for (const contact of all) joined.set(contact, all);
    },

    /** Holds an answer against what was acknowledged before it was asked for. */
    holdAgainst(
      answer: { readonly allowed: boolean; readonly reason: string },
      contact: string,
      query: Omit<Query, 'at'>,
      asked: { readonly since: number; readonly unknown: ReadonlySet<string> },
    ): void {
      if (!answer.allowed) return;
      const at = world.now() + CLOCKS_APART_MS;
      const events = boundOf(contact, { ...asked, at });
      const least = naiveDecision(events, { ...query, at }, parts.policy);
      if (ALLOWING_REASONS.has(least)) return;
      throw new Broken(
        `${contact.slice(0, 6)} was answered ${answer.reason} for ${query.brand}/${query.channel}/${query.purpose} though it is ${least}`,
      );
    },

    acknowledged: (): readonly Readonly<Said>[] => said.filter((one) => one.acknowledgedAt !== undefined),
    said: (): readonly Readonly<Said>[] => said,
  };
}

export type Promises = ReturnType<typeof createPromises>;
