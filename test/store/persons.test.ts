import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../src/core/keys.js';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

let hush: Hush;
let round = 0;
let person = '';
let names: readonly string[] = [];
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
});
afterAll(() => hush?.stop());
beforeEach(async () => {
  round++;
  names = [1, 2, 3].map((n) => `person${round}-${n}@example.com`);
  person = await join(...names);
});

async function join(...emails: readonly string[]): Promise<string> {
  const contacts = emails.map((email) => ({ email }));
  return (await hush.ask<{ person: string }>('/v1/contacts/link', { contacts })).person;
}

const event = (email: string, type: string, more: object = {}) => ({
  contact: { email },
  type,
  reach: 'person',
  scope: SCOPE,
  source: { kind: 'api' },
  ...more,
});
async function say(...events: readonly object[]): Promise<void> {
  const { rejected } = await hush.ask<{ rejected: object[] }>('/v1/events', { events });
  expect(rejected).toEqual([]);
}
const isAllowed = async (email: string) => (await hush.decide({ email })).allowed;

const rows = (name: string, filter: object) => hush.hush.stores.connection.collection(name).find(filter).toArray();
const documents = async () => rows('person_events', { person });
/** Bytes of the person's own document. */
async function size(): Promise<number> {
  const [row] = await hush.hush.stores.connection
    .collection('persons')
    .aggregate([{ $match: { _id: person } }, { $project: { bytes: { $bsonSize: '$$ROOT' } } }])
    .toArray();
  return Number(row?.bytes);
}

describe('what is said for all contacts of a person', () => {
  test('leaves a document of bounded size and a bounded number of events behind, however often it is said', async () => {
    const before = await size();
    for (let n = 0; n < 6; n++) {
      const types = ['opted_out', 'opted_in', 'objected'];
      await say(...Array.from({ length: 50 }, (_, at) => event(names[at % 3] ?? '', types[(n + at) % 3] ?? '')));
    }
    await say(event(names[0] ?? '', 'opted_out'));
    await until(async () => (await documents()).length <= 33);
    expect(await size()).toBe(before);
    expect(await Promise.all(names.map(isAllowed))).toEqual([false, false, false]);
  });

  test('reaches who joins later, also what was said before hundreds of other acts', async () => {
    const [first = ''] = names;
    await say(event(first, 'opted_out', { scope: { brand: 'shipping' } }));
    await say(...Array.from({ length: 100 }, () => event(first, 'opted_out')));
    await say(...Array.from({ length: 100 }, () => event(first, 'objected', { scope: { brand: 'jmf' } })));
    const late = `late${round}@example.com`;
    await until(async () => {
      await say(event(first, 'cadence_set', { cadence: 'weekly' }));
      return (await documents()).length <= 33;
    });
    await join(first, late);
    expect(await hush.decide({ email: late })).toMatchObject({ allowed: false });
    expect(await hush.decide({ email: late }, 'promotion', { brand: 'shipping' })).toMatchObject({ allowed: false });
  });

  test('is kept apart from the person that it was merged from', async () => {
    const others = [1, 2].map((n) => `other${round}-${n}@example.com`);
    await join(...others);
    await say(event(others[0] ?? '', 'opted_out'));
    person = await join(names[0] ?? '', others[1] ?? '');
    expect(await Promise.all([...names, ...others].map(isAllowed))).toEqual(Array(5).fill(false));
  });
});

describe('a person of a former version, whose events are in its own document', () => {
  const stored = (n: number, more: object = {}) => ({
    id: `FORMER-${round}-${n}`,
    type: 'opted_out',
    at: Date.now() - 1000 + n / 1000,
    recorded: (Date.now() - 1000) * 1024 + n,
    source: { kind: 'link', destination: 'link:former' },
    scope: { ...SCOPE, topic: '*' },
    reach: 'person',
    ...more,
  });
  const fill = (events: readonly object[], more: object = {}) =>
    hush.hush.stores.connection
      .collection('persons')
      .updateOne({ _id: person as never }, { $set: { events: [...events], ...more } });

  test('that is as large as a document can be takes one more opt-out', async () => {
    // A little less than the 16 MB at which MongoDB refuses a document.
    const filler = 'x'.repeat(16_000);
    await fill(Array.from({ length: 1000 }, (_, n) => stored(n, { filler })));
    expect(await size()).toBeGreaterThan(16_000_000);
    await say(event(names[1] ?? '', 'opted_out', { scope: { brand: 'shipping' } }));
    for (const email of names)
      expect(await hush.decide({ email }, 'promotion', { brand: 'shipping' })).toMatchObject({ allowed: false });
    await until(async () => (await size()) < 1000);
    await say(event(names[1] ?? '', 'opted_out', { scope: { brand: 'shipping' } }));
    await until(async () => (await documents()).length <= 33);
  });

  test.each([
    ['', 1, ''],
    ['when its document is full', 1000, 'x'.repeat(16_000)],
  ])('gives its denials to who joins %s', async (_name, count, filler) => {
    await fill(Array.from({ length: count }, (_, n) => stored(n, { filler })));
    const late = `former-late${round}@example.com`;
    await join(names[0] ?? '', late);
    expect(await isAllowed(late)).toBe(false);
    expect(await rows('persons', { _id: person, 'events.0': { $exists: true } })).toEqual([]);
  });

  test('has an act that a crash left half done finished', async () => {
    await fill([stored(1), stored(2, { scope: { brand: 'shipping' } })], {
      open: [stored(2).id],
      openSince: new Date(0),
    });
    const { stores, accept } = hush.hush;
    expect(await stores.persons.unfinished(new Date(Date.now() + 1000), 10)).toMatchObject([
      { person, event: { id: stored(2).id } },
    ]);
    await stores.connection
      .collection('person_events')
      .updateMany({ person, open: { $exists: true } }, [{ $set: { open: new Date(0) } }]);
    expect(await accept.finishPersons()).toBe(1);
    expect(await Promise.all(names.map(isAllowed))).toEqual([true, true, true]);
    for (const email of names)
      expect(await hush.decide({ email }, 'promotion', { brand: 'shipping' })).toMatchObject({ allowed: false });
  });
});

test('a person has at most 500 contacts: their list is one document', async () => {
  const { persons } = hush.hush.stores;
  const members = Array.from({ length: 497 }, (_, n) => ({
    key: Buffer.alloc(16, n % 256).fill(n >> 8, 0, 4),
    type: 'id',
  }));
  await persons.addMembers(person, members);
  const response = await hush.post('/v1/contacts/link', {
    contacts: [{ email: names[0] }, { email: 'one-too-many@example.com' }],
  });
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ field: 'contacts' });
  // Those that are there already are no more than there are.
  expect(await join(names[0] ?? '', names[1] ?? '')).toBe(person);
  expect(contactKeyFromText(person)).toBeUndefined();
});
