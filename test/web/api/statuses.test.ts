import { request as rawRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

const WRONG_KEYS = 200;
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ limits: { badTokens: 600, forms: 30, badKeys: WRONG_KEYS } });
});
afterAll(() => hush?.stop());

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
}

/** Any body with any method, as no browser would send it. */
function send(method: string, to: string, body: string, authorization = `Bearer ${API_KEY}`): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    };
    const sent = rawRequest(hush.url + to, { method: method.toUpperCase(), headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => {
        const problem = /^application\/problem\+json/.test(answer.headers['content-type'] ?? '');
        resolve({ status: answer.statusCode ?? 0, code: problem ? JSON.parse(text).code : undefined });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

interface Described {
  readonly route: string;
  readonly method: string;
  readonly path: string;
  readonly statuses: readonly number[];
}

async function described(): Promise<Described[]> {
  const { paths } = await hush.ask<{ paths: Record<string, Record<string, { responses: object }>> }>(
    '/v1/openapi.json',
  );
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { responses }]) => ({
      route: `${method} ${path}`,
      method,
      path,
      statuses: Object.keys(responses).map(Number),
    })),
  );
}

/** A body that is right where none at all is not, so that an id that is not there is all that is wrong. */
const NOBODY = { key: `c_${'0'.repeat(26)}` };
const QUESTION = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const RIGHT: Readonly<Record<string, string>> = {
  'post /v1/webhooks/{id}/replay': '{"after":"n0"}',
  'post /v1/decisions': JSON.stringify({ ...QUESTION, contact: NOBODY }),
  'post /v1/decisions/batch': JSON.stringify({ ...QUESTION, contacts: [NOBODY] }),
  'post /v1/contacts/lookup': JSON.stringify({ contact: NOBODY }),
  'post /v1/contacts/link': JSON.stringify({ contacts: [NOBODY, { email: 'somebody@example.com' }] }),
  'post /v1/contacts/replace': JSON.stringify({ from: NOBODY, to: { email: 'somebody@example.com' } }),
  'post /v1/consents': JSON.stringify({
    ...QUESTION,
    contact: NOBODY,
    mode: 'record',
    notice: { id: 'newsletter', version: '1' },
  }),
  'post /v1/requests': JSON.stringify({ kind: 'opt_out', contacts: [NOBODY] }),
};

/** Statuses of what is wrong in one way each: with the key, the body, the query, the path and the id. */
async function walk({ route, method, path }: Described): Promise<Set<number>> {
  const to = path.replaceAll(/\{\w+\}/g, 'nobody');
  const { key: poor } = await hush.hush.stores.apiKeys.create('may nothing', []);
  const large = JSON.stringify({ text: 'x'.repeat(5_300_000) });
  const answers = await Promise.all([
    send(method, to, '{}', ''),
    send(method, to, '{}', 'Bearer hk_wrong'),
    send(method, to, '{}', `Bearer ${poor}`),
    send(method, to, '{"half":'),
    send(method, to, '[]'),
    send(method, to, '{"surprise":1}'),
    send(method, `${to}?surprise=1`, '{}'),
    send(method, path.replaceAll(/\{\w+\}/g, '%E0%A4%A'), '{}'),
    send(method, to, RIGHT[route] ?? '{}'),
    ...(method === 'get' ? [] : [send(method, to, large)]),
  ]);
  return new Set(answers.map(({ status }) => status));
}

/** Not walked to on every route: each has its test below, or elsewhere. */
const ELSEWHERE = new Set([200, 408, 409, 429, 503]);

describe('the description of the API names the status of every answer', () => {
  test('to what is wrong, and no status that no answer has', async () => {
    const routes = await described();
    expect(routes.length).toBeGreaterThan(25);
    for (const one of routes) {
      const { route, statuses } = one;
      const seen = await walk(one);
      expect({ route, undescribed: [...seen].filter((status) => !statuses.includes(status)) }).toEqual({
        route,
        undescribed: [],
      });
      expect({ route, unseen: statuses.filter((status) => !ELSEWHERE.has(status) && !seen.has(status)) }).toEqual({
        route,
        unseen: [],
      });
    }
  });

  test('to what contradicts what is there', async () => {
    const contact = { email: 'conflict@example.com' };
    const event = (type: string) => ({ events: [{ contact, type, source: { kind: 'api' } }] });
    const request = (kind: string) => ({ id: 'ticket 1', kind, contacts: [contact] });
    const subscribe = () => hush.post('/v1/webhooks', { url: 'http://127.0.0.1:9/nobody-listens' });
    const once = { 'idempotency-key': 'once' };
    const twice = { 'idempotency-key': 'twice' };
    await hush.post('/v1/events', event('opted_out'), once);
    await hush.post('/v1/contacts/replace', { from: contact, to: { email: 'next@example.com' } }, twice);
    await hush.ask('/v1/requests', request('opt_out'));
    for (let n = 0; n < 100; n++) expect((await subscribe()).status).toBe(200);
    // One at a time: changes of a contact that come together are one in the feed.
    const known = async () => (await hush.ask<{ changes: unknown[] }>('/v1/changes')).changes.length;
    const before = await known();
    for (const [index, type] of ['objected', 'complained', 'gpc_received'].entries()) {
      await hush.ask('/v1/events', event(type));
      await hush.settle();
      await until(async () => (await known()) > before + index);
    }
    const [webhook] = (await hush.ask<{ webhooks: { id: string }[] }>('/v1/webhooks')).webhooks;
    if (!webhook) throw new Error('no webhook');
    const feed = hush.hush.stores.connection.collection<{ _id: number }>('changes');
    await feed.deleteMany({ _id: { $lte: 2 } });
    const answers = {
      'post /v1/events': await hush.post('/v1/events', event('objected'), once),
      'post /v1/contacts/replace': await hush.post(
        '/v1/contacts/replace',
        { from: contact, to: { id: 'crm:1' } },
        twice,
      ),
      'post /v1/requests': await hush.post('/v1/requests', request('access')),
      'post /v1/webhooks': await subscribe(),
      'post /v1/webhooks/{id}/replay': await hush.post(`/v1/webhooks/${webhook.id}/replay`, { after: 'n0' }),
      'get /v1/changes': await hush.get('/v1/changes?after=n0'),
    };
    for (const [route, { status }] of Object.entries(answers)) expect([route, status]).toEqual([route, 409]);
    const conflicting = (await described()).filter(({ statuses }) => statuses.includes(409));
    expect(conflicting.map(({ route }) => route).sort()).toEqual(Object.keys(answers).sort());
  });

  test('to one wrong key after another', async () => {
    let status = 0;
    for (let n = 0; status !== 429 && n <= WRONG_KEYS; n++)
      ({ status } = await send('get', '/v1/destinations', '{}', 'Bearer hk_wrong'));
    expect(status).toBe(429);
    for (const { route, statuses } of await described())
      expect([route, statuses]).toEqual([route, expect.arrayContaining([429, 503])]);
  });
});
