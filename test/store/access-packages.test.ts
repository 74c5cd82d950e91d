import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type AccessStore, createAccessStore } from '../../src/store/access-packages.js';
import { openStoreSetting, type StoreSetting } from './setting.js';

let setting: StoreSetting;
let store: AccessStore;
beforeAll(async () => {
  setting = await openStoreSetting();
  store = createAccessStore(setting.connection);
  await Promise.all(store.models.map((model) => model.createIndexes()));
});
afterAll(() => setting?.close());

const CONTACT = Buffer.alloc(16, 1);
const made = {
  id: 'p',
  request: 'q_1',
  contacts: [CONTACT],
  language: 'en',
  brand: 'jmf',
  way: 'download' as const,
  state: 'gathering' as const,
  by: 'dana',
  at: 1000,
  systems: [{ name: 'crm', state: 'waiting' as const, attempts: 0, due: 1000, deadline: 9000 }],
  key: Buffer.from('key'),
};
const download = {
  id: 'd',
  token: 't',
  salt: Buffer.from('salt'),
  check: Buffer.from('check'),
  size: 10,
  chunks: 1,
  attempts: 1,
  at: 3000,
  until: 8000,
};

test('a request has one package, gathered under a lease', async () => {
  expect(await setting.writesOf(() => store.begin(made))).toEqual(['access_packages durable']);
  expect(await store.begin({ ...made, id: 'other' })).toEqual(made);
  expect(await store.take('one', new Date(1000), new Date(2000))).toEqual(made);
  expect(await store.take('two', new Date(1000), new Date(2000))).toBeUndefined();
  const systems = [{ name: 'crm', state: 'answered' as const, attempts: 1, due: 1000, deadline: 9000, at: 1500 }];
  const files = { 'data.json': { chunks: 1, size: 10 } };
  const change = {
    systems,
    files,
    state: 'ready' as const,
    build: 'b',
    readyAt: new Date(2000),
    until: new Date(9000),
  };
  expect(await store.settle('p', 'two', change)).toBe(false);
  expect(await store.settle('p', 'one', change)).toBe(true);
  expect(await store.get('p')).toEqual({ ...made, ...change, readyAt: 2000, until: 9000 });
  expect(await store.list(0, 10)).toMatchObject({ rows: [{ id: 'p' }], total: 1 });
});

test('a link is fetched by one at a time, and its tries are counted', async () => {
  await store.keepPart('p', 'download/d/0', Buffer.from('x'), new Date(9000));
  expect(await store.offer('p', download, 'dana', new Date(3000))).toBe(true);
  expect((await store.byToken('t'))?.download).toEqual(download);
  expect((await store.tryPassphrase('t', 4000))?.download?.attempts).toBe(0);
  expect(await store.tryPassphrase('t', 4000)).toBeUndefined();
  expect([await store.beginFetch('t', 4000, 5000), await store.beginFetch('t', 4000, 5000)]).toEqual([true, false]);
  await store.endFetch('t');
  expect(await store.beginFetch('t', 4000, 5000)).toBe(true);
  await store.giveBack('t');
  await store.opened('p', new Date(4500));
  expect(await store.get('p')).toMatchObject({ state: 'delivered', openedAt: 4500, download: { attempts: 3 } });
  expect(await store.tryPassphrase('t', 4600)).toBeUndefined();
  await store.offer('p', { ...download, id: 'e' }, 'dana', new Date(5000));
  expect(await store.part('p', 'download/d/0')).toBeUndefined();
});

test('when it is over, or its contact is erased, key and parts go', async () => {
  await store.keepPart('p', 'answers/0', Buffer.from('x'), new Date(9000));
  expect(await store.over(new Date(9000))).toEqual(['p']);
  expect(await store.mailed()).toEqual([]);
  await store.forget([CONTACT]);
  expect(await store.over(new Date(9000))).toEqual([]);
  expect(await store.part('p', 'answers/0')).toBeUndefined();
  expect(await store.get('p')).not.toHaveProperty('key');
  expect(await store.delivered('p', 'dana', new Date())).toBe(false);
});
