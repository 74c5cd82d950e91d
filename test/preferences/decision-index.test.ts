import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readCatalog } from '../../src/config/catalog.js';
import { readPolicy } from '../../src/config/policy.js';
import { createAliasGroups } from '../../src/core/alias-group.js';
import { createClock } from '../../src/core/clock.js';
import { type ContactPoint, normaliseContact } from '../../src/core/contact-point.js';
import type { ContactEvent } from '../../src/core/event.js';
import { fold } from '../../src/core/fold.js';
import { contactKeyBytes, eventId, keyringFromSecret } from '../../src/core/keys.js';
import type { QueryScope } from '../../src/core/scope.js';
import { machine } from '../../src/machine.js';
import type { ContactIndex } from '../../src/preferences/contact-index.js';
import { createDecisionIndex, type DecisionIndex } from '../../src/preferences/decision-index.js';
import { createDecisions, type DecisionSubject, type Decisions } from '../../src/preferences/decisions.js';
import { type Contacts, createContacts } from '../../src/store/contacts.js';
import { createLedger } from '../../src/store/ledger.js';
import { openStoreSetting, type StoreSetting } from '../store/setting.js';
import { history, question, START } from '../support/histories.js';
import { until } from '../support/until.js';

const CONFIG = path.resolve(import.meta.dirname, '../../config');
const catalog = readCatalog(path.join(CONFIG, 'catalog.yaml'));
const policy = readPolicy(path.join(CONFIG, 'policy.yaml'));
const keyring = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
const aliasGroupOf = createAliasGroups(keyring, policy.mailboxes);
const warned: unknown[] = [];
const log = { warn: (fault: unknown) => warned.push(fault), debug: () => undefined };
const DAY = 86_400_000;

let setting: StoreSetting;
let other: StoreSetting;
let contacts: Contacts;
let elsewhere: Contacts;
let index: DecisionIndex;
let fromStore: Decisions;
let fromIndex: Decisions;
const time = { now: START + 300 * DAY };
/** What the index was asked, and what it could say. */
const looks = { nobody: 0, askStore: 0, shape: 0 };

beforeAll(async () => {
  setting = await openStoreSetting();
  other = await openStoreSetting();
  contacts = createContacts(setting.connection, machine);
  // Another process: it writes to the same database over a connection of its own.
  elsewhere = createContacts(other.connection.useDb(setting.connection.name), machine);
  await Promise.all(contacts.models.map((model) => model.createIndexes()));
  const clock = createClock(() => time.now);
  index = createDecisionIndex({ contacts, clock, machine, log });
  const parts = { contacts, ledger: createLedger(setting.connection), catalog, policy, aliasGroupOf, machine };
  const counted: Pick<DecisionIndex, 'current'> = {
    async current() {
      const found = await index.current();
      return found && counting(found);
    },
  };
  fromStore = createDecisions({ ...parts, clock });
  fromIndex = createDecisions({ ...parts, clock, index: counted, indexFrom: 1 });
});
afterAll(async () => {
  index?.stop();
  await Promise.all([setting?.close(), other?.close()]);
});

function counting(found: ContactIndex): ContactIndex {
  const names = ['nobody', 'askStore', 'shape'] as const;
  return Object.create(found, {
    look: {
      value: (...args: Parameters<ContactIndex['look']>) => {
        const known = found.look(...args);
        const name = names[known];
        if (name) looks[name]++;
        return known;
      },
    },
  }) as ContactIndex;
}

let people = 0;
/** Six contacts that nobody else has: two spellings of one mailbox, one alone of its group, a phone, and two plain ones. */
function newPeople(): ContactPoint[] {
  const n = ++people;
  return [
    normaliseContact({ email: `p.${n}@gmail.com` }),
    normaliseContact({ email: `p${n}@gmail.com` }),
    normaliseContact({ email: `alone${n}@googlemail.com` }),
    normaliseContact({ phone: `+1920555${String(n % 10_000).padStart(4, '0')}` }),
    normaliseContact({ email: `a${n}@example.com` }),
    normaliseContact({ id: `crm:${n}` }),
  ];
}

const keyOf = (point: ContactPoint) => contactKeyBytes(keyring, point);

/** The events of a history as events of this contact: their ids begin with its key. */
function eventsOf(point: ContactPoint, events: readonly ContactEvent[]): ContactEvent[] {
  return events.map((event) => ({ ...event, id: eventId(keyring, keyOf(point)) }));
}

function appendOf(point: ContactPoint, event: ContactEvent) {
  const group = aliasGroupOf(point);
  return {
    key: keyOf(point),
    type: point.type,
    ...(point.country ? { country: point.country } : {}),
    ...(group ? { aliasGroup: group.id } : {}),
    event,
  };
}

/** Moves what is pending into the snapshot, as the projector does. */
async function project(point: ContactPoint): Promise<void> {
  const contact = await elsewhere.get(keyOf(point));
  if (!contact) return;
  await elsewhere.collection.updateOne(
    { _id: keyOf(point) },
    { $set: { state: fold(contact.state, contact.pending), pending: [] }, $inc: { rev: 1 } },
  );
}

const step = fc.record({
  who: fc.nat({ max: 5 }),
  events: fc.oneof(
    { weight: 3, arbitrary: history.map((events) => events.slice(0, 1)) },
    { weight: 1, arbitrary: history },
  ),
  isProjected: fc.boolean(),
});
const questions = fc.array(
  fc.record({
    ask: question,
    when: fc.constantFrom('now', 'later', 'as asked'),
    by: fc.constantFrom('address', 'key'),
  }),
  { minLength: 3, maxLength: 6 },
);

/** Both answers to each question about all these contacts, which were acknowledged before. */
async function answers(
  points: readonly ContactPoint[],
  asks: readonly { ask: QueryScope & { at: number }; when: string; by: string }[],
) {
  for (const { ask, when, by } of asks) {
    const subjects = points.map(
      (point): DecisionSubject => ({ key: keyOf(point), ...(by === 'address' ? { point } : {}) }),
    );
    const at = when === 'now' ? undefined : when === 'later' ? ask.at + 2000 * DAY : ask.at;
    const query = { ...ask, at };
    const memory = await fromIndex.decideAll(subjects, query);
    expect({ query, by, decisions: memory }).toEqual({
      query,
      by,
      decisions: await fromStore.decideAll(subjects, query),
    });
  }
}

describe('the index says what the store says', () => {
  test('of contacts that were there when it was loaded, of later ones and of changed ones', async () => {
    const early = await Promise.all(
      fc.sample(fc.array(step, { minLength: 3, maxLength: 8 }), { numRuns: 40, seed: 1 }).map(async (steps) => {
        const points = newPeople();
        await act(points, steps);
        return points;
      }),
    );
    const [asks = []] = fc.sample(
      fc.array(fc.record({ ask: question, when: fc.constant('now'), by: fc.constantFrom('address', 'key') }), {
        minLength: 30,
        maxLength: 30,
      }),
      { numRuns: 1, seed: 2 },
    );
    // Before it is loaded the store answers.
    await answers(early.flat(), asks.slice(0, 3));
    expect(looks).toEqual({ nobody: 0, askStore: 0, shape: 0 });
    index.start();
    await until(() => {
      if (warned.length > 0) throw new Error(`${(warned[0] as { err: Error }).err.stack}`);
      return index.status().phase === 'current';
    });
    await answers(early.flat(), asks);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(step, { minLength: 1, maxLength: 4 }), questions), { minLength: 1, maxLength: 3 }),
        async (rounds) => {
          const points = newPeople();
          for (const [steps, asked] of rounds) {
            await act(points, steps);
            await answers(points, asked);
          }
        },
      ),
      { numRuns: 60 },
    );
    // It heard of every change, and never had to begin anew.
    expect([warned, index.status().phase]).toEqual([[], 'current']);
    // What it could say itself was no exception.
    expect(looks.shape).toBeGreaterThan(300);
    expect(looks.nobody).toBeGreaterThan(300);
    expect(looks.askStore).toBeGreaterThan(100);
  });
});

async function act(
  points: readonly ContactPoint[],
  steps: readonly { who: number; events: ContactEvent[]; isProjected: boolean }[],
) {
  for (const { who, events, isProjected } of steps) {
    const point = points[who];
    if (!point) continue;
    for (const event of eventsOf(point, events)) await elsewhere.append([appendOf(point, event)]);
    if (isProjected) await project(point);
  }
}
