import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { KeyScope } from '../../../src/core/key-scopes.js';
import { type Hush, startHush } from '../../support/hush.js';

/** What can turn a denial into an allowance needs `lift`, an erasure `erase`: a leaked key can silence people, no more. */
let hush: Hush;
const keys = new Map<string, string>();
beforeAll(async () => {
  hush = await startHush();
  const make = async (name: string, scopes: readonly KeyScope[]) =>
    keys.set(name, (await hush.hush.stores.apiKeys.create(name, scopes)).key);
  await make('events', ['events', 'imports', 'consents']);
  await make('lift', ['events', 'lift']);
  await make('erase', ['events', 'erase']);
});
afterAll(() => hush?.stop());

interface Answered {
  readonly accepted: { leftOut?: { field: string }[] }[];
  readonly rejected: { problem: { status: number; field: string; remedy: string } }[];
}
let count = 0;
const newEmail = () => ({ email: `scope${count++}@example.com` });
async function send(key: string, contact: object, ...list: object[]): Promise<Answered> {
  const answer = await hush.post(
    '/v1/events',
    { events: list.map((event) => ({ contact, source: { kind: 'api' }, ...event })) },
    { authorization: `Bearer ${keys.get(key)}` },
  );
  expect(answer.status).toBe(200);
  return (await answer.json()) as Answered;
}
/** Tomorrow, when it is day everywhere in the United States. */
const NOON = `${new Date(Date.now() + 86_400_000).toISOString().slice(0, 10)}T20:00:00Z`;
const voice = { channel: 'voice', at: NOON };

const CASES: readonly (readonly [string, object[], object, object, string])[] = [
  ['a restriction', [{ type: 'restricted' }], { type: 'restriction_lifted' }, {}, 'restricted'],
  [
    'a restriction, by a consent',
    [{ type: 'restricted' }],
    { type: 'consent_granted', scope: { brand: 'jmf' }, notice: { id: 'newsletter', version: '1' } },
    {},
    'restricted',
  ],
  ['a hard bounce', [{ type: 'bounced', kind: 'hard' }], { type: 'reachable', channel: 'email' }, {}, 'undeliverable'],
  [
    'a do-not-call registry',
    [{ type: 'registry_listed', registry: 'us' }],
    { type: 'registry_unlisted', registry: 'us' },
    voice,
    'registry',
  ],
  [
    'a registry, by a purchase',
    [{ type: 'registry_listed', registry: 'us' }],
    { type: 'profile', implied: 'purchase' },
    voice,
    'registry',
  ],
  ['a minor', [{ type: 'profile', minor: true }], { type: 'profile', minor: false }, {}, 'minor'],
  [
    'a package recipient',
    [{ type: 'profile', relationship: 'recipient' }],
    { type: 'profile', relationship: 'customer' },
    {},
    'indirect_source',
  ],
  [
    'another jurisdiction',
    [{ type: 'profile', jurisdiction: 'DE' }],
    { type: 'profile', jurisdiction: 'US' },
    {},
    'consent_missing',
  ],
  [
    'Canada, by an inquiry',
    [{ type: 'profile', jurisdiction: 'CA-ON' }],
    { type: 'profile', implied: 'inquiry' },
    {},
    'consent_missing',
  ],
  [
    'an hour, by a time zone',
    [{ type: 'profile', timeZone: 'Pacific/Honolulu' }],
    { type: 'profile', timeZone: 'Europe/Berlin' },
    { channel: 'voice', at: '2030-06-15T10:00:00Z' },
    'quiet_hours',
  ],
  ['an opt-out', [{ type: 'opted_out' }], { type: 'opted_in', lifts: 'any' }, {}, 'opted_out'],
];

describe('a key without lift does not open', () => {
  test.each(CASES)('%s, and one with it does', async (_name, before, opener, more, reason) => {
    const contact = newEmail();
    await send('lift', contact, ...before);
    expect(await hush.decide(contact, 'promotion', more)).toMatchObject({ allowed: false, reason });
    await send('events', contact, opener);
    expect(await hush.decide(contact, 'promotion', more)).toMatchObject({ allowed: false, reason });
    const { rejected } = await send('lift', contact, opener);
    expect(rejected).toEqual([]);
    expect(await hush.decide(contact, 'promotion', more)).toMatchObject({ allowed: true });
  });
});

test('the refusal names the field and the scope that is missing', async () => {
  const { rejected } = await send('events', newEmail(), { type: 'reachable', channel: 'email' });
  expect(rejected[0]?.problem).toMatchObject({ status: 403, field: 'events.0.type' });
  expect(rejected[0]?.problem.remedy).toContain('lift');
});

test('what closes is taken all the same, and the answer names what was left out', async () => {
  const contact = newEmail();
  const { accepted, rejected } = await send('events', contact, {
    type: 'profile',
    minor: true,
    relationship: 'customer',
    timeZone: 'America/Chicago',
  });
  expect(rejected).toEqual([]);
  expect(accepted[0]?.leftOut?.map(({ field }) => field)).toEqual(['relationship', 'timeZone']);
  expect(await hush.decide(contact)).toMatchObject({ reason: 'minor' });
  // In which language somebody is written to opens nothing.
  const speaker = newEmail();
  const said = { type: 'profile', language: 'de', relationship: 'customer' };
  expect((await send('events', speaker, said)).accepted[0]?.leftOut?.map(({ field }) => field)).toEqual([
    'relationship',
  ]);
  // A place where more needs a consent only closes; from there back it would open.
  const german = newEmail();
  expect((await send('events', german, { type: 'profile', jurisdiction: 'DE' })).rejected).toEqual([]);
  expect(await hush.decide(german)).toMatchObject({ reason: 'consent_missing' });
  for (const jurisdiction of ['CA', 'US-CA', 'GB-ENG']) {
    const { rejected: refused } = await send('events', german, { type: 'profile', jurisdiction });
    expect(refused).toHaveLength(jurisdiction === 'GB-ENG' ? 0 : 1);
    expect(await hush.decide(german, 'promotion', { channel: 'push' })).toMatchObject({ reason: 'consent_missing' });
  }
  // The country of a phone number counts as a place that is known.
  const phone = { phone: '+4930123456' };
  expect((await send('events', phone, { type: 'profile', jurisdiction: 'US' })).rejected).toHaveLength(1);
});

test('an erasure needs the scope erase, with lift or without', async () => {
  const contact = newEmail();
  for (const key of ['events', 'lift']) {
    const { rejected } = await send(key, contact, { type: 'erased' });
    expect(rejected[0]?.problem.status).toBe(403);
  }
  expect(await hush.decide(contact, 'service')).toMatchObject({ allowed: true });
  expect((await send('erase', contact, { type: 'erased' })).rejected).toEqual([]);
  expect(await hush.decide(contact, 'service')).toMatchObject({ reason: 'erased' });
});

test('a consent of /v1/consents and of an import lifts no restriction either', async () => {
  const contact = newEmail();
  await send('lift', contact, { type: 'restricted' });
  const authorization = `Bearer ${keys.get('events')}`;
  const notice = { id: 'newsletter', version: '1' };
  const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
  const consent = { contact, ...scope, mode: 'record', notice };
  expect((await hush.post('/v1/consents', consent, { authorization })).status).toBe(403);
  const row = {
    contact,
    type: 'consent_granted',
    at: new Date(hush.hush.clock.now()).toISOString(),
    scope,
    notice,
    source: { kind: 'import', evidence: { note: 'on paper' } },
  };
  const imported = await hush.post('/v1/imports?list=paper', JSON.stringify(row), {
    authorization,
    'content-type': 'application/x-ndjson',
  });
  expect(await imported.json()).toMatchObject({ accepted: 0, rejected: 1, errors: [{ code: 'forbidden' }] });
  expect(await hush.decide(contact)).toMatchObject({ reason: 'restricted' });
});
