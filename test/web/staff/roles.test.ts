import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { may, ROLES, rolesDocument } from '../../../src/staff/permissions.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn, visitor } from './browser.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush();
});
afterAll(() => hush?.stop());

const NOBODY = `c_${'0'.repeat(26)}`;
/** A path somebody would ask for: ids that are nobody's. */
const concrete = (route: string) =>
  route.replace(':key', NOBODY).replace(':name', 'file').replace(':id', '0000000000000000');

async function ask(who: Console, { method, path: route }: { method: string; path: string }) {
  return method === 'get' ? who.get(concrete(route)) : who.post(concrete(route), { find: 'nobody@example.com' });
}

describe('every route with every role', () => {
  test.each(ROLES)('%s reaches what the table says and nothing else', async (role) => {
    const who = await signIn(hush, role);
    const wrong: string[] = [];
    for (const route of hush.hush.staff.routes) {
      const { status } = await ask(who, route);
      const allowed = may([role], route.permission);
      // A handler that is reached may well say that there is no such thing; 403 is the table's alone.
      if ((status === 403) === allowed) wrong.push(`${route.method} ${route.path}: ${status}`);
      if (allowed && status >= 500) wrong.push(`${route.method} ${route.path}: ${status}`);
    }
    expect(wrong).toEqual([]);
  });

  test('without a sign-in nothing is shown, whether or not there is a page', async () => {
    const texts = new Set<string>();
    for (const route of [...hush.hush.staff.routes, { method: 'get', path: '/staff/no-such-page' }]) {
      const response = await fetch(hush.url + concrete(route.path), {
        method: route.method.toUpperCase(),
        redirect: 'manual',
      });
      expect(response.status).toBe(route.method === 'get' ? 303 : 401);
      if (route.method === 'get') expect(response.headers.get('location')).toMatch(/^\/staff\/sign-in\?to=/);
      texts.add((await response.text()).replaceAll(encodeURIComponent(concrete(route.path)), ''));
    }
    // One text for a redirect, one for a refusal.
    expect(texts.size).toBe(2);
    expect(await hush.hush.stores.trail.count({ user: 'unknown' })).toBe(0);
  });

  test('a refusal is written down with who and what', async () => {
    const who = await signIn(hush, 'admin');
    expect((await who.get(`/staff/contacts/${NOBODY}`)).status).toBe(403);
    const [entry] = await hush.hush.staff.trail.list({ user: 'admin', kind: 'refusal' }, 0, 1);
    expect(entry).toMatchObject({ name: 'Alex Kim', what: 'role', about: 'GET /staff/contacts/:key' });
    expect(hush.logged.join('')).toContain('staff request refused');
  });
});

describe('CSRF', () => {
  test.each([
    ['no token', { _csrf: '' }],
    ['a made-up token', { _csrf: 'x'.repeat(43) }],
  ])('%s: refused, written down, nothing recorded', async (_name, forged) => {
    const who = await signIn(hush, 'agent');
    const contact = { email: 'forged@example.com' };
    const answer = await who.post('/staff/call/record', {
      ...forged,
      find: contact.email,
      wish: 'all',
      brand: '*',
      call: '0123456789abcdef',
    });
    expect(answer.status).toBe(403);
    expect(await hush.decide(contact)).toMatchObject({ reason: 'not_objected' });
    const [entry] = await hush.hush.staff.trail.list({ user: 'agent', kind: 'refusal' }, 0, 1);
    expect(entry).toMatchObject({ what: 'csrf', about: 'POST /staff/call/record' });
  });

  test('the token of another session is refused', async () => {
    const one = await signIn(hush, 'supervisor');
    const other = await signIn(hush, 'agent');
    const token = /name="_csrf" value="([^"]+)"/.exec(one.first.text)?.[1] ?? '';
    expect((await other.post('/staff/call', { _csrf: token, find: 'a@example.com' })).status).toBe(403);
  });

  test('signing out needs it too', async () => {
    const who = await signIn(hush, 'agent');
    expect((await who.post('/staff/sign-out', { _csrf: 'no' })).status).toBe(403);
    expect((await who.get('/staff')).text).toContain('Dana Reyes');
  });
});

test('docs/roles.md is made from the table and the routes', async () => {
  const file = path.resolve(import.meta.dirname, '../../../docs/roles.md');
  const wanted = rolesDocument(hush.hush.staff.routes);
  if (process.env.UPDATE_DOCS) await writeFile(file, wanted);
  expect(await readFile(file, 'utf8')).toBe(wanted);
});

test('somebody without a role is not let in', async () => {
  const who = visitor(hush);
  const choose = await who.get('/staff');
  const action = /action="([^"]+)"/.exec(choose.text)?.[1] ?? '';
  const answer = await who.post(action, { user: 'visitor' });
  expect(answer).toMatchObject({ status: 403 });
  expect(answer.text).toContain('no role here');
  expect((await who.get('/staff')).text).not.toContain('Overview</h1>');
});
