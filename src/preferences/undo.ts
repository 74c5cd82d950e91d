import type { Clock } from '../core/clock.js';
import type { ContactType } from '../core/contact-point.js';
import { type DenialAtom, EMPTY_STATE, fold, type State } from '../core/fold.js';
import { scopeText } from '../core/scope.js';
import { type Undoing, undoing } from '../core/undo.js';
import { inTime, unavailable } from '../store/connect.js';
import type { Contact, Contacts } from '../store/contacts.js';
import type { Persons } from '../store/persons.js';
import type { Draft } from './accept.js';

/** An event that takes something back, and the contact it is for. */
export interface Undone extends Undoing {
  readonly key: Buffer;
  readonly contactType: ContactType;
  readonly reach?: 'person';
}

/** The fields of a draft that every way of taking back has in common; source and writer are the caller's. */
export function undoDraft(undone: Undone): Pick<Draft, 'subject' | 'type' | 'scope' | 'lifts' | 'until' | 'reach'> & {
  readonly evidence: Readonly<Record<string, string>>;
} {
  return {
    subject: { key: undone.key, type: undone.contactType },
    type: undone.type,
    scope: undone.scope,
    // An older or a later opt-out that came another way stays.
    lifts: 'same_source',
    evidence: { undoes: `e_${undone.undoes}`, ...(undone.restores ? { restores: `e_${undone.restores}` } : {}) },
    ...(undone.until === undefined ? {} : { until: undone.until }),
    ...(undone.reach ? { reach: undone.reach } : {}),
  };
}

/** Says which contact a writer's id is for, what it takes back and what it gives back: the same act again is one event. */
export function undoStep({ key, undoes, restores, scope }: Undone): string {
  return [key.toString('hex'), undoes, restores ?? '', ...Object.values(scope)].join(':');
}

const denialsOf = (state: State): DenialAtom[] => state.atoms.filter((atom): atom is DenialAtom => atom.t === 'denial');

/** A person's copy of a denial has an id of its own, but the time, the scope and the way in of the first. */
function sameArrival(firsts: readonly DenialAtom[]): (denial: DenialAtom) => boolean {
  const arrival = ({ destination, type, at, scope }: DenialAtom) => [destination, type, at, scopeText(scope)].join(' ');
  const known = new Set(firsts.map(arrival));
  return (denial) => known.has(arrival(denial));
}

/** Finds what taking denials back means for each contact of the person they reached. */
export function createUndo(parts: { readonly contacts: Contacts; readonly persons: Persons; readonly clock: Clock }) {
  const { contacts, persons, clock } = parts;

  async function linkedTo(found: Iterable<Contact>): Promise<Map<string, Contact>> {
    const all = new Map<string, Contact>();
    const others: Buffer[] = [];
    for (const contact of found) {
      all.set(contact.key.toString('hex'), contact);
      let person = contact.person === undefined ? undefined : await persons.get(contact.person);
      while (person?.mergedInto) person = await persons.get(person.mergedInto);
      others.push(...(person?.members ?? []).map(({ key }) => key));
    }
    const missing = others.filter((key) => !all.has(key.toString('hex')));
    for (const [key, contact] of await contacts.find(missing)) all.set(key, contact);
    return all;
  }

  return {
    /**
     * What takes denials of these contacts back: those of one event, or all that came through one source. Empty when there
     * are none.
     *
     * The opt-in reaches whom the denial reached. A consent is given back to the contact that had given it, and to no
     * other. Throws HushError('unavailable').
     */
    async plan(
      keys: readonly Buffer[],
      which: { readonly event: string } | { readonly through: string },
    ): Promise<Undone[]> {
      try {
        const own = await inTime(contacts.find(keys));
        const everybody = await inTime(linkedTo(own.values()));
        const states = new Map([...everybody].map(([id, { state, pending }]) => [id, fold(state, pending)]));
        const denialsHeld = (id: string) => denialsOf(states.get(id) ?? EMPTY_STATE);
        const meant =
          'through' in which
            ? (denial: DenialAtom) => denial.destination === which.through
            : sameArrival([...own.keys()].flatMap(denialsHeld).filter(({ id }) => id === which.event));
        return [...everybody].flatMap(([id, contact]) => {
          const steps = undoing(states.get(id) ?? EMPTY_STATE, denialsHeld(id).filter(meant), clock.now());
          return steps
            .filter(({ type }) => type === 'consent_granted' || own.has(id))
            .map((step) => ({
              ...step,
              key: contact.key,
              contactType: contact.type,
              ...(step.type === 'opted_in' && contact.person !== undefined ? { reach: 'person' as const } : {}),
            }));
        });
      } catch (error) {
        throw unavailable(error);
      }
    },
  };
}

export type Undo = ReturnType<typeof createUndo>;
