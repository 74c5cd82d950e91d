import { afterEach, expect, test } from '@jest/globals';
import { EMPTY_STATE } from '../../src/core/fold.js';
import { machine } from '../../src/machine.js';
import { type ContactIndex, KNOWN } from '../../src/preferences/contact-index.js';
import { createDecisionIndex, type DecisionIndex } from '../../src/preferences/decision-index.js';
import type { WatchedChanges } from '../../src/store/contact-watch.js';
import type { Contact } from '../../src/store/contacts.js';
import { until } from '../support/until.js';

const keyOf = (n: number) => Buffer.alloc(16, n);
const words = (n: number) => Uint32Array.from({ length: 4 }, () => keyOf(n).readUInt32BE(0));
const contactOf = (n: number): Contact =>
  ({ key: keyOf(n), type: 'email', state: EMPTY_STATE, pending: [], overflow: 0 }) as unknown as Contact;
/** What waits until the test says so. */
function gates<Input, Result>() {
  const open: { input: Input; resolve: (result: Result) => void; reject: (error: Error) => void }[] = [];
  return {
    call: (input: Input) => new Promise<Result>((resolve, reject) => open.push({ input, resolve, reject })),
    /** The next call, once it is made. */
    next: () => until(() => open.shift()),
  };
}

/** An index on a database that gives what the test says, when it says so. */
function indexOnFake() {
  const looks = gates<number, WatchedChanges>();
  const scans = gates<void, Contact[] | undefined>();
  const rereads = gates<readonly Buffer[], Contact[]>();
  const opened: unknown[] = [];
  const state = { moment: 10n };
  const contacts: Parameters<typeof createDecisionIndex>[0]['contacts'] = {
    async watch(after) {
      opened.push(after);
      return { from: 10n, next: looks.call, close: async () => undefined };
    },
    async *scan() {
      for (let page = await scans.call(); page; page = await scans.call()) yield page;
    },
    reread: rereads.call,
    presentMoment: async () => state.moment,
  };
  const index = createDecisionIndex({
    contacts,
    clock: { now: () => 0 },
    machine,
    log: { warn: () => undefined, debug: () => undefined },
  });
  index.start();
  const hear = async (moment: bigint, ...changed: number[]) =>
    (await looks.next()).resolve({
      contacts: changed.map((n) => ({ key: keyOf(n) })),
      oldest: undefined,
      until: moment,
      token: { _data: `token ${moment}` },
    });
  return { index, looks, scans, rereads, opened, state, hear };
}

let started: DecisionIndex | undefined;
afterEach(() => started?.stop());

async function loaded(...known: number[]) {
  const fake = indexOnFake();
  started = fake.index;
  (await fake.scans.next()).resolve(known.map(contactOf));
  (await fake.scans.next()).resolve(undefined);
  await until(() => fake.index.status().phase === 'current');
  return fake;
}
const known = (index: ContactIndex | undefined, n: number) => index?.look(words(n), 0, undefined);

test('who asks waits until every change before the question has been heard of', async () => {
  const { index, hear, state } = await loaded(1);
  state.moment = 20n;
  let answered = false;
  const asked = index.current().then((found) => {
    answered = true;
    return found;
  });
  await hear(19n);
  await hear(19n);
  expect(answered).toBe(false);
  await hear(20n, 2);
  const found = await asked;
  expect([known(found, 1), known(found, 2), known(found, 3)]).toEqual([KNOWN.shape, KNOWN.askStore, KNOWN.nobody]);
});

test('what a scan read before a change does not come back over it', async () => {
  const { index, scans, rereads, hear } = indexOnFake();
  started = index;
  await hear(11n, 1);
  (await scans.next()).resolve([contactOf(1), contactOf(2)]);
  (await scans.next()).resolve(undefined);
  await until(() => index.status().entries === 2);
  await hear(12n);
  const again = await rereads.next();
  expect(again.input).toEqual([keyOf(1)]);
  const found = await index.current();
  expect([known(found, 1), known(found, 2)]).toEqual([KNOWN.askStore, KNOWN.shape]);
  again.resolve([contactOf(1)]);
  await until(async () => known(await index.current(), 1) === KNOWN.shape);
});

test('a contact that changes while it is read again stays unknown', async () => {
  const { index, rereads, hear } = await loaded(1);
  await hear(11n, 1);
  const first = await rereads.next();
  await hear(12n, 1);
  first.resolve([contactOf(1)]);
  const second = await rereads.next();
  expect(known(await index.current(), 1)).toBe(KNOWN.askStore);
  second.resolve([contactOf(1)]);
  await until(async () => known(await index.current(), 1) === KNOWN.shape);
});

test('one that could not be read again is read later', async () => {
  const { index, rereads, hear } = await loaded(1);
  await hear(11n, 1);
  (await rereads.next()).reject(new Error('gone'));
  await until(() => index.status().waiting === 1);
  await hear(12n);
  (await rereads.next()).resolve([contactOf(1)]);
  await until(async () => known(await index.current(), 1) === KNOWN.shape);
});

test('without news it says nothing, and goes on where it stopped', async () => {
  const { index, looks, opened, hear } = await loaded(1);
  await hear(15n);
  const asked = index.current();
  (await looks.next()).reject(Object.assign(new Error('gone'), { name: 'MongoNetworkError' }));
  await until(() => opened.length === 2);
  await asked;
  expect([index.status().phase, await index.current(), opened]).toEqual([
    'stale',
    undefined,
    [undefined, { _data: 'token 15' }],
  ]);
  await hear(16n);
  await until(() => index.status().phase === 'current');
  expect(known(await index.current(), 1)).toBe(KNOWN.shape);
});

test('while it loads it says nothing', async () => {
  const { index, scans } = indexOnFake();
  started = index;
  (await scans.next()).resolve([contactOf(1)]);
  await scans.next();
  expect([index.status().phase, await index.current()]).toEqual(['loading', undefined]);
});
