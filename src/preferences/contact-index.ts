import { type ContactState, stateOf } from '../core/contact-state.js';
import { createKeyTable, type Entry } from '../core/key-table.js';
import { contactKeyFromText } from '../core/keys.js';
import { createShapes, onlyEventOf, type Shape } from './index-shapes.js';

/** A contact as the store has it, without the other spellings of its mailbox. */
export interface IndexedContact extends Omit<ContactState, 'others'> {
  readonly key: Buffer;
  readonly overflow: number;
  readonly aliasGroup?: string;
}

/** What an index knows of a contact. */
export const KNOWN = {
  /** Nobody has heard of it. */
  nobody: 0,
  /** Only the store can say. */
  askStore: 1,
  /** Its shape and its event are known. */
  shape: 2,
} as const;
export type Known = (typeof KNOWN)[keyof typeof KNOWN];

/** Kinds of entries below those of shapes. */
const ASK_STORE = 1;
/** A group of spellings with one member, whose key is in the entry. */
const ONE_MEMBER = 2;
const SEVERAL_MEMBERS = 3;
const FIRST_SHAPE = 4;
/** A shape takes some 500 bytes. */
const MAX_SHAPES = 50_000;
/** Beyond these, `pending` is not all that there is: `PENDING_LIMIT` of `src/store/contact-append.ts` is above it. */
const MAX_PENDING = 100;

/**
 * What decisions go by of many contacts, in some 32 bytes each: docs/decisions/decision-index.md. Whatever is more than one
 * event of one contact is left to the store.
 */
export function createContactIndex() {
  const table = createKeyTable();
  const shapes = createShapes(MAX_SHAPES);
  const entry: Entry = { kind: 0, time: 0, high: 0, low: 0 };
  const askStore: Entry = { kind: ASK_STORE, time: 0, high: 0, low: 0 };

  /** The group has this member too. Nobody leaves a group: what is too much is asked of the store. */
  function addMember(group: Buffer, key: Buffer): void {
    const [word0, word1, word2] = [group.readUInt32BE(0), group.readUInt32BE(4), group.readUInt32BE(8)];
    if (!table.find(word0, word1, word2)) {
      entry.kind = ONE_MEMBER;
      entry.time = (key.readUInt32BE(4) >>> 16) * 2 ** 32 + key.readUInt32BE(0);
      entry.high = key.readUInt32BE(8);
      entry.low = key.readUInt32BE(4) & 0xffff;
    } else if (isOnlyMember(key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8))) return;
    else Object.assign(entry, { kind: SEVERAL_MEMBERS, time: 0, high: 0, low: 0 });
    table.set(word0, word1, word2, entry);
  }

  /** Whether the group that was just found has this member alone. */
  function isOnlyMember(word0: number, word1: number, word2: number): boolean {
    const { kind, time, high, low } = table.found;
    if (kind !== ONE_MEMBER) return false;
    return (
      time % 2 ** 32 === word0 &&
      Math.floor(time / 2 ** 32) === word1 >>> 16 &&
      low === (word1 & 0xffff) &&
      high === word2
    );
  }

  function entryOf(contact: IndexedContact): Entry {
    const { key, type, country, aliasGroup, pending, overflow } = contact;
    if (overflow > 0 || pending.length > MAX_PENDING) return askStore;
    const state = stateOf(contact, []);
    const event = onlyEventOf(state, key);
    if (!event) return askStore;
    const shape = shapes.placeOf({ type, grouped: aliasGroup !== undefined, ...(country ? { country } : {}) }, state);
    if (shape === undefined) return askStore;
    return { kind: FIRST_SHAPE + shape, ...event };
  }

  const has = (key: Buffer): boolean => table.find(key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8));

  return {
    has,

    /** From now on this is what the contact is. */
    put(contact: IndexedContact): void {
      const { key, aliasGroup } = contact;
      const group = aliasGroup === undefined ? undefined : contactKeyFromText(aliasGroup);
      // A group whose id is of no known form could not be looked up by its members.
      const known = aliasGroup !== undefined && !group ? askStore : entryOf(contact);
      if (group) addMember(group, key);
      table.set(key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8), known);
    },

    /** From now on only the store can say what the contact is, which belongs to this group from now on. */
    forget(key: Buffer, aliasGroup?: string): void {
      const group = aliasGroup === undefined ? undefined : contactKeyFromText(aliasGroup);
      if (group) addMember(group, key);
      table.set(key.readUInt32BE(0), key.readUInt32BE(4), key.readUInt32BE(8), askStore);
    },

    /**
     * What is known of the contact whose key is at a place of `keys` (the first three words of it). Where it is
     * `KNOWN.shape`, `found` has what, until the next call.
     *
     * @param groups where the ids of groups are, or undefined for a contact whose address tells of no group
     */
    look(keys: Uint32Array, at: number, groups: Uint32Array | undefined): Known {
      const [word0, word1, word2] = [keys[at] ?? 0, keys[at + 1] ?? 0, keys[at + 2] ?? 0];
      if (groups && table.find(groups[at] ?? 0, groups[at + 1] ?? 0, groups[at + 2] ?? 0)) {
        if (!isOnlyMember(word0, word1, word2)) return KNOWN.askStore;
      }
      if (!table.find(word0, word1, word2)) return KNOWN.nobody;
      const { kind } = table.found;
      if (kind < FIRST_SHAPE) return KNOWN.askStore;
      // It belongs to a group that its address does not tell of, so the store has to say who else does.
      return !groups && shapes.at(kind - FIRST_SHAPE).grouped ? KNOWN.askStore : KNOWN.shape;
    },

    /** Of the contact that was just found: the place of its shape, and its event. */
    found: {
      get shape(): number {
        return table.found.kind - FIRST_SHAPE;
      },
      get time(): number {
        return table.found.time;
      },
      get high(): number {
        return table.found.high;
      },
      get low(): number {
        return table.found.low;
      },
    },
    shapeAt: (place: number): Shape => shapes.at(place),

    get size() {
      return table.size;
    },
    get bytes() {
      return table.bytes;
    },
    get shapes() {
      return shapes.size;
    },
  };
}

export type ContactIndex = ReturnType<typeof createContactIndex>;
