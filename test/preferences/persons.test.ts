import { describe, expect, test } from '@jest/globals';
import { eventId, keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import {
  currentPerson,
  finishPersons,
  linkedKeys,
  type PersonsContext,
  reachPerson,
} from '../../src/preferences/persons.js';
import type { Append, StoredEvent } from '../../src/store/contacts.js';
import type { Person } from '../../src/store/persons.js';

const key = (n: number): Buffer => Buffer.alloc(16, n);
const members = (...numbers: number[]) => numbers.map((n) => ({ key: key(n), type: 'email' }));
const keyring = keyringFromSecret('a secret of this test, long enough', machine.randomBytes);

/** Persons in memory, with what was said for each and is not at every contact yet. */
function memory(persons: readonly Person[], person?: string) {
  const byId = new Map(persons.map((one) => [one.id, one]));
  const said = new Map<string, StoredEvent[]>();
  const open = new Set<string>();
  const appended: Append[] = [];
  const unused = () => Promise.reject(new Error('not expected here'));
  const context: PersonsContext = {
    keyring,
    privateParts: { newKeySeed: () => Buffer.alloc(17, 1) },
    aliasGroupOf: () => undefined,
    clock: { now: () => 0, recorded: () => 7 },
    machine,
    append: async (item) => void appended.push(item),
    contacts: {
      find: async () => new Map([[key(1).toString('hex'), { person } as never]]),
      introduce: async () => undefined,
      setPerson: unused,
    },
    persons: {
      get: async (id) => byId.get(id),
      append: async (id, event) => {
        said.set(id, [...(said.get(id) ?? []), event]);
        open.add(`${id}:${event.id}`);
        return byId.get(id) ?? { id, members: [] };
      },
      close: async (id, ids) => ids.forEach((one) => void open.delete(`${id}:${one}`)),
      eventsOf: async (id) => said.get(id) ?? [],
      unfinished: async () =>
        [...open].map((one) => ({
          person: one.split(':')[0] ?? '',
          event: { ...denial, id: one.split(':')[1] ?? '' },
        })),
      drop: unused,
      addMembers: unused,
      merge: unused,
      adopt: unused,
    },
  };
  return { context, said, open, appended };
}

const denial: StoredEvent = {
  id: 'first',
  type: 'opted_out',
  at: 5,
  recorded: 6,
  source: { kind: 'link' },
  reach: 'person',
  sealed: Buffer.from('an address'),
};
const merged: Person[] = [
  { id: 'a', members: members(1), mergedInto: 'b' },
  { id: 'b', members: members(1, 2), mergedInto: 'c' },
  { id: 'c', members: members(1, 2, 3) },
];

describe('the current person', () => {
  test('is the last of those that one was merged into; one that nobody knows is itself', async () => {
    const { persons } = memory(merged).context;
    expect((await currentPerson(persons, 'a')).id).toBe('c');
    expect((await currentPerson(persons, 'c')).id).toBe('c');
    expect(await currentPerson(persons, 'nobody')).toEqual({ id: 'nobody', members: [] });
  });

  test('has the other contacts of one', async () => {
    const { persons } = memory(merged).context;
    expect(await linkedKeys(persons, { key: key(2), person: 'a' })).toEqual([key(1), key(3)]);
    expect(await linkedKeys(persons, { key: key(2) })).toEqual([]);
  });
});

describe('an event for a whole person', () => {
  test('is recorded at the person, however often it was merged, then at every contact, and is finished then', async () => {
    const { context, said, open, appended } = memory(merged, 'a');
    await reachPerson(context, { key: key(1), type: 'email', event: denial }, denial);
    const { sealed: _sealed, ...shared } = denial;
    expect([...said]).toEqual([
      ['a', [shared]],
      ['c', [shared]],
    ]);
    expect(appended.map((item) => item.key)).toEqual([key(1), key(2), key(3)]);
    expect(appended[0]?.event).toEqual(denial);
    // A copy has an id that a repeat has again, and nothing personal.
    const copy = { ...shared, recorded: 7, id: eventId(keyring, key(3), { name: 'person:c', id: 'first' }) };
    expect(appended[2]?.event).toEqual(copy);
    expect(open.size).toBe(0);
  });

  test('that a crash left half done is brought to all of them', async () => {
    const { context, open, appended } = memory(merged);
    open.add('b:first');
    expect(await finishPersons(context)).toBe(1);
    expect(appended.map((item) => item.key)).toEqual([key(1), key(2), key(3)]);
    expect(open.size).toBe(0);
  });
});
