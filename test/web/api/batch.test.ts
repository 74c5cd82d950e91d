import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ADDRESSES = [
  ...Array.from({ length: 3000 }, (_, n) => `person${n}@example.com`),
  'j.doe@gmail.com',
  'jdoe@gmail.com',
  'J.D.O.E@googlemail.com',
  `${'long'.repeat(15)}@example.com`,
  "o'neil@example.com",
  'Ana@EXAMPLE.com ',
];

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ destinations: [], env: { HUSH_DECISION_INDEX: 'on' } });
  await until(() => hush.hush.decisionIndex.status().phase === 'current');
  const optOut = (email: string, scope: object) => ({
    contact: { email },
    type: 'opted_out',
    scope,
    source: { kind: 'api' },
  });
  const events = ADDRESSES.filter((_, n) => n % 5 === 0).map((email, n) =>
    optOut(email, n % 2 === 0 ? OFFERS : { topic: 'news' }),
  );
  const { rejected } = await hush.ask<{ rejected: unknown[] }>('/v1/events', {
    events: [...events, optOut('jdoe@gmail.com', {})],
  });
  expect(rejected).toEqual([]);
});
afterAll(() => hush?.stop());

const batch = async (contacts: string) => {
  const answer = await hush.post(
    '/v1/decisions/batch',
    `{"brand":"jmf","channel":"email",${contacts},"purpose":"promotion"}`,
  );
  const body = (await answer.json()) as { decisions: { allowed: boolean; reason: string }[] };
  return { status: answer.status, body };
};
const listed = (list: readonly string[]) => `"contacts":[${list.map((email) => JSON.stringify({ email })).join(',')}]`;
/** The same body in a form that has to be read as JSON. */
const escaped = (list: readonly string[]) => listed(list).replace('@', '\\u0040');

test('a batch of addresses is answered as one that is read as JSON, before and after it is projected', async () => {
  for (const when of ['pending', 'projected']) {
    if (when === 'projected') await hush.settle();
    const quick = await batch(listed(ADDRESSES));
    expect(quick.status).toBe(200);
    expect(quick).toEqual(await batch(escaped(ADDRESSES)));
    expect(quick.body.decisions).toHaveLength(ADDRESSES.length);
    const reasons = new Set(quick.body.decisions.map(({ reason }) => reason));
    expect([...reasons].sort()).toEqual(['not_objected', 'opted_out']);
  }
});

test('lines that are alike but for the address are answered as questions of their own', async () => {
  const lines = ADDRESSES.map((email) => JSON.stringify({ contact: { email }, ...OFFERS }));
  const odd = [
    '{"contact":{"email":"a","phone":"+19205550100"},"brand":"jmf","channel":"email","purpose":"promotion"}',
    '{"contact":{"email":"no address"},"brand":"jmf","channel":"email","purpose":"promotion"}',
  ];
  lines.splice(7, 0, ...odd);
  const answer = await hush.post('/v1/decisions/batch', lines.join('\n'), { 'content-type': 'application/x-ndjson' });
  const answers = (await answer.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(answers.splice(7, 2)).toMatchObject([{ problem: { status: 400 } }, { problem: { status: 400 } }]);
  expect(answers).toEqual((await batch(escaped(ADDRESSES))).body.decisions);
});

test.each([
  ['one that is no address', [...ADDRESSES.slice(0, 3), 'nobody']],
  ['one that is too long', [...ADDRESSES.slice(0, 3), `${'a'.repeat(1000)}@example.com`]],
  ['too many', Array.from({ length: 10_001 }, () => 'a@example.com')],
])('a batch with %s is refused with the same words', async (_name, list) => {
  const quick = await batch(listed(list));
  expect(quick.status).toBe(400);
  expect(quick).toEqual(await batch(escaped(list)));
});

test.each([
  ['an unknown field', '"x":1,"contacts":[{"email":"a@example.com"}]'],
  ['the list twice', '"contacts":[],"contacts":[{"email":"a@example.com"}]'],
  ['the list within another field', '"x":{"contacts":[{"email":"a@example.com"}]}'],
])('a body with %s is refused', async (_name, contacts) => {
  expect((await batch(contacts)).status).toBe(400);
});

test('what was acknowledged a moment ago counts in the next batch', async () => {
  for (let n = 0; n < 20; n++) {
    const list = Array.from({ length: 60 }, (_, m) => `moment${n}.${m}@example.com`);
    await hush.ask('/v1/events', {
      events: [{ contact: { email: list[n] }, type: 'opted_out', scope: OFFERS, source: { kind: 'api' } }],
    });
    const { body } = await batch(listed(list));
    expect(body.decisions.map(({ allowed }) => allowed)).toEqual(list.map((_, m) => m !== n));
  }
});
