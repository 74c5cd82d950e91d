import { expect, test } from '@jest/globals';
import { EMPTY_STATE } from '../../src/core/fold.js';
import { machine } from '../../src/machine.js';
import { createDecisions } from '../../src/preferences/decisions.js';
import type { Asked } from '../../src/store/contact-aliases.js';
import type { Contact } from '../../src/store/contacts.js';

const keyOf = (n: number) => Buffer.alloc(16, n);
const contactOf = (key: Buffer): Contact =>
  ({ key, type: 'email', state: EMPTY_STATE, pending: [], overflow: 0 }) as unknown as Contact;

/** Decisions on a store whose reads end when the test says so. */
function decisionsOn() {
  const reads: { asked: number[]; end: (error?: Error) => void }[] = [];
  const findShared = (asked: readonly Asked[]) =>
    new Promise((resolve, reject) => {
      reads.push({
        asked: asked.map(({ key }) => key[0] ?? 0),
        end: (error) =>
          error
            ? reject(error)
            : resolve(new Map(asked.map(({ key }) => [key.toString('hex'), { contact: contactOf(key), others: [] }]))),
      });
    });
  const decisions = createDecisions({
    contacts: { findShared },
    aliasGroupOf: () => undefined,
    clock: { now: () => 0, recorded: () => 0 },
    machine,
  } as unknown as Parameters<typeof createDecisions>[0]);
  const present = async (n: number) => (await decisions.present({ key: keyOf(n) })).contact?.key[0];
  return { reads, present };
}

test('who asks while a contact is being read shares the next read, which begins after they asked', async () => {
  const { reads, present } = decisionsOn();
  const answers = [1, 2, 3].map(present);
  expect(reads.map(({ asked }) => asked)).toEqual([[1]]);
  reads[0]?.end();
  expect(await answers[0]).toBe(1);
  answers.push(present(4));
  expect(reads.map(({ asked }) => asked)).toEqual([[1], [2, 3]]);
  reads[1]?.end();
  expect(await Promise.all(answers.slice(0, 3))).toEqual([1, 2, 3]);
  reads[2]?.end();
  expect(await answers[3]).toBe(4);
});

test('a store that is away is said at once to all who wait, and asked again by who comes later', async () => {
  const { reads, present } = decisionsOn();
  const answers = [1, 2].map((n) => present(n).catch((error) => error.kind));
  reads[0]?.end(Object.assign(new Error('gone'), { name: 'MongoNetworkError' }));
  expect(await Promise.all(answers)).toEqual(['unavailable', 'unavailable']);
  const later = present(3);
  reads[1]?.end();
  expect(await later).toBe(3);
});

test('another error is of that read alone', async () => {
  const { reads, present } = decisionsOn();
  const answers = [1, 2].map((n) => present(n).catch((error) => error.message));
  reads[0]?.end(new Error('odd'));
  expect(await answers[0]).toBe('odd');
  reads[1]?.end();
  expect(await answers[1]).toBe(2);
});
