import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { HushError } from '../../../src/core/errors.js';
import { contactKeyFromText } from '../../../src/core/keys.js';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

const contact = { email: 'ana@example.com' };
const question = { contact, brand: 'jmf', channel: 'email', purpose: 'promotion' };
const event = { contact, type: 'opted_out', scope: { brand: 'jmf', channel: 'email' }, source: { kind: 'api' } };

interface Problem {
  readonly status: number;
  readonly field?: string;
  readonly remedy?: string;
  readonly detail: string;
}

async function problemOf(response: Response): Promise<Problem> {
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return (await response.json()) as Problem;
}

describe('every field of a question wrong once', () => {
  test.each<[string, object]>([
    ['contact', { contact: undefined }],
    ['contact', { contact: {} }],
    ['contact.email', { contact: { email: 'not an address' } }],
    ['contact.email', { contact: { email: { $ne: '' } } }],
    ['contact.phone', { contact: { phone: '12' } }],
    ['contact.id', { contact: { id: 'no-colon' } }],
    ['contact.key', { contact: { key: 'c_nonsense' } }],
    ['contact', { contact: { email: 'a@example.com', phone: '+12025550123' } }],
    ['brand', { brand: undefined }],
    ['brand', { brand: 'acme' }],
    ['brand', { brand: '*' }],
    ['brand', { brand: 7 }],
    ['channel', { channel: 'fax' }],
    ['purpose', { purpose: 'spam' }],
    ['topic', { topic: 'gossip' }],
    ['at', { at: 'yesterday' }],
    ['at', { at: '2026-02-30T00:00:00Z' }],
    ['at', { at: '+010000-01-01T00:00:00Z' }],
    ['surprise', { surprise: 1 }],
    ['__proto__', JSON.parse('{"__proto__": {"allowed": true}}')],
  ])('%s', async (field, change) => {
    const body = { ...question, ...change };
    // A spread does not copy __proto__; the text has it.
    const text =
      field === '__proto__' ? `${JSON.stringify(question).slice(0, -1)},"__proto__":{"x":1}}` : JSON.stringify(body);
    const response = await hush.post('/v1/decisions', text);
    const problem = await problemOf(response);
    expect([response.status, problem.status]).toEqual([400, 400]);
    expect(problem.field).toBe(field);
    expect(problem.remedy ?? '').not.toBe('');
  });
});

describe('a remedy says what to write, in the words of the API', () => {
  const events = (change: object) => ({ events: [{ ...event, ...change }] });
  const batch = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
  test.each<[string, unknown, string, string]>([
    ['/v1/decisions', { ...question, brand: undefined }, 'brand', 'this field is needed; give a text'],
    ['/v1/decisions', { ...question, brand: 7 }, 'brand', 'give a text'],
    ['/v1/decisions', { ...question, brand: '' }, 'brand', 'give at least 1 character'],
    ['/v1/decisions', { ...question, brand: 'x'.repeat(33) }, 'brand', 'give at most 32 characters'],
    ['/v1/decisions', { ...question, channel: 7 }, 'channel', 'write one of email, sms, voice, mail, push, web, ads'],
    ['/v1/decisions', [], 'body', 'give an object'],
    ['/v1/decisions', { ...question, contact: { email: 7 } }, 'contact.email', 'give a text'],
    [
      '/v1/decisions',
      { ...question, contact: 'ana@example.com' },
      'contact',
      'give exactly one of email, phone, postal, id ("system:value") or key ("c_…")',
    ],
    ['/v1/decisions/batch', { ...batch, contacts: contact }, 'contacts', 'give a list'],
    ['/v1/links', { links: [] }, 'links', 'give at least 1 item'],
    ['/v1/events', events({ type: 'profile', minor: 'no' }), 'events.0.minor', 'give true or false'],
    ['/v1/events', events({ source: null }), 'events.0.source', 'give an object'],
    [
      '/v1/events',
      events({ source: { kind: 'api', evidence: { text: 'x'.repeat(901) } } }),
      'events.0.source.evidence.text',
      'give at most 900 characters',
    ],
    [
      '/v1/events',
      events({ source: { kind: 'api', evidence: { text: [] } } }),
      'events.0.source.evidence.text',
      'give a text, a number, true or false, or null',
    ],
    [
      '/v1/events',
      events({ source: { kind: 'api', evidence: { ['x'.repeat(65)]: 1 } } }),
      `events.0.source.evidence.${'x'.repeat(65)}`,
      'the name of this field: give at most 64 characters',
    ],
    [
      '/v1/events',
      events({ colour: 'red' }),
      'events.0.colour',
      'this field is unknown; remove it or check its spelling',
    ],
    ['/v1/changes?limit=many', undefined, 'limit', 'give a number'],
    ['/v1/changes?limit=1.5', undefined, 'limit', 'give a whole number'],
    ['/v1/changes?limit=0', undefined, 'limit', 'give at least 1'],
    ['/v1/changes?limit=20000', undefined, 'limit', 'give at most 10000'],
  ])('%s %j: %s', async (to, body, field, remedy) => {
    const response = body === undefined ? await hush.get(to) : await hush.post(to, body);
    const answer = (await response.json()) as Problem & { rejected?: readonly { problem: Problem }[] };
    expect(answer.rejected?.[0]?.problem ?? answer).toMatchObject({ status: 400, field, remedy });
  });
});

describe('every field of an event wrong once: that event is rejected, the rest is accepted', () => {
  test.each<[string, object]>([
    ['contact.email', { contact: { email: 'a@@example.com' } }],
    ['type', { type: 'vanished' }],
    ['scope.channel', { scope: { channel: 'fax' } }],
    ['scope.purpose', { scope: { purpose: 'spam' } }],
    ['scope.brand', { scope: { brand: 'acme' } }],
    ['scope.topic', { scope: { topic: 'gossip' } }],
    ['scope.colour', { scope: { colour: 'red' } }],
    ['at', { at: 'soon' }],
    ['at', { at: '2199-01-01T00:00:00Z' }],
    ['until', { type: 'paused', until: 'later' }],
    ['reach', { reach: 'everybody' }],
    ['lifts', { lifts: 'any' }],
    ['source', { source: null }],
    ['source.kind', { source: { kind: 'gossip' } }],
    ['source.evidence.text', { source: { kind: 'api', evidence: { text: 'x'.repeat(2000) } } }],
    ['kind', { type: 'bounced', kind: 'squishy' }],
    ['relationship', { type: 'profile', relationship: 'friend' }],
    ['jurisdiction', { type: 'profile', jurisdiction: 'Mars' }],
    ['timeZone', { type: 'profile', timeZone: 'Mars/Olympus' }],
    ['cadence', { type: 'cadence_set', cadence: 'hourly' }],
    ['surprise', { surprise: true }],
  ])('%s', async (field, change) => {
    const wrong = { ...event, ...change };
    if ('type' in change)
      for (const [name, value] of Object.entries({ scope: undefined }))
        Object.assign(wrong, 'scope' in change ? {} : { [name]: value });
    const good = (n: number) => ({ ...event, contact: { email: `good${n}@example.com` } });
    const answer = await hush.ask<{ accepted: { index: number }[]; rejected: { index: number; problem: Problem }[] }>(
      '/v1/events',
      {
        events: [good(1), wrong, good(2)],
      },
    );
    expect(answer.accepted.map(({ index }) => index)).toEqual([0, 2]);
    expect(answer.rejected.map(({ index }) => index)).toEqual([1]);
    const [rejected] = answer.rejected;
    expect(rejected?.problem.field).toBe(`events.1.${field}`);
    expect(rejected?.problem.remedy ?? '').not.toBe('');
  });
  test('and of none of the wrong ones anything was kept', async () => {
    expect(await hush.decide(contact)).toMatchObject({ allowed: true, reason: 'not_objected' });
  });
});

describe('requests as a whole', () => {
  test.each<[string, number, string, unknown, Record<string, string>]>([
    ['no JSON', 400, '/v1/decisions', '{"contact":', {}],
    ['an array', 400, '/v1/decisions', [], {}],
    ['a text', 400, '/v1/decisions', '"hello"', {}],
    ['nested 5,000 deep', 400, '/v1/decisions', `${'['.repeat(5000)}${']'.repeat(5000)}`, {}],
    ['1e999', 400, '/v1/decisions', '{"contact":1e999}', {}],
    ['another encoding', 400, '/v1/decisions', '{}', { 'content-type': 'application/json; charset=utf-7' }],
    ['no events', 400, '/v1/events', { events: [] }, {}],
    ['1,001 events', 400, '/v1/events', { events: Array.from({ length: 1001 }, () => event) }, {}],
    [
      'more than 5 MB',
      413,
      '/v1/events',
      { events: [{ ...event, source: { kind: 'api', actor: 'x'.repeat(6_000_000) } }] },
      {},
    ],
    ['no key', 401, '/v1/decisions', question, { authorization: '' }],
    ['a wrong key', 401, '/v1/decisions', question, { authorization: 'Bearer hk_wrong' }],
    ['nothing there', 404, '/v1/nothing', {}, {}],
  ])('%s is a %i that says what to do', async (_name, status, path, body, headers) => {
    const response = await hush.post(path, body, headers);
    const problem = await problemOf(response);
    expect(response.status).toBe(status);
    expect(problem.remedy ?? '').not.toBe('');
    expect(JSON.stringify(problem)).not.toMatch(/node_modules|\bat .*:\d+:\d+/);
  });

  test('a key may only do what its scopes say, and nothing once it is revoked', async () => {
    const { apiKeys } = hush.hush.stores;
    const { id, key } = await apiKeys.create('decisions only', ['decisions']);
    const authorization = { authorization: `Bearer ${key}` };
    expect((await hush.post('/v1/decisions', question, authorization)).status).toBe(200);
    const refused = await hush.post('/v1/events', { events: [event] }, authorization);
    expect([refused.status, (await problemOf(refused)).detail]).toEqual([403, 'this key lacks the scope events']);
    await apiKeys.revoke(id);
    await until(async () => (await hush.post('/v1/decisions', question, authorization)).status === 401);
    const stored = JSON.stringify(await hush.hush.stores.connection.collection('api_keys').find().toArray());
    expect(stored).not.toContain(key.slice(3));
    expect(stored).not.toContain(API_KEY.slice(3));
  });

  test('a grant of a key without the scope lift lifts nothing', async () => {
    const person = { email: 'lifted@example.com' };
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
    await hush.ask('/v1/events', { events: [{ contact: person, type: 'opted_out', scope, source: { kind: 'api' } }] });
    const { key } = await hush.hush.stores.apiKeys.create('may not lift', ['events']);
    const grant = { contact: person, type: 'opted_in', scope, source: { kind: 'api' }, lifts: 'any' };
    await hush.post('/v1/events', { events: [grant] }, { authorization: `Bearer ${key}` });
    expect(await hush.decide(person)).toMatchObject({ allowed: false, reason: 'opted_out' });
    await hush.ask('/v1/events', { events: [grant] });
    expect(await hush.decide(person)).toMatchObject({ allowed: true });
  });
});

describe('a retry', () => {
  const own = (id: string, change: object = {}) => ({
    ...event,
    contact: { email: 'retry@example.com' },
    id,
    ...change,
  });
  test('with the writer’s own id has the same answer and is one event', async () => {
    const first = await hush.ask('/v1/events', { events: [own('a1')] });
    const again = await hush.ask('/v1/events', { events: [own('a1')] });
    await hush.settle();
    const third = await hush.ask('/v1/events', { events: [own('a1')] });
    await hush.settle();
    expect(again).toEqual(first);
    expect(third).toEqual(first);
    const { accepted } = first as { accepted: { contact: string }[] };
    const key = contactKeyFromText(accepted[0]?.contact ?? '') ?? Buffer.alloc(0);
    expect(await hush.hush.stores.ledger.ofContact(key)).toHaveLength(1);
  });
  test('with the same id and other content is refused', async () => {
    await hush.ask('/v1/events', { events: [own('b1')] });
    const { rejected } = await hush.ask<{ rejected: { problem: { code: string } }[] }>('/v1/events', {
      events: [own('b1', { type: 'objected' })],
    });
    expect(rejected[0]?.problem.code).toBe('id_reused');
  });
  test('with an Idempotency-Key, of what was refused only because the record was away, is accepted', async () => {
    const headers = { 'idempotency-key': 'request-away' };
    const person = { email: 'away@example.com' };
    const body = {
      events: [
        { ...event, contact: { email: 'present@example.com' } },
        { ...event, contact: person },
      ],
    };
    const { contacts } = hush.hush.stores;
    const { append } = contacts;
    const known = await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: person });
    const key = contactKeyFromText(known.contact) ?? Buffer.alloc(0);
    Object.assign(contacts, {
      append: async (items: Parameters<typeof append>[0]) => {
        const others = items.filter((item) => !item.key.equals(key));
        const results = others.length > 0 ? await append(others) : [];
        return items.map((item) => (item.key.equals(key) ? new HushError('unavailable', 'away', {}) : results.shift()));
      },
    });
    const first = await (await hush.post('/v1/events', body, headers)).json();
    Object.assign(contacts, { append });
    expect(first).toMatchObject({ accepted: [{ index: 0 }], rejected: [{ index: 1, problem: { status: 503 } }] });
    expect(await (await hush.post('/v1/events', body, headers)).json()).toMatchObject({
      accepted: [(first as { accepted: object[] }).accepted[0], { index: 1 }],
      rejected: [],
    });
    expect(await hush.decide(person)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });
  test('with an Idempotency-Key has the same answer; with another body it is a 409', async () => {
    const headers = { 'idempotency-key': 'request-1' };
    const body = { events: [{ ...event, contact: { email: 'idem@example.com' } }] };
    const first = await (await hush.post('/v1/events', body, headers)).text();
    expect(await (await hush.post('/v1/events', body, headers)).text()).toBe(first);
    expect((await hush.post('/v1/events', { events: [event] }, headers)).status).toBe(409);
  });
});
