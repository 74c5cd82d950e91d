import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../../src/core/keys.js';
import { type Hush, startHush } from '../../support/hush.js';

const DAY = 86_400_000;
const time = { now: Date.parse('2026-06-15T15:00:00Z') };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], machineTime: () => time.now });
});
afterAll(() => hush?.stop());

interface Answer {
  readonly accepted: readonly { readonly index: number; readonly id: string; readonly contact: string }[];
  readonly rejected: readonly { readonly index: number; readonly problem: { readonly code: string } }[];
}
const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const event = (email: string, type: string, more: object = {}) => ({
  contact: { email },
  type,
  scope: SCOPE,
  source: { kind: 'api' },
  ...more,
});

async function send(events: readonly object[], idempotencyKey?: string): Promise<Answer> {
  time.now += 1000;
  const response = await hush.post(
    '/v1/events',
    { events },
    idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey },
  );
  return (await response.json()) as Answer;
}

describe('an Idempotency-Key', () => {
  test('makes a request repeatable for 24 hours and is a new act after that', async () => {
    const email = 'again@example.com';
    const body = [event(email, 'opted_out')];
    const first = await send(body, 'nightly');
    expect(await send(body, 'nightly')).toEqual(first);
    await send([event(email, 'opted_in')]);
    time.now += DAY - 60_000;
    expect(await send(body, 'nightly')).toEqual(first);
    expect(await hush.decide({ email })).toMatchObject({ allowed: true });
    time.now += 60_000;
    const second = await send(body, 'nightly');
    expect(second.accepted[0]?.id).not.toBe(first.accepted[0]?.id);
    expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await send(body, 'nightly')).toEqual(second);
  });

  test('that the store has forgotten is a new act too', async () => {
    const email = 'forgotten@example.com';
    const body = [event(email, 'opted_out')];
    await send(body, 'weekly');
    await send([event(email, 'opted_in')]);
    await hush.hush.stores.connection.collection('idempotent_answers').deleteMany({});
    await send(body, 'weekly');
    expect(await hush.decide({ email })).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test('may be used for another body when it was forgotten, and not before', async () => {
    await send([event('one@example.com', 'opted_out')], 'reused');
    expect(await send([event('two@example.com', 'opted_out')], 'reused')).toMatchObject({ code: 'id_reused' });
    time.now += DAY;
    const { accepted } = await send([event('two@example.com', 'opted_out')], 'reused');
    expect(accepted).toHaveLength(1);
  });

  test('sent twice at once is one act', async () => {
    const body = [event('parallel@example.com', 'opted_out')];
    const answers = await Promise.all(Array.from({ length: 5 }, () => send(body, 'parallel')));
    const ids = new Set(answers.flatMap(({ accepted }) => accepted.map(({ id }) => id)));
    expect(ids.size).toBe(1);
    await hush.settle();
    const key = contactKeyFromText(answers[0]?.accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
    expect(await hush.hush.stores.ledger.ofContact(key)).toHaveLength(1);
  });
});

describe('the same id twice in one request', () => {
  test.each([
    ['another type', (email: string) => event(email, 'objected', { id: 'b' })],
    ['another contact', (email: string) => event(`other-${email}`, 'opted_out', { id: 'b' })],
    ['another scope', (email: string) => event(email, 'opted_out', { id: 'b', scope: { brand: 'jmf' } })],
  ])('with %s: the first counts, the second is rejected', async (name, second) => {
    const email = `${name.replace(' ', '-')}@example.com`;
    const id = `twice ${name}`;
    const { accepted, rejected } = await send([
      event(email, 'opted_out', { id }),
      event(email, 'objected', { id: `${id} own` }),
      { ...second(email), id },
    ]);
    expect(accepted.map(({ index }) => index)).toEqual([0, 1]);
    expect(rejected).toMatchObject([{ index: 2, problem: { code: 'id_reused', field: 'events.2.id' } }]);
    expect(await send([event(email, 'opted_out', { id })])).toMatchObject({ accepted: [{ id: accepted[0]?.id }] });
  });

  test('with the same content is one event and one answer', async () => {
    const same = event('same@example.com', 'opted_out', { id: 'same' });
    const { accepted, rejected } = await send([same, same]);
    expect(rejected).toEqual([]);
    expect(accepted[0]?.id).toBe(accepted[1]?.id);
    await hush.settle();
    const key = contactKeyFromText(accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
    expect(await hush.hush.stores.ledger.ofContact(key)).toHaveLength(1);
  });

  test('an event that is refused for itself gives its id to the next', async () => {
    const { accepted, rejected } = await send([
      event('free@example.com', 'opted_out', { id: 'free', scope: { brand: 'nobody' } }),
      event('free@example.com', 'opted_out', { id: 'free' }),
    ]);
    expect([accepted.map(({ index }) => index), rejected.map(({ index }) => index)]).toEqual([[1], [0]]);
  });

  test('in an imported list: the first row counts', async () => {
    const rows = ['opted_out', 'objected'].map((type) => ({ id: 'row', type, contact: { email: 'row@example.com' } }));
    const response = await fetch(`${hush.url}/v1/imports?list=twice&purpose=marketing`, {
      method: 'POST',
      headers: {
        authorization: 'Bearer hk_test_key_with_every_scope_0123456789',
        'content-type': 'application/x-ndjson',
      },
      body: rows.map((row) => JSON.stringify(row)).join('\n'),
    });
    expect(await response.json()).toMatchObject({ accepted: 1, rejected: 1, errors: [{ row: 2, code: 'id_reused' }] });
    expect(await hush.decide({ email: 'row@example.com' })).toMatchObject({ allowed: false, reason: 'opted_out' });
  });
});
