import type { Atom } from '../core/atoms.js';
import { decodeBase32, encodeBase32 } from '../core/base32.js';
import type { ContactType } from '../core/contact-point.js';
import type { State } from '../core/fold.js';

/** What many contacts have in common: all but when, and by which event. */
export interface Shape {
  readonly type: ContactType;
  readonly country?: string;
  /** It belongs to a group of spellings. */
  readonly grouped: boolean;
  /** What its one event said, as if it had been at time 0. */
  readonly atoms: readonly Atom[];
  /** From the event on, no decision depends on how long ago that was. */
  readonly lasting: boolean;
}

/** The event of a contact: its time (ms), and the 7 bytes of its id that do not follow from the contact. */
export interface ShapedEvent {
  time: number;
  /** 4 bytes. */
  high: number;
  /** 3 bytes. */
  low: number;
}

/** Bytes of an event's id that are the first of its contact's key. */
const KEY_BYTES = 5;
const ID_BYTES = 12;
const GROUPED_ID = /^(?:[0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}$/;

const grouped = (letters: string): string =>
  `${letters.slice(0, 4)}-${letters.slice(4, 8)}-${letters.slice(8, 12)}-${letters.slice(12, 16)}-${letters.slice(16)}`;

/** The id of an event of the contact. `word0` and `word1` are the first of its key. */
export function eventIdOf(word0: number, word1: number, { high, low }: Omit<ShapedEvent, 'time'>): string {
  const bytes = Buffer.allocUnsafe(ID_BYTES);
  bytes.writeUInt32BE(word0, 0);
  bytes[4] = word1 >>> 24;
  bytes.writeUInt32BE(high, 5);
  bytes[9] = low >>> 16;
  bytes[10] = low >>> 8;
  bytes[11] = low;
  return grouped(encodeBase32(bytes));
}

function isLasting(atom: Atom): boolean {
  if ('until' in atom || 'liftsAt' in atom) return false;
  return atom.t !== 'fact' || !('implied' in atom.fact);
}

/** The event that all of the state is about; undefined where there are several, or where its id tells another contact.
 * A contact of which nothing but its key is known has one at time 0. */
export function onlyEventOf({ atoms, horizon }: State, key: Buffer): ShapedEvent | undefined {
  const [first] = atoms;
  if (!first && horizon === 0) return { time: 0, high: 0, low: 0 };
  if (!first || horizon > first.at || !Number.isSafeInteger(first.at) || first.at < 0 || first.at >= 2 ** 48) {
    return undefined;
  }
  if (atoms.some(({ at, recorded, id }) => at !== first.at || recorded !== first.recorded || id !== first.id)) {
    return undefined;
  }
  const bytes = GROUPED_ID.test(first.id) ? decodeBase32(first.id.replaceAll('-', ''), ID_BYTES) : undefined;
  if (!bytes || key.compare(bytes, 0, KEY_BYTES, 0, KEY_BYTES) !== 0) return undefined;
  const id = Buffer.from(bytes.buffer, bytes.byteOffset, ID_BYTES);
  return { time: first.at, high: id.readUInt32BE(5), low: id.readUIntBE(9, 3) };
}

/** The state that a shape and an event stand for. No answer shows `recorded`, which only orders events: there is one. */
export function stateOfShape({ atoms }: Pick<Shape, 'atoms'>, time: number, id: string): State {
  return { atoms: atoms.map((atom) => ({ ...atom, at: time, recorded: 0, id })), horizon: 0 };
}

/** Shapes, equal ones once. At most `most` are kept: contacts of further ones are read from the store. */
export function createShapes(most: number) {
  const shapes: Shape[] = [];
  const places = new Map<string, number>();
  return {
    /** The place of a shape; undefined where there are too many. */
    placeOf(contact: Pick<Shape, 'type' | 'country' | 'grouped'>, state: State): number | undefined {
      const atoms = state.atoms.map((atom) => ({ ...atom, at: 0, recorded: 0, id: '' }));
      const text = JSON.stringify([contact.type, contact.country, contact.grouped, atoms]);
      const known = places.get(text);
      if (known !== undefined || shapes.length >= most) return known;
      const { type, country } = contact;
      const shape = { type, ...(country ? { country } : {}), grouped: contact.grouped, atoms };
      places.set(text, shapes.length);
      return shapes.push({ ...shape, lasting: atoms.every(isLasting) }) - 1;
    },

    at(place: number): Shape {
      const shape = shapes[place];
      if (!shape) throw new Error(`there is no shape ${place}`);
      return shape;
    },

    get size() {
      return shapes.length;
    },
  };
}
