import type { DenialAtom } from '../core/atoms.js';
import type { Clock } from '../core/clock.js';
import type { ContactType } from '../core/contact-point.js';
import { stateOf } from '../core/contact-state.js';
import type { ContactEvent } from '../core/event.js';
import { type State, unfolded } from '../core/fold.js';
import type { Machine } from '../core/machine.js';
import { scopeText } from '../core/scope.js';
import { standingDenials } from '../core/standing.js';
import { type Undoing, undoing } from '../core/undo.js';
import { BATCH_TIMEOUT_MS, unavailable, withTimeout } from '../store/connect.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Ledger } from '../store/ledger.js';
import type { Persons } from '../store/persons.js';
import type { Draft } from './draft.js';
import { linkedKeys } from './persons.js';

/** An event that takes something back, and the contact it is for. */
export interface Undone extends Undoing {
  readonly key: Buffer;
  readonly contactType: ContactType;
  /** Source of what is taken back, and so of what takes it back. */
  readonly through: string;
  /** ms; when what it is for was looked up: what is said from then on stands. */
  readonly at: number;
}

/** What is to be recorded, and what stands besides at the contacts that were asked about. */
export interface Undos {
  readonly steps: readonly Undone[];
  readonly standing: readonly DenialAtom[];
}

/** Which denials: those of some events (all through one source, where it is given), or all that came through one source. */
export type Which = { readonly events: readonly string[]; readonly through?: string } | { readonly through: string };

type UndoDraft = Pick<Draft, 'subject' | 'type' | 'at' | 'scope' | 'lifts' | 'liftsAt' | 'until'> & {
  readonly evidence: Readonly<Record<string, string>>;
};

/** The fields of a draft that every way of taking back has in common; source and writer are the caller's. */
export function undoDraft(undone: Undone): UndoDraft {
  return {
    subject: { key: undone.key, type: undone.contactType },
    type: undone.type,
    at: undone.at,
    scope: undone.scope,
    lifts: undone.lifts,
    liftsAt: undone.liftsAt,
    evidence: { undoes: `e_${undone.undoes}`, ...(undone.restores ? { restores: `e_${undone.restores}` } : {}) },
    ...(undone.until === undefined ? {} : { until: undone.until }),
  };
}

/** Says which contact a writer's id is for, when, what it takes back and what it gives back. */
export function undoStep({ key, at, undoes, restores, scope }: Undone): string {
  return [key.toString('hex'), at, undoes, restores ?? '', scopeText(scope)].join(':');
}

interface SourcedDenial extends DenialAtom {
  readonly destination: string;
}

const denialsOf = ({ atoms }: State): SourcedDenial[] =>
  atoms.filter((atom): atom is SourcedDenial => atom.t === 'denial' && atom.destination !== undefined);

/** A person's copy of a denial has an id of its own, but the time, the scope and the way in of the first. */
function sameArrival(firsts: readonly DenialAtom[]): (denial: DenialAtom) => boolean {
  const arrival = ({ destination, type, at, scope }: DenialAtom) => [destination, type, at, scopeText(scope)].join(' ');
  const known = new Set(firsts.map(arrival));
  return (denial) => known.has(arrival(denial));
}

/** Finds what taking denials back means for each contact of the person they reached. */
export function createUndo(parts: {
  readonly contacts: Contacts;
  readonly ledger: Ledger;
  readonly persons: Persons;
  readonly clock: Clock;
  readonly machine: Pick<Machine, 'after'>;
}) {
  const { contacts, ledger, persons, clock, machine } = parts;

  async function linkedTo(found: Iterable<Contact>): Promise<Map<string, Contact>> {
    const all = new Map<string, Contact>();
    const others: Buffer[] = [];
    for (const contact of found) {
      all.set(contact.key.toString('hex'), contact);
      others.push(...(await linkedKeys(persons, contact)));
    }
    const missing = others.filter((key) => !all.has(key.toString('hex')));
    for (const [key, contact] of await contacts.find(missing)) all.set(key, contact);
    return all;
  }

  async function historyOf(contact: Contact): Promise<ContactEvent[]> {
    const recorded: readonly ContactEvent[] = (await ledger.ofContact(contact.key)).map(({ event }) => event);
    return [...recorded, ...contact.pending];
  }

  async function look(keys: readonly Buffer[], which: Which, at: number): Promise<Undos> {
    const own = await contacts.find(keys);
    const everybody = await linkedTo(own.values());
    const histories = await Promise.all(
      [...everybody].map(async ([id, contact]) => {
        const events = await historyOf(contact);
        return { id, contact, events, denials: denialsOf(unfolded(events)) };
      }),
    );
    const named = (denial: DenialAtom) =>
      !('events' in which) ||
      (which.events.includes(denial.id) && (which.through === undefined || denial.destination === which.through));
    const meant =
      'events' in which
        ? sameArrival(histories.flatMap(({ id, denials }) => (own.has(id) ? denials.filter(named) : [])))
        : (denial: DenialAtom) => denial.destination === which.through;
    const plans = histories.map(({ id, contact, events, denials }) => {
      const asked = denials.filter(meant);
      const sources = new Map(asked.map((denial) => [denial.id, denial.destination]));
      const { steps, standing } = undoing(events, asked, at);
      const { key, type: contactType } = contact;
      return {
        steps: steps.map((step) => ({ ...step, key, contactType, through: sources.get(step.undoes) ?? '', at })),
        standing: own.has(id) ? standing : [],
      };
    });
    // What another spelling of the mailbox denied holds here too, and is not this undo's to lift.
    const shared = [...own.values()].flatMap(({ others = [] }) => standingDenials(stateOf(undefined, others), at));
    return {
      steps: plans.flatMap(({ steps }) => steps),
      standing: [...plans.flatMap(({ standing }) => standing), ...shared],
    };
  }

  return {
    /**
     * What takes denials of these contacts back, here and at each contact of the person that they reached. A consent is given
     * back to the contact that had given it, and to no other. Throws HushError('unavailable').
     */
    async plan(keys: readonly Buffer[], which: Which): Promise<Undos> {
      try {
        return await withTimeout(machine, look(keys, which, clock.now()), BATCH_TIMEOUT_MS);
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type Undo = ReturnType<typeof createUndo>;
