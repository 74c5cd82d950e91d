import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { API_KEY, type Hush, startHush } from '../../support/hush.js';

const SCOPE = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
/** Keys of the right form that belong to nobody. */
const NOBODY = { key: `c_${'0'.repeat(26)}` };
const NOBODY_ELSE = { key: `c_${'0'.repeat(25)}4` };
const KNOWN = { email: 'known@example.com' };

let hush: Hush;
let known = { key: '' };
beforeAll(async () => {
  hush = await startHush({ destinations: [] });
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
    events: [{ contact: KNOWN, type: 'opted_in', source: { kind: 'api' } }],
  });
  known = { key: accepted[0]?.contact ?? '' };
});
afterAll(() => hush?.stop());

async function problem(to: string, body: unknown): Promise<{ status: number; field: string | undefined }> {
  const response = await hush.post(to, body);
  const { field } = (await response.json()) as { field?: string };
  return { status: response.status, field };
}

describe('a key that nobody is known under is a 404 that names the field, on', () => {
  test.each([
    ['/v1/decisions', { ...SCOPE, contact: NOBODY }, 'contact.key'],
    ['/v1/decisions', { ...SCOPE, purpose: 'legal', contact: NOBODY }, 'contact.key'],
    ['/v1/decisions', { ...SCOPE, contact: NOBODY, at: '2026-01-01T00:00:00Z' }, 'contact.key'],
    ['/v1/decisions/batch', { ...SCOPE, contacts: [KNOWN, NOBODY] }, 'contacts.1.key'],
    ['/v1/contacts/lookup', { contact: NOBODY }, 'contact.key'],
    ['/v1/contacts/link', { contacts: [KNOWN, NOBODY] }, 'contact.key'],
    ['/v1/contacts/replace', { from: NOBODY, to: KNOWN }, 'from.key'],
    ['/v1/contacts/replace', { from: KNOWN, to: NOBODY }, 'to.key'],
    ['/v1/requests', { kind: 'opt_out', contacts: [KNOWN, NOBODY] }, 'contacts.1.key'],
    [
      '/v1/consents',
      { ...SCOPE, contact: NOBODY, mode: 'record', notice: { id: 'newsletter', version: '1' } },
      'contact.key',
    ],
  ])('%s %j', async (to, body, field) => {
    expect(await problem(to, body)).toEqual({ status: 404, field });
  });

  test('/v1/events, for that event only', async () => {
    const event = (contact: object) => ({ contact, type: 'opted_out', source: { kind: 'api' } });
    const answer = await hush.ask('/v1/events', { events: [event(NOBODY), event({ email: 'other@example.com' })] });
    expect(answer).toMatchObject({
      accepted: [{ index: 1 }],
      rejected: [{ index: 0, problem: { status: 404, code: 'not_found', field: 'events.0.contact.key' } }],
    });
  });
});

test('a batch names every unknown key, and is answered by the known ones alone', async () => {
  const response = await hush.post('/v1/decisions/batch', { ...SCOPE, contacts: [NOBODY, known, NOBODY_ELSE] });
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({
    errors: [{ field: 'contacts.0.key' }, { field: 'contacts.2.key' }],
  });
  const { decisions } = await hush.ask<{ decisions: object[] }>('/v1/decisions/batch', { ...SCOPE, contacts: [known] });
  expect(decisions).toMatchObject([{ allowed: true }]);
});

async function stream(to: string, type: string, body: string): Promise<string> {
  const response = await fetch(hush.url + to, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': type },
    body,
  });
  expect(response.status).toBe(200);
  return response.text();
}

test('a line of NDJSON with an unknown key is answered by a problem, in its place', async () => {
  const lines = [known, NOBODY, KNOWN].map((contact) => JSON.stringify({ ...SCOPE, contact }));
  const answers = (await stream('/v1/decisions/batch', 'application/x-ndjson', lines.join('\n'))).trim().split('\n');
  expect(answers.map((line) => JSON.parse(line))).toMatchObject([
    { allowed: true },
    { problem: { status: 404, field: 'contact.key' } },
    { allowed: true },
  ]);
});

test('a row of a scrub with an unknown key is denied, in every output', async () => {
  const list = `who\n${known.key}\n${NOBODY.key}\n`;
  const scrub = (output: string) =>
    stream(`/v1/scrub?${new URLSearchParams({ ...SCOPE, column: 'who', output })}`, 'text/csv', list);
  expect(await scrub('allowed')).toBe(`who\n${known.key}\n`);
  expect(await scrub('denied')).toBe(`who\n${NOBODY.key}\n`);
  expect(await scrub('annotated')).toContain(`${NOBODY.key},false,unknown_key,`);
});

test('an address that nobody has heard of is no unknown key: the default facts decide', async () => {
  expect(await hush.decide({ email: 'stranger@example.com' })).toMatchObject({ allowed: true });
});
