import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ limits: { badTokens: 100_000, forms: 1000, badKeys: 1000 } });
});
afterAll(() => hush?.stop());

/** A request with its target exactly as given, as no client library would send it. */
async function send(method: string, path: string, body = '', type = 'application/x-www-form-urlencoded') {
  const { hostname, port, host } = new URL(hush.url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: close',
    ...(body === '' ? [] : [`Content-Type: ${type}`, `Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  const answer = await text(socket);
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), answer };
}

let people = 0;
async function someone(scope: object = {}) {
  const contact = { email: `reader${++people}@example.com` };
  const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
    contact,
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
    ...scope,
  });
  return { contact, token: oneClickUrl.split('/u/')[1] ?? '' };
}

const ONE_CLICK = 'List-Unsubscribe=One-Click';

/** `{r}` is the route, `{t}` its token. */
const FORMS: readonly string[] = [
  '/{r}/{t}',
  '/{r}/{t}/',
  '/{r}/{t}//',
  '//{r}/{t}',
  '///{r}///{t}',
  '/{r}/{t}=',
  '/{r}/{t}.',
  '/{r}/{t},',
  '/{r}/{t};',
  '/{r}/{t})',
  '/{r}/{t}]',
  '/{r}/{t}>',
  '/{r}/{t}"',
  "/{r}/{t}'",
  '/{r}/{t}\\',
  '/{r}/{t}|',
  '/{r}/{t}!',
  '/{r}/{t}*',
  '/{r}/{t}-',
  '/{r}/{t}_',
  '/{r}/{t}#top',
  '/{r}/{t}%3E',
  '/{r}/{t}%3E%20',
  '/{r}/{t}%20',
  '/{r}/{t}%22',
  '/{r}/{t}%0D%0A',
  '/{r}/{t}%C2%A0',
  '/{r}/{t}%E2%80%9D',
  '/{r}/{t}%253E',
  '/{r}/{t}%',
  '/{r}/{t}%zz',
  '/{r}/{t}%FF',
  '/{r}/{t}&utm_source=x&utm_medium=email',
  '/{r}/{t}?utm_source=x',
  '/{r}/{t}/?utm_source=x',
  '/{r}/{t};jsessionid=1?x=%zz',
  '/{r}/{t}/index.html',
  '/{r}/%3C{t}%3E',
  '/{r}/%20{t}',
  '/{r}/{e}',
  '/%{h}/{t}',
  'http://{host}/{r}/{t}',
  'http://{host}//{r}/{t}/',
  'https://another.example/{r}/{t}.',
  '/{r}/{T}',
  '/{R}/{t}',
  '/{R}/{T}.',
];

function target(form: string, route: string, token: string): string {
  const values: Record<string, string> = {
    host: new URL(hush.url).host,
    r: route,
    R: route.toUpperCase(),
    h: `${route.charCodeAt(0).toString(16)}${route.slice(1)}`,
    t: token,
    T: token.toUpperCase(),
    e: token.replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
  };
  return form.replace(/\{(\w+)\}/g, (_all, name: string) => values[name] ?? '');
}

/** A quarter of the forms, where each costs many requests. */
const SOME = FORMS.filter((_form, n) => n % 4 === 0);

/** Another letter in the middle of the token. */
function forged(token: string): string {
  return `${token.slice(0, 12)}${token[12] === 'x' ? 'y' : 'x'}${token.slice(13)}`;
}

describe('a link that came through mail', () => {
  test.each(FORMS)('POST %s is an opt-out', async (form) => {
    const { contact, token } = await someone();
    expect(await send('POST', target(form, 'u', token), ONE_CLICK)).toMatchObject({ status: 200 });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test.each(SOME)('POST %s of a preference page with a one-click body is an opt-out', async (form) => {
    const { contact, token } = await someone();
    expect(await send('POST', target(form, 'p', token), ONE_CLICK)).toMatchObject({ status: 200 });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test.each(FORMS)('GET %s shows its page, for every route, and changes nothing', async (form) => {
    const { contact, token } = await someone();
    for (const [route, action] of [
      ['u', `action="/u/${token}`],
      ['p', `action="/p/${token}`],
    ] as const) {
      const { status, answer } = await send('GET', target(form, route, token));
      expect([route, status]).toEqual([route, 200]);
      expect(answer).toContain(action);
      expect(answer).not.toMatch(/another\.example/);
    }
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test.each(SOME)('%s is 404 for every route and method when a letter of the token was changed', async (form) => {
    const { contact, token } = await someone();
    for (const route of ['u', 'p', 'confirm', 'rights']) {
      for (const method of ['GET', 'POST']) {
        const { status, answer } = await send(method, target(form, route, forged(token)), ONE_CLICK);
        expect([route, method, status]).toEqual([route, method, 404]);
        expect(answer).not.toMatch(/another\.example|evil/);
      }
    }
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('on another host’s path is none', async () => {
    const { contact, token } = await someone();
    const { status, answer } = await send('POST', `//evil.example/u/${token}`, ONE_CLICK);
    expect(status).toBe(404);
    expect(answer).not.toContain('evil.example');
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('has one tag and one token, whatever was done to it', () => {
    const { links } = hush.hush;
    const point = { type: 'email', normalised: 'ana@example.com', given: 'ana@example.com' } as const;
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' } as const;
    const token = links.seal('mailed', point, scope, '');
    const [clean, damaged] = [token, `${token.toUpperCase()}.`].map((form) => links.read(form, 0));
    expect(damaged).toEqual(clean);
    expect(clean?.token).toBe(token);
  });
});

describe('the other links', () => {
  const point = (email: string) => ({ type: 'email', normalised: email, given: email }) as const;
  const all = { brand: 'jmf', channel: '*', purpose: '*', topic: '*' } as const;
  /** The text of the newest mail to somebody, out of the development mailbox. */
  async function mailTo(email: string): Promise<string> {
    const { mailbox } = hush.hush.stores;
    const { id } = await until(async () => (await mailbox.list()).find(({ to }) => to === email));
    const { text: words } = await simpleParser((await mailbox.get(id))?.raw ?? Buffer.alloc(0));
    return words ?? '';
  }

  test.each(SOME)('a confirmation opens at %s', async (form) => {
    const email = `confirm${++people}@example.com`;
    await hush.ask('/v1/consents', {
      contact: { email },
      brand: 'jmf',
      purpose: 'promotion',
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1' },
    });
    const token = /\/confirm\/([0-9a-z]+)/.exec(await mailTo(email))?.[1] ?? '';
    expect(await send('GET', target(form, 'confirm', token))).toMatchObject({ status: 200 });
    expect(await send('POST', target(form, 'confirm', token), 'act=confirm')).toMatchObject({ status: 303 });
  });

  test.each(SOME)('a fresh link and an undo open at %s', async (form) => {
    const { links, clock } = hush.hush;
    const fresh = links.fresh(point('ana@example.com'), 'jmf', clock.now());
    const undo = links.seal('undo', point('ana@example.com'), all, '0000-0000-0000-0000-0000', clock.now() + 1e6);
    for (const token of [fresh, undo]) {
      expect(await send('GET', target(form, 'p', token))).toMatchObject({ status: 200 });
      expect(await send('POST', target(form, 'u', token), ONE_CLICK)).toMatchObject({ status: 404 });
    }
  });
});
