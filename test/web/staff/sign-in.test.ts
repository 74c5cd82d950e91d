import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import express from 'express';
import { keyringFromSecret } from '../../../src/core/keys.js';
import { machine } from '../../../src/machine.js';
import { ABSOLUTE, beginSession, IDLE, sessionMiddleware } from '../../../src/web/middleware/session.js';
import { rolesFrom } from '../../../src/web/staff/oidc.js';
import { safeTarget } from '../../../src/web/staff/sign-in.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn, visitor } from './browser.js';
import { type Answer, hostileProvider } from './hostile-provider.js';

describe('an identity provider that is not to be trusted', () => {
  let hush: Hush;
  let provider: Awaited<ReturnType<typeof hostileProvider>>;
  beforeAll(async () => {
    provider = await hostileProvider();
    hush = await startHush({
      env: {
        HUSH_OIDC_ISSUER: provider.issuer(),
        HUSH_OIDC_CLIENT_ID: 'console',
        HUSH_OIDC_CLIENT_SECRET: 'secret',
        HUSH_OIDC_ROLE_CLAIM: 'groups',
        HUSH_OIDC_ROLES: 'hush-officers=privacy_officer,hush-agents=agent',
      },
    });
  });
  afterAll(async () => {
    await hush?.stop();
    await provider?.stop();
  });

  const asIs = (): void => undefined;

  /** Goes to the provider and comes back with what it gives. */
  async function comeBack(answer: Answer, change: (query: URLSearchParams) => void = asIs) {
    const who = visitor(hush);
    const response = await fetch(`${hush.url}/staff/sign-in?to=/staff/receipts`, { redirect: 'manual' });
    const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const url = new URL(response.headers.get('location') ?? '');
    expect(url.searchParams.get('code_challenge_method')).toBe('S256');
    provider.state.answer = answer;
    provider.state.nonce = url.searchParams.get('nonce') ?? '';
    const [name = '', value = ''] = [cookie.slice(0, cookie.indexOf('=')), cookie.slice(cookie.indexOf('=') + 1)];
    who.cookies.set(name, value);
    const query = new URLSearchParams({ code: 'c', state: url.searchParams.get('state') ?? '' });
    change(query);
    return { who, answer: await who.get(`/staff/signed-in?${query}`) };
  }

  test('a good answer signs in, with the role its group is mapped to, and goes where one wanted to', async () => {
    const { answer } = await comeBack({});
    expect(answer).toMatchObject({ status: 200, at: '/staff/receipts' });
    expect(answer.text).toContain('Mallory, privacy officer');
    // RFC 7636 §4.1: 43 letters at least.
    expect(provider.state.verifiers.at(-1)?.length).toBeGreaterThanOrEqual(43);
  });

  test.each<[string, Answer, (query: URLSearchParams) => void]>([
    ['another nonce', { claims: { nonce: 'other' } }, asIs],
    ['no nonce', { claims: { nonce: undefined } }, asIs],
    ['another issuer', { claims: { iss: 'https://evil.example' } }, asIs],
    ['another audience', { claims: { aud: 'somebody-else' } }, asIs],
    ['an expired token', { ends: -120 }, asIs],
    ['an unsigned token', { unsigned: true }, asIs],
    ['a token signed by another key', { otherKey: true }, asIs],
    ['a sign-in of last week', { claims: { auth_time: Math.floor(Date.now() / 1000) - 7 * 86_400 } }, asIs],
    ['no time of the sign-in', { claims: { auth_time: undefined } }, asIs],
    ['no subject', { claims: { sub: '' } }, asIs],
    ['an error of the token endpoint', { status: 400 }, asIs],
    ['another state', {}, (query) => query.set('state', 'x')],
    ['no state', {}, (query) => query.delete('state')],
    ['an error', {}, (query) => query.set('error', 'access_denied')],
    ['another issuer in the answer', {}, (query) => query.set('iss', 'https://evil.example')],
  ])('%s: refused, logged, nothing shown', async (_name, answer, change) => {
    const lines = hush.logged.length;
    const before = await hush.hush.stores.staffSessions.models[0].collection.countDocuments();
    const came = await comeBack(answer, change);
    expect(came.answer.status).toBe(403);
    expect(came.answer.text).not.toMatch(/Mallory|privacy officer|nonce|JWT|jwt/);
    expect([...came.who.cookies.keys()]).not.toContain('hush-staff');
    expect(await hush.hush.stores.staffSessions.models[0].collection.countDocuments()).toBe(before);
    const said = hush.logged.slice(lines).join('');
    expect(said).toContain('staff sign-in refused');
    expect(said).not.toContain('Mallory');
    const [entry] = await hush.hush.staff.trail.list({ kind: 'session' }, 0, 1);
    expect(entry?.what).toBe('sign_in_refused');
  });

  test('a group nobody mapped is no role', async () => {
    const { answer } = await comeBack({ claims: { groups: ['privacy_officer', 'everybody'] } });
    expect(answer.status).toBe(403);
    expect(answer.text).toContain('no role here');
  });

  test('an answer nobody asked for is refused before the provider is asked', async () => {
    const asked = provider.state.verifiers.length;
    expect((await visitor(hush).get('/staff/signed-in?code=c&state=s')).status).toBe(403);
    expect(provider.state.verifiers.length).toBe(asked);
  });

  test('the same answer does not sign in twice: the attempt is used up', async () => {
    const { who } = await comeBack({});
    expect([...who.cookies.keys()]).toEqual(['hush-staff']);
  });

  test('the provider of development does not exist beside a real one', async () => {
    expect((await fetch(`${hush.url}/dev/idp/.well-known/openid-configuration`)).status).toBe(404);
  });
});

describe('sessions', () => {
  let hush: Hush;
  let now = Date.now();
  beforeAll(async () => {
    hush = await startHush({ machineTime: () => now });
  });
  afterAll(() => hush?.stop());
  afterEach(() => {
    now = Date.now();
  });
  /** The provider has a session of its own, and would sign in again without a word. */
  const forgetProvider = (who: Console) => {
    for (const name of [...who.cookies.keys()]) if (name !== 'hush-staff') who.cookies.delete(name);
  };

  test('a fixed session is worth nothing: signing in makes a new id', async () => {
    const thief = await signIn(hush, 'agent');
    const fixed = thief.cookies.get('hush-staff') ?? '';
    const victim = visitor(hush);
    const choose = await victim.get('/staff');
    // Planted while the victim signs in: a live session of the thief's own.
    victim.cookies.set('hush-staff', fixed);
    await victim.post(/action="([^"]+)"/.exec(choose.text)?.[1] ?? '', { user: 'privacy_officer' });
    expect((await victim.get('/staff')).text).toContain('Priya Shah, privacy officer');
    expect(victim.cookies.get('hush-staff')).not.toBe(fixed);
    const again = visitor(hush);
    again.cookies.set('hush-staff', fixed);
    expect((await again.get('/staff')).text).not.toContain('Priya Shah, privacy officer');
  });

  test('a cookie that was made up, or whose signature was, is nobody', async () => {
    const { cookies } = await signIn(hush, 'agent');
    const real = decodeURIComponent(cookies.get('hush-staff') ?? '');
    const other = real.replace(/^s:./, (start) => (start === 's:A' ? 's:B' : 's:A'));
    for (const forged of [real.slice(0, -3), other, real.replace(/^s:/, ''), 'x']) {
      const who = visitor(hush);
      who.cookies.set('hush-staff', encodeURIComponent(forged));
      expect((await who.get('/staff')).text).not.toContain('Dana Reyes, agent');
    }
  });

  test('the cookie is out of reach of scripts and other sites', async () => {
    const who = visitor(hush);
    const choose = await who.get('/staff');
    const action = /action="([^"]+)"/.exec(choose.text)?.[1] ?? '';
    let at = new URL(action, hush.url).href;
    let set: string[] = [];
    for (let hop = 0; hop < 8 && set.length === 0; hop++) {
      const response = await fetch(at, {
        method: hop === 0 ? 'POST' : 'GET',
        redirect: 'manual',
        headers: {
          cookie: [...who.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
          ...(hop === 0 ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        },
        ...(hop === 0 ? { body: 'user=agent' } : {}),
      });
      for (const line of response.headers.getSetCookie()) {
        const [pair = ''] = line.split(';');
        who.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
        if (pair.startsWith('hush-staff=')) set = [line];
      }
      at = new URL(response.headers.get('location') ?? '', at).href;
    }
    expect(set[0]).toMatch(/HttpOnly/);
    expect(set[0]).toMatch(/SameSite=Lax/);
  });

  test('half an hour without a click ends it', async () => {
    const who = await signIn(hush, 'agent');
    now += IDLE - 60_000;
    expect((await who.get('/staff')).text).toContain('Dana Reyes, agent');
    now += IDLE - 60_000;
    expect((await who.get('/staff')).text).toContain('Dana Reyes, agent');
    now += IDLE + 1000;
    forgetProvider(who);
    expect((await who.get('/staff')).at).toContain('/dev/idp/');
  });

  test('twelve hours end it in any case, and a form of it is not taken', async () => {
    const who = await signIn(hush, 'agent');
    forgetProvider(who);
    for (let passed = 0; passed < ABSOLUTE; passed += IDLE - 60_000) {
      now += IDLE - 60_000;
      await who.get('/staff');
    }
    const answer = await who.post('/staff/call', { find: 'late@example.com' });
    expect(answer.status).toBe(401);
    expect(answer.text).toContain('Your session has ended');
  });

  test('signing out ends it on the server, not only in the browser', async () => {
    const who = await signIn(hush, 'agent');
    const kept = who.cookies.get('hush-staff') ?? '';
    expect((await who.post('/staff/sign-out', {})).text).toContain('You are signed out');
    const thief = visitor(hush);
    thief.cookies.set('hush-staff', kept);
    expect((await thief.get('/staff')).text).not.toContain('Dana Reyes, agent');
  });

  test('one goes back to pages of the console only', () => {
    expect(safeTarget('/staff/contacts/c_1?x=1')).toBe('/staff/contacts/c_1?x=1');
    for (const to of [
      'https://evil.example/staff',
      '//evil.example/staff',
      '/\\evil.example',
      '/staffing',
      '/staff/../p/x',
      '/staff/sign-out',
      'javascript:alert(1)',
      7,
    ]) {
      expect(safeTarget(to)).toBe('/staff');
    }
  });
});

describe('in production', () => {
  let hush: Hush;
  afterEach(() => hush?.stop());
  const env = {
    NODE_ENV: 'production',
    PUBLIC_URL: 'https://preferences.example.com',
    SMTP_URL: 'smtp://127.0.0.1:9',
    HUSH_SECRET: 'a secret for tests of production, long enough to be taken',
  };

  test('without an issuer there is no console and no provider of our own', async () => {
    hush = await startHush({ env });
    const answer = await visitor(hush).get('/staff');
    expect(answer).toMatchObject({ status: 404 });
    expect(answer.text).toContain('not set up');
    expect((await visitor(hush).post('/staff/call', { find: 'x' })).status).toBe(404);
    expect((await visitor(hush).get('/dev/idp/auth')).status).toBe(404);
  });

  test('the issuer is not asked before somebody signs in, and its absence is said honestly', async () => {
    hush = await startHush({
      env: { ...env, HUSH_OIDC_ISSUER: 'https://login.invalid', HUSH_OIDC_CLIENT_ID: 'console' },
    });
    const answer = await visitor(hush).get('/staff/sign-in');
    expect(answer.status).toBe(503);
    expect(answer.text).not.toContain('login.invalid');
  });

  test('the cookie is Secure and bound to the host, and not sent over plain HTTP', async () => {
    hush = await startHush();
    const app = express();
    app.set('trust proxy', true);
    const { staffSessions: sessions } = hush.hush.stores;
    app.use(
      sessionMiddleware({
        sessions,
        keyring: keyringFromSecret('a secret of this test', machine.randomBytes),
        production: true,
      }),
    );
    app.get('/', async (request, response) => {
      await beginSession(request, { id: 'u', name: 'U', roles: ['agent'] }, hush.hush.clock);
      response.send('in');
    });
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    try {
      const ask = (proto: string) => fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-forwarded-proto': proto } });
      const cookie = (await ask('https')).headers.get('set-cookie') ?? '';
      expect(cookie).toMatch(/^__Host-hush-staff=[^;]+; Path=\/; Expires=[^;]+; HttpOnly; Secure; SameSite=Lax$/);
      expect((await ask('http')).headers.get('set-cookie')).toBeNull();
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

test('roles of a claim are ours or what the mapping says', () => {
  expect(rolesFrom(['agent', 'root', 7], undefined)).toEqual(['agent']);
  expect(rolesFrom('auditor', undefined)).toEqual(['auditor']);
  expect(
    rolesFrom(
      ['a', 'b', 'agent'],
      new Map([
        ['a', 'admin'],
        ['b', 'admin'],
      ]),
    ),
  ).toEqual(['admin']);
  expect(rolesFrom(undefined, undefined)).toEqual([]);
});
