import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../support/hush.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';

let hush: Hush;
let sendgrid: Awaited<ReturnType<typeof startSendgrid>>;
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

beforeAll(async () => {
  sendgrid = await startSendgrid();
  hush = await startHush({
    destinations: [
      {
        name: 'sender',
        adapter: 'sendgrid',
        role: 'processor',
        settings: { apiKey: sendgrid.apiKey, baseUrl: sendgrid.url },
        bindings: [{ name: 'all', ...OFFERS, target: { global: true } }],
      },
    ],
    workerTimes: { reassertAfter: 1000 },
  });
});
afterAll(async () => {
  await hush?.stop();
  await sendgrid?.close();
});

interface Accepted {
  readonly accepted: { id: string; contact: string }[];
  readonly rejected: unknown[];
}
const event = (contact: object, type: string) => ({ contact, type, scope: OFFERS, source: { kind: 'api' } });

test('8,000 events on one contact are all acknowledged, and all are in its ledger once', async () => {
  const contact = { email: 'hot@example.com' };
  const ids = new Set<string>();
  let key = '';
  const send = async (round: number) => {
    const events = Array.from({ length: 1000 }, (_, n) =>
      event(contact, (round + n) % 2 === 0 ? 'opted_in' : 'opted_out'),
    );
    const { accepted, rejected } = await hush.ask<Accepted>('/v1/events', { events });
    expect(rejected).toEqual([]);
    for (const { id } of accepted) ids.add(id);
    key = accepted[0]?.contact ?? '';
  };
  for (let round = 0; round < 8; round += 2) await Promise.all([send(round), send(round + 1)]);
  expect(ids.size).toBe(8000);
  await until(async () => {
    await hush.settle();
    return (await hush.hush.stores.contacts.backlog()).count === 0;
  });
  const { contactKeyFromText } = await import('../../src/core/keys.js');
  const bytes = contactKeyFromText(key) ?? Buffer.alloc(0);
  const ledger = await hush.hush.stores.ledger.ofContact(bytes);
  expect(new Set(ledger.map(({ event: { id } }) => `e_${id}`))).toEqual(ids);
  expect(ledger.map(({ number }) => number)).toEqual(Array.from({ length: 8000 }, (_, n) => n + 1));
  const stored = await hush.hush.stores.contacts.get(bytes);
  expect(stored).toMatchObject({ pending: [], overflow: 0 });
});

test('an opt-in and an opt-out racing: memory, ledger, decision and destination agree, 100 times', async () => {
  const { decide } = await import('../../src/core/decide.js');
  const { EMPTY_STATE, fold } = await import('../../src/core/fold.js');
  const { contactKeyFromText } = await import('../../src/core/keys.js');
  const names = Array.from({ length: 100 }, (_, n) => `race${n}@example.com`);
  const keys = new Map<string, string>();
  await Promise.all(
    names.map(async (email) => {
      const contact = { email };
      await hush.ask('/v1/events', { events: [event(contact, 'opted_out')] });
      const [both] = await Promise.all([
        hush.ask<Accepted>('/v1/events', { events: [event(contact, 'opted_in')] }),
        hush.ask<Accepted>('/v1/events', { events: [event(contact, 'opted_out')] }),
      ]);
      keys.set(email, both.accepted[0]?.contact ?? '');
    }),
  );
  await until(async () => {
    await hush.settle();
    return (await hush.hush.stores.contacts.waiting('sender')).count === 0;
  });
  // What decides a race of both is the clock; a plain order decides here, so that "allowed" is among the outcomes.
  const later = { email: 'race-later@example.com' };
  names.push(later.email);
  const before = { ...event(later, 'opted_out'), at: '2026-01-01T00:00:00Z' };
  const ordered = [before, { ...event(later, 'opted_out'), at: '2026-01-02T00:00:00Z' }, event(later, 'opted_in')];
  keys.set(later.email, (await hush.ask<Accepted>('/v1/events', { events: ordered })).accepted[0]?.contact ?? '');
  await until(async () => {
    await hush.settle();
    return (await hush.hush.stores.contacts.waiting('sender')).count === 0;
  });
  expect(await hush.decide(later)).toMatchObject({ allowed: true });
  for (const email of names) {
    const answer = await hush.decide({ email });
    const key = contactKeyFromText(keys.get(email) ?? '') ?? Buffer.alloc(0);
    const ledger = await hush.hush.stores.ledger.ofContact(key);
    expect(ledger).toHaveLength(3);
    const question = {
      ...OFFERS,
      channel: 'email',
      purpose: 'promotion',
      topic: '*',
      at: hush.hush.clock.now(),
    } as const;
    const folded = decide(
      fold(
        EMPTY_STATE,
        ledger.map((entry) => entry.event),
      ),
      question,
      { policy: hush.hush.policy },
    );
    expect([email, answer.allowed]).toEqual([email, folded.allowed]);
    expect([email, sendgrid.global.has(email)]).toEqual([email, !answer.allowed]);
  }
});

test('a batch whose write was cut off by its time limit is sent again under its ids, and its writer sees nothing of it', async () => {
  const { contacts } = hush.hush.stores;
  const { append } = contacts;
  let cut = 0;
  // The first write happens and is not confirmed; the second neither.
  Object.assign(contacts, {
    async append(...args: Parameters<typeof append>) {
      if (cut++ === 0) await append(...args);
      if (cut <= 2) throw Object.assign(new Error('cut off'), { name: 'MongoOperationTimeoutError' });
      return append(...args);
    },
  });
  const events = Array.from({ length: 300 }, (_, n) => event({ email: `cut${n}@example.com` }, 'opted_out'));
  const { accepted, rejected } = await hush.ask<Accepted>('/v1/events', { events }).finally(() => {
    Object.assign(contacts, { append });
  });
  expect([accepted.length, rejected]).toEqual([300, []]);
  expect(cut).toBeGreaterThan(2);
  await until(async () => {
    await hush.settle();
    return (await contacts.backlog()).count === 0;
  });
  const { contactKeyFromText } = await import('../../src/core/keys.js');
  const keys = accepted.map(({ contact }) => contactKeyFromText(contact) ?? Buffer.alloc(0));
  const ledgers = await Promise.all(keys.map((key) => hush.hush.stores.ledger.ofContact(key)));
  expect(ledgers.map((entries) => entries.length)).toEqual(keys.map(() => 1));
});
