import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { isOneClickBody } from '../../../src/web/public/misplaced-one-click.js';
import { type Hush, startHush } from '../../support/hush.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

let people = 0;
const ABOUT = { brand: 'jmf', channel: 'email', purpose: 'promotion' } as const;
const nobody = () => ({ email: `reader${++people}@example.com` });
async function preferencePage(contact: object): Promise<string> {
  const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', {
    contact,
    ...ABOUT,
    topic: 'tips',
    campaign: 'autumn',
  });
  return hush.url + new URL(preferencesUrl).pathname;
}
const post = (url: string, body: RequestInit['body'], headers: Record<string, string> = {}) =>
  fetch(url, { method: 'POST', redirect: 'manual', headers, body: body ?? null });
const form = (fields: Record<string, string>) => {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  return data;
};

describe('a one-click post to the preference page', () => {
  test.each<[string, RequestInit['body'], Record<string, string>]>([
    ['urlencoded', new URLSearchParams({ 'List-Unsubscribe': 'One-Click' }), {}],
    ['multipart', form({ 'List-Unsubscribe': 'One-Click' }), {}],
    ['with another content type', 'List-Unsubscribe=One-Click', { 'content-type': 'text/plain' }],
    ['without a content type', new TextEncoder().encode('List-Unsubscribe=One-Click\r\n'), {}],
    ['in lower case', new URLSearchParams({ 'list-unsubscribe': 'one-click' }), {}],
  ])(
    '%s is the opt-out of the link’s scope and nothing more: 200, no redirect, no cookie',
    async (_how, body, headers) => {
      const contact = nobody();
      const answer = await post(await preferencePage(contact), body, headers);
      expect(answer.status).toBe(200);
      expect(answer.headers.get('set-cookie')).toBeNull();
      const receipt = /Receipt: (\S+)/.exec(await answer.text())?.[1];
      expect(await hush.decide(contact, 'promotion', { topic: 'tips' })).toMatchObject({
        allowed: false,
        reason: 'opted_out',
        receipt: `r_${receipt}`,
      });
      expect(await hush.decide(contact, 'promotion', { topic: 'news' })).toMatchObject({ allowed: true });
      expect(await hush.ask(`/v1/receipts/r_${receipt}`)).toMatchObject({ source: { kind: 'one_click' } });
    },
  );

  test('repeated answers 200 each time', async () => {
    const page = await preferencePage(nobody());
    const body = new URLSearchParams({ 'List-Unsubscribe': 'One-Click' });
    expect((await post(page, body)).status).toBe(200);
    expect((await post(page, body)).status).toBe(200);
  });

  test('beside other fields it is a form like any other', async () => {
    const contact = nobody();
    const page = await preferencePage(contact);
    await post(page, new URLSearchParams({ 'List-Unsubscribe': 'One-Click', act: 'fresh' }));
    await post(page, form({ 'List-Unsubscribe': 'One-Click', act: 'fresh' }));
    await post(page, new URLSearchParams({ act: 'save' }));
    expect(await hush.decide(contact, 'promotion', { topic: 'tips' })).toMatchObject({ allowed: true });
  });
});

describe('a one-click post to another link', () => {
  const ONE_CLICK = () => new URLSearchParams({ 'List-Unsubscribe': 'One-Click' });
  const all = { brand: 'jmf', channel: '*', purpose: '*', topic: '*' } as const;
  const pointOf = ({ email }: { email: string }) => ({ type: 'email', normalised: email, given: email }) as const;

  test('to a confirmation confirms nothing and opts out', async () => {
    const contact = nobody();
    const { links, clock } = hush.hush;
    const token = links.confirm(pointOf(contact), { ...ABOUT, topic: '*' }, 'some-id', clock.now() + 60_000);
    expect((await post(`${hush.url}/confirm/${token}`, ONE_CLICK())).status).toBe(200);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test('to a request, a verification, an undo or a fresh link changes nothing', async () => {
    const contact = nobody();
    const { links, clock } = hush.hush;
    const point = pointOf(contact);
    for (const [route, token] of [
      ['p', links.fresh(point, 'jmf', clock.now())],
      ['p', links.seal('undo', point, all, '0000-0000-0000-0000-0000', clock.now() + 60_000)],
      ['rights', links.seal('verify', point, all, 'nothing', clock.now() + 60_000)],
    ] as const) {
      await post(`${hush.url}/${route}/${token}`, ONE_CLICK());
    }
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });
});

test.each([
  [{ 'List-Unsubscribe': 'One-Click' }, true],
  ['List-Unsubscribe=One-Click', true],
  [' list-unsubscribe=ONE-CLICK\r\n', true],
  [{ 'List-Unsubscribe': ['One-Click', 'One-Click'] }, false],
  [{ 'List-Unsubscribe': 'No' }, false],
  [{ 'List-Unsubscribe': 'One-Click', from: 'page' }, false],
  [{}, false],
  ['', false],
  [undefined, false],
  [null, false],
  [Buffer.from('x'), false],
])('%j is a one-click body: %s', (body, is) => expect(isOneClickBody(body)).toBe(is));
