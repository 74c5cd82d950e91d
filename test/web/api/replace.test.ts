import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { EMPTY_STATE, fold } from '../../../src/core/fold.js';
import { carriedOver } from '../../../src/core/replacement.js';
import { GPC_PURPOSES } from '../../../src/core/scope.js';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';

const HOUR = 3_600_000;
const time = { ahead: 0 };
const MAIL = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
let hush: Hush;
let narrow = '';
beforeAll(async () => {
  hush = await startHush({ destinations: [], machineTime: () => Date.now() + time.ahead });
  narrow = (await hush.hush.stores.apiKeys.create('crm', ['contacts'])).key;
});
afterAll(() => hush?.stop());

interface Replaced {
  from: string;
  to: string;
  carried: { id: string; receipt: string; type: string; until?: string }[];
}
const someone = () => ({ email: `${randomUUID()}@example.com` });

async function record(contact: object, ...events: object[]): Promise<void> {
  const { rejected } = await hush.ask<{ rejected: unknown[] }>('/v1/events', {
    events: events.map((event) => ({ contact, source: { kind: 'api' }, ...event })),
  });
  expect(rejected).toEqual([]);
}

async function replace(from: object, to: object, headers: Record<string, string> = {}): Promise<Replaced> {
  const answer = await hush.post(
    '/v1/contacts/replace',
    { from, to },
    { authorization: `Bearer ${narrow}`, ...headers },
  );
  expect(answer.status).toBe(200);
  return (await answer.json()) as Replaced;
}

const decide = (contact: object, question: object = MAIL) =>
  hush.ask<{ allowed: boolean; reason: string }>('/v1/decisions', { ...question, contact });

describe('what stands denied goes along:', () => {
  const until = new Date(Date.now() + 90 * 24 * HOUR).toISOString();
  test.each([
    ['an opt-out', { type: 'opted_out' }, 'opted_out'],
    [
      'one of a scope',
      { type: 'opted_out', scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' } },
      'opted_out',
    ],
    ['a consent taken back', { type: 'consent_withdrawn' }, 'opted_out'],
    ['an objection', { type: 'objected' }, 'objected'],
    ['a complaint', { type: 'complained' }, 'complained'],
    ['a pause', { type: 'paused', until }, 'paused'],
    ['a restriction', { type: 'restricted' }, 'restricted'],
    ['an age', { type: 'profile', minor: true }, 'minor'],
    ['an address that came from somebody else', { type: 'profile', relationship: 'recipient' }, 'indirect_source'],
    ['a place where consent is needed', { type: 'profile', jurisdiction: 'DE' }, 'consent_missing'],
  ])('%s', async (_name, event, reason) => {
    const [from, to] = [someone(), someone()];
    await record(from, event);
    // A yes of the new address from before counts no more.
    await record(to, { type: 'opted_in' });
    const { carried } = await replace(from, to);
    expect(carried).toHaveLength(1);
    expect(await decide(to)).toMatchObject({ allowed: false, reason });
    const receipt = await hush.ask<{ source: object }>(`/v1/receipts/${carried[0]?.receipt}`);
    expect(JSON.stringify(receipt)).not.toContain('@');
  });

  test('a signal of the browser, an erasure', async () => {
    const [from, to] = [someone(), someone()];
    await record(from, { type: 'gpc_received' });
    expect((await replace(from, to)).carried.map(({ type }) => type)).toEqual(['gpc_received']);
    for (const purpose of GPC_PURPOSES) expect(await decide(to, { ...MAIL, purpose })).toMatchObject({ reason: 'gpc' });
    expect(await decide(to)).toMatchObject({ allowed: true });
    const [gone, next] = [someone(), someone()];
    await record(gone, { type: 'erased' });
    expect((await replace(gone, next)).carried.map(({ type }) => type)).toEqual(['opted_out']);
    expect(await decide(next)).toMatchObject({ reason: 'opted_out' });
    expect(await decide(next, { ...MAIL, purpose: 'service' })).toMatchObject({ allowed: true });
  });

  test('what another spelling of the old mailbox said', async () => {
    const name = randomUUID().replaceAll('-', '');
    const to = someone();
    await record({ email: `${name.slice(0, 3)}.${name.slice(3)}@gmail.com` }, { type: 'opted_out' });
    await replace({ email: `${name}@googlemail.com` }, to);
    expect(await decide(to)).toMatchObject({ reason: 'opted_out' });
  });
});

test('nothing that allows goes along, and nothing that is the address’s own', async () => {
  const [from, to] = [someone(), someone()];
  await record(to, { type: 'opted_out' }, { type: 'profile', minor: true });
  await record(
    from,
    { type: 'opted_in', lifts: 'any' },
    { type: 'consent_granted', lifts: 'any', notice: { id: 'newsletter', version: '1' } },
    { type: 'profile', relationship: 'customer', jurisdiction: 'US-WI', minor: false, implied: 'purchase' },
    { type: 'cadence_set', cadence: 'monthly' },
    { type: 'bounced', kind: 'hard' },
    { type: 'registry_listed', registry: 'us-national' },
  );
  expect((await replace(from, to)).carried.filter(({ type }) => type !== 'profile')).toEqual([]);
  expect(await decide(to)).toMatchObject({ allowed: false, reason: 'minor' });
  await record(to, { type: 'profile', minor: false });
  expect(await decide(to)).toMatchObject({ allowed: false, reason: 'opted_out' });
  // What was lifted and what is over stands no more.
  const [open, next] = [someone(), someone()];
  await record(
    open,
    { type: 'opted_out', at: '2026-01-01T00:00:00Z' },
    { type: 'opted_in', at: '2026-02-01T00:00:00Z' },
  );
  await record(open, { type: 'paused', at: '2026-01-01T00:00:00Z', until: '2026-02-01T00:00:00Z' });
  expect((await replace(open, next)).carried).toEqual([]);
  expect(await decide(next)).toMatchObject({ allowed: true });
});

test('a place that needs less consent than the new address’s own opens nothing there', async () => {
  const [from, to] = [someone(), someone()];
  await record(from, { type: 'profile', jurisdiction: 'US-WI' });
  await record(to, { type: 'profile', jurisdiction: 'DE' });
  expect((await replace(from, to)).carried).toEqual([]);
  expect(await decide(to)).toMatchObject({ reason: 'consent_missing' });
});

test('said again it adds nothing; after a lift it denies again, so that the answer is true', async () => {
  const [from, to] = [someone(), someone()];
  await record(from, { type: 'opted_out' });
  const [first, second] = await Promise.all([replace(from, to), replace(from, to)]);
  expect(second).toEqual(first);
  expect(await replace(from, to)).toEqual(first);
  const { denials } = await hush.ask<{ denials: unknown[] }>('/v1/contacts/lookup', { contact: to });
  expect(denials).toHaveLength(1);
  time.ahead += 1000;
  await record(to, { type: 'opted_in', lifts: 'any' });
  expect(await decide(to)).toMatchObject({ allowed: true });
  time.ahead += 1000;
  const third = await replace(from, to);
  expect(third.carried[0]?.id).not.toBe(first.carried[0]?.id);
  expect(await decide(to)).toMatchObject({ allowed: false, reason: 'opted_out' });
});

test('one address may have several successors, and what is known of one is not said again', async () => {
  const [from, one, two] = [someone(), someone(), someone()];
  await record(from, { type: 'opted_out' }, { type: 'profile', minor: true, jurisdiction: 'DE' });
  for (const to of [one, two])
    expect((await replace(from, to)).carried.map(({ type }) => type)).toEqual(['opted_out', 'profile']);
  const before = await replace(from, one);
  expect(before.carried.map(({ type }) => type)).toEqual(['opted_out']);
  await record(one, { type: 'profile', minor: false, jurisdiction: 'US-WI' });
  const after = await replace(from, one);
  expect(after.carried.map(({ type }) => type)).toEqual(['opted_out', 'profile']);
  expect(after.carried[0]).toEqual(before.carried[0]);
  expect(await hush.ask('/v1/contacts/lookup', { contact: one })).toMatchObject({
    facts: { minor: true, jurisdiction: 'DE' },
  });
});

test('an Idempotency-Key gives one answer for a day, then it is a new act; another body is refused', async () => {
  const [from, to] = [someone(), someone()];
  const headers = { 'idempotency-key': randomUUID() };
  const empty = await replace(from, to, headers);
  expect(empty.carried).toEqual([]);
  await record(from, { type: 'opted_out' });
  expect(await replace(from, to, headers)).toEqual(empty);
  const other = await hush.post(
    '/v1/contacts/replace',
    { from: to, to: from },
    { authorization: `Bearer ${narrow}`, ...headers },
  );
  expect(other.status).toBe(409);
  time.ahead += 25 * HOUR;
  expect((await replace(from, to, headers)).carried).toHaveLength(1);
  expect(await decide(to)).toMatchObject({ allowed: false });
});

test('the two share nothing afterwards', async () => {
  const [from, to] = [someone(), someone()];
  await record(from, { type: 'paused', until: new Date(Date.now() + time.ahead + HOUR).toISOString() });
  await replace(from, to);
  await record(to, { type: 'opted_out', reach: 'person' });
  await record(from, { type: 'objected', reach: 'person' });
  expect(await decide(from)).toMatchObject({ reason: 'objected' });
  expect(await decide(to)).toMatchObject({ reason: 'opted_out' });
  const people = await Promise.all(
    [from, to].map((contact) => hush.ask<{ person?: string }>('/v1/contacts/lookup', { contact })),
  );
  expect(people[0]?.person).not.toBe(people[1]?.person);
});

test('an old address that nobody has heard of hands on nothing, and neither becomes known by it', async () => {
  const [from, to] = [someone(), someone()];
  expect((await replace(from, to)).carried).toEqual([]);
  for (const contact of [from, to])
    expect(await hush.ask('/v1/contacts/lookup', { contact })).toMatchObject({ known: false });
});

test('contacts known by their key only', async () => {
  const [from, to] = [someone(), someone()];
  await record(from, { type: 'opted_out' });
  await record(to, { type: 'opted_in' });
  const [old, next] = await Promise.all(
    [from, to].map((contact) => hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact })),
  );
  await replace({ key: old?.contact }, { key: next?.contact });
  expect(await decide(to)).toMatchObject({ reason: 'opted_out' });
});

test.each([
  ['one and the same', { from: { email: 'one@example.com' }, to: { email: 'ONE@example.com' } }, 'to'],
  ['no address', { from: { email: 'one@' }, to: { email: 'two@example.com' } }, 'from.email'],
  ['no new address', { from: { email: 'one@example.com' }, to: { phone: '12' } }, 'to.phone'],
  ['nothing to replace it', { from: { email: 'one@example.com' } }, 'to'],
  ['another field', { from: { email: 'a@example.com' }, to: { email: 'b@example.com' }, lifts: 'any' }, 'lifts'],
])('%s is refused by the name of the field', async (_name, body, field) => {
  const answer = await hush.post('/v1/contacts/replace', body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ field });
});

test('it takes the scope contacts', async () => {
  const { key } = await hush.hush.stores.apiKeys.create('events', ['events', 'lift']);
  const body = { from: someone(), to: someone() };
  expect((await hush.post('/v1/contacts/replace', body, { authorization: `Bearer ${key}` })).status).toBe(403);
  expect((await hush.post('/v1/contacts/replace', body, { authorization: `Bearer ${API_KEY}` })).status).toBe(200);
});

test('of a signal that was lifted for one purpose the others go along', () => {
  const base = { recorded: 0, source: { kind: 'api' as const } };
  const [lifted, ...left] = GPC_PURPOSES;
  const state = fold(EMPTY_STATE, [
    { ...base, id: 'a', type: 'gpc_received', at: 1 },
    {
      ...base,
      id: 'b',
      type: 'opted_in',
      at: 2,
      lifts: 'any',
      scope: { brand: '*', channel: '*', topic: '*', purpose: lifted ?? 'retargeting' },
    },
  ]);
  const carried = carriedOver(state, EMPTY_STATE, 3);
  expect(carried.map(({ type }) => type)).toEqual(left.map(() => 'opted_out'));
  expect(carried.map(({ scope }) => scope?.purpose).sort()).toEqual([...left].sort());
});
