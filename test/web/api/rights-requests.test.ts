import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

interface Answer {
  id: string;
  reference: string;
  state: string;
  due: string;
  late: boolean;
  receipts: string[];
  history?: { what: string }[];
}

test('what only denies is in force when the answer is there; everything else waits for verification', async () => {
  const optOut = await hush.ask<Answer>('/v1/requests', { kind: 'opt_out', contacts: [{ email: 'api@example.com' }] });
  expect(optOut).toMatchObject({ state: 'fulfilled', kind: 'opt_out', way: 'api', late: false });
  expect(optOut.receipts).toHaveLength(1);
  expect(await hush.decide({ email: 'api@example.com' })).toMatchObject({
    reason: 'opted_out',
    receipt: optOut.receipts[0],
  });
  const access = await hush.ask<Answer>('/v1/requests', {
    kind: 'access',
    contacts: [{ email: 'api2@example.com' }],
    name: 'Ana Doe',
    description: 'everything',
    jurisdiction: 'DE',
  });
  expect(access).toMatchObject({ state: 'verifying', jurisdiction: 'DE' });
});

test('the same id again is the same request; with other content it is refused', async () => {
  const body = { id: 'ticket 4711', kind: 'opt_out', contacts: [{ email: 'twice@example.com' }] };
  const [one, two] = await Promise.all([
    hush.ask<Answer>('/v1/requests', body),
    hush.ask<Answer>('/v1/requests', body),
  ]);
  const three = await hush.ask<Answer>('/v1/requests', body);
  expect(new Set([one.id, two.id, three.id]).size).toBe(1);
  expect(three.receipts).toHaveLength(1);
  const other = await hush.post('/v1/requests', { ...body, kind: 'access' });
  expect(other.status).toBe(409);
  expect(await other.json()).toMatchObject({ code: 'id_reused', field: 'id' });
});

test('list and single: codes and times, nothing of the person', async () => {
  const receivedAt = new Date(Date.now() - 50 * 86_400_000).toISOString();
  const late = await hush.ask<Answer>('/v1/requests', {
    kind: 'deletion',
    contacts: [{ email: 'late@example.com' }],
    name: 'Ana Doe',
    receivedAt,
  });
  expect(late.late).toBe(true);
  const list = await hush.ask<{ total: number; requests: Answer[] }>('/v1/requests?state=late');
  expect(list).toMatchObject({ total: 1, requests: [{ id: late.id }] });
  const found = await hush.ask<Answer>(`/v1/requests/${late.reference.toLowerCase().replaceAll('-', ' ')}`);
  expect(found.id).toBe(late.id);
  expect(found.history?.map(({ what }) => what)).toContain('received');
  expect(JSON.stringify([list, found])).not.toMatch(/Ana|late@/);
  expect((await hush.get('/v1/requests/q_00000-00000-00000')).status).toBe(404);
  expect((await hush.get('/v1/requests?state=sometime')).status).toBe(400);
});

test.each([
  ['an unknown kind', { kind: 'forget_me', contacts: [{ email: 'a@example.com' }] }, 'kind'],
  ['no contact', { kind: 'access', contacts: [] }, 'contacts'],
  ['a broken contact', { kind: 'access', contacts: [{ email: 'a@example.com' }, { email: 'b@' }] }, 'contacts.1.email'],
  ['an unknown field', { kind: 'access', contacts: [{ email: 'a@example.com' }], urgent: true }, 'urgent'],
  [
    'a day to come',
    { kind: 'access', contacts: [{ email: 'a@example.com' }], receivedAt: '2100-01-01T00:00:00Z' },
    'receivedAt',
  ],
  [
    'an agent with two addresses',
    {
      kind: 'access',
      contacts: [{ email: 'a@example.com' }],
      agent: { name: 'Lee Attorney', email: 'lee@law.example, eve@example.com' },
    },
    'agent.email',
  ],
])('%s is refused by name, and nothing is taken', async (_name, body, field) => {
  const before = await hush.hush.stores.requests.count({});
  const answer = await hush.post('/v1/requests', body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ field });
  expect(await hush.hush.stores.requests.count({})).toBe(before);
});

test('a key without the scope is refused, and it is in the description', async () => {
  const { key } = await hush.hush.stores.apiKeys.create('events only', ['events']);
  for (const answer of [
    await hush.post(
      '/v1/requests',
      { kind: 'access', contacts: [{ email: 'a@example.com' }] },
      { authorization: `Bearer ${key}` },
    ),
    await hush.get('/v1/requests', { authorization: `Bearer ${key}` }),
  ]) {
    expect(answer.status).toBe(403);
    expect(JSON.stringify(await answer.json())).toContain('requests');
  }
  const document = await hush.ask<{ paths: object }>('/v1/openapi.json');
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/v1/requests', '/v1/requests/{id}']));
});
