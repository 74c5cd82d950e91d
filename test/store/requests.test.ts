import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createRequestStore, type RequestStore } from '../../src/store/requests.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: RequestStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createRequestStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const KEY = Buffer.alloc(16, 1);
const NAMES = [Buffer.from('jo'), Buffer.from('doe')];
const record = (id: string) => ({
  id,
  kind: 'deletion' as const,
  state: 'received' as const,
  way: 'form' as const,
  jurisdiction: 'eu',
  brand: 'jmf',
  language: 'en',
  receivedAt: new Date(1000),
  firstDue: new Date(5000),
  due: new Date(5000),
  contacts: [{ key: KEY, type: 'email' as const, verified: false }],
  byAgent: false,
  receipts: [],
  unread: false,
  letters: [{ kind: 'acknowledgement', at: new Date(1000), text: Buffer.from('why') }],
  alerts: [],
  dataKey: Buffer.from('key'),
  personal: Buffer.from('words'),
  history: [{ at: new Date(1000), by: 'person', what: 'received' }],
});
const entry = { at: new Date(2000), by: 'staff dana', what: 'assign', facts: { to: 'Lee' }, text: Buffer.from('x') };

test('a request reads as it was written, every field of it', async () => {
  const full = {
    ...record('q_1'),
    acknowledgedAt: new Date(1),
    extendedAt: new Date(2),
    extensionReason: 'complex',
    authority: 'f_1',
    confirmedAt: new Date(3),
    verifiedAt: new Date(4),
    verifiedBy: 'link' as const,
    assignee: { id: 'lee', name: 'Lee' },
    denialReason: 'd',
    refusalReason: 'r',
    outcome: 'upheld' as const,
    package: 'p',
    overriddenAt: new Date(5),
  };
  expect(await setting.writesOf(() => store.insert({ ...full, names: NAMES }))).toEqual(['requests durable']);
  expect(await store.get('q_1')).toEqual({ ...full, rev: 0 });
});

test('a change comes in once, with its entry', async () => {
  const change = () =>
    store.change({ id: 'q_1', rev: 0 }, { state: 'in_progress', letters: [], receipts: ['e_1'] }, [entry]);
  expect([await change(), await change()]).toEqual([true, false]);
  expect(await store.get('q_1')).toMatchObject({
    rev: 1,
    state: 'in_progress',
    letters: [],
    receipts: ['e_1'],
    history: [{ what: 'received' }, entry],
  });
  expect([await store.raise('q_1', 'late', entry), await store.raise('q_1', 'late', entry)]).toEqual([true, false]);
  expect((await store.get('q_1'))?.alerts).toEqual([{ id: 'late', at: entry.at }]);
});

test('an unknown state is refused, in a change too', async () => {
  await expect(store.change({ id: 'q_1', rev: 2 }, { state: 'lost' as never }, [])).rejects.toThrow(/enum/);
  await expect(store.insert({ ...record('q_0'), kind: 'lost' as never })).rejects.toThrow(/enum/);
});

test('requests are found by contact, name, reference, assignee and state', async () => {
  await store.insert({ ...record('q_2'), receivedAt: new Date(3000), due: new Date(4000), closedAt: new Date(4000) });
  const ids = async (filter: object) => (await store.list(filter, 0, 10)).map(({ id }) => id);
  expect(await ids({})).toEqual(['q_2', 'q_1']);
  expect((await store.list({}, 0, 10, { by: 'received' })).map(({ id }) => id)).toEqual(['q_1', 'q_2']);
  expect(await ids({ names: NAMES, contact: KEY })).toEqual(['q_1']);
  expect(await ids({ reference: '2' })).toEqual(['q_2']);
  expect(await ids({ assignee: 'lee', open: true, by: 'person' })).toEqual(['q_1']);
  expect(await ids({ assignee: '' })).toEqual(['q_2']);
  expect(await store.count({ state: 'received', receivedFrom: new Date(3000) })).toBe(1);
  expect((await store.ofContacts([KEY])).map(({ id }) => id)).toEqual(['q_2', 'q_1']);
  expect((await store.unsent(new Date(2000), 10)).map(({ id }) => id)).toEqual(['q_2']);
  expect((await store.closedBefore(new Date(4000), 10)).map(({ id }) => id)).toEqual(['q_2']);
  expect((await store.open('q_1', 10)).map(({ id, history }) => [id, history])).toEqual([['q_2', []]]);
  expect((await store.unnamed(10)).map(({ id }) => id)).toEqual(['q_2']);
  await store.name('q_2', NAMES);
  expect(await store.unnamed(10)).toEqual([]);
});

test('of a closed request the words are forgotten, and at last the record goes', async () => {
  await store.forget('q_1', entry);
  expect((await store.get('q_1'))?.dataKey).toBeDefined();
  await store.change({ id: 'q_1', rev: 2 }, { state: 'withdrawn' }, []);
  await store.forget('q_1', entry);
  const [forgotten] = await setting.all('requests');
  expect(Object.keys(forgotten ?? {})).not.toEqual(expect.arrayContaining(['dataKey']));
  expect(forgotten).not.toHaveProperty('names');
  expect(await store.purge({ id: 'q_1', rev: 0 })).toBe(false);
  expect(await store.purge({ id: 'q_1', rev: 4 })).toBe(true);
});

test('a request that an older version wrote, without what came later, is read and changed', async () => {
  const { id: _id, letters: _letters, alerts: _alerts, receipts: _receipts, ...row } = record('q_3');
  await setting.put('requests', { ...row, _id: 'q_3', rev: 0, assignee: null });
  const old = record('q_3');
  expect(await store.get('q_3')).toMatchObject({ ...old, letters: [], alerts: [], receipts: [], rev: 0 });
  expect(await store.raise('q_3', 'late', entry)).toBe(true);
  expect(await store.change({ id: 'q_3', rev: 1 }, { unread: true }, [entry])).toBe(true);
  expect(await store.get('q_3')).toMatchObject({ rev: 2, unread: true, alerts: [{ id: 'late' }] });
});
