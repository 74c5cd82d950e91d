import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ask } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn } from './browser.js';
import { keyOf, makeCustomer } from './people.js';

/** Nothing that staff typed has to be typed twice: not after an error, a preview, or the end of a session. */
let hush: Hush;
let key: string;
let other: string;
const time = { now: Date.now() };
beforeAll(async () => {
  hush = await startHush({ machineTime: () => time.now });
  const person = await makeCustomer(hush, 'Ana');
  await hush.settle();
  key = await keyOf(hush, person.email);
  other = await keyOf(hush, person.phone);
});
afterAll(() => hush?.stop());

/** A POST whose redirect is not followed, as `who`. */
async function send(who: Console, path: string, fields: Readonly<Record<string, string>>) {
  const token = /name="_csrf" value="([^"]+)"/.exec((await who.get('/staff')).text)?.[1] ?? '';
  const response = await fetch(hush.url + path, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      cookie: [...who.cookies].map(([name, value]) => `${name}=${value}`).join('; '),
    },
    body: new URLSearchParams({ _csrf: token, ...fields }).toString(),
  });
  return { status: response.status, to: response.headers.get('location') ?? '' };
}

describe('every form', () => {
  test('answers 303 and leads to a page: when it is done, when it is refused, when it only looks', async () => {
    const officer = await signIn(hush, 'privacy_officer');
    const { id } = await ask(hush, 'correction', 'forms@example.com', { receivedAt: time.now });
    const wrong: string[] = [];
    const forms: [path: string, fields: Record<string, string>][] = [
      ['/staff/call', { find: '' }],
      ['/staff/call', { find: '911' }],
      ['/staff/call', { find: 'new@example.com' }],
      ['/staff/call/record', { find: 'new@example.com', wish: 'nothing' }],
      ['/staff/people', { find: 'nobody@example.com' }],
      ['/staff/people', { find: 'ana@example.com' }],
      ['/staff/people', { find: 'a@@b' }],
      ['/staff/receipts', { receipt: 'none' }],
      [`/staff/contacts/${key}/look`, { reason: 'audit' }],
      [`/staff/contacts/${key}/address`, {}],
      [`/staff/contacts/${key}/address`, { reason: 'a letter by hand' }],
      [`/staff/contacts/${key}/lift`, { words: 'again' }],
      ['/staff/exports', { brand: 'jmf' }],
      ['/staff/exports', { brand: 'jmf', channel: 'email', purpose: 'promotion', reason: 'needed' }],
      ['/staff/audit/exports', { from: '2026-03-02' }],
      ['/staff/requests/new', { kind: 'access', contacts: 'a@@b' }],
      [`/staff/requests/${id}/note`, { text: 'noted' }],
      [`/staff/requests/${id}/verify`, { text: 'nothing fits' }],
      [`/staff/requests/${id}/extend`, { reason: 'no such reason' }],
      [`/staff/requests/${id}/preview`, { letter: 'extension', reason: 'complexity', explanation: 'words' }],
      [`/staff/requests/${id}/preview`, { letter: 'none' }],
    ];
    for (const [path, fields] of forms) {
      const { status, to } = await send(officer, path, fields);
      // No address and no word is in the URL that follows.
      if (status !== 303 || !to.startsWith('/staff') || /@|example|needed|noted|words/.test(decodeURIComponent(to)))
        wrong.push(`${path} ${JSON.stringify(fields)}: ${status} ${to}`);
    }
    expect(wrong).toEqual([]);
  });

  test('that was refused has everything that was typed, says what is wrong, and stays so on reload', async () => {
    const agent = await signIn(hush, 'agent');
    await agent.post('/staff/call', { find: 'ana@example.com' });
    const fields = {
      scope: '',
      caller: 'other',
      callerName: 'Ana’s "sister" <b>',
      verification: 'account',
      words: 'she wants & needs it',
    };
    const answer = await agent.post(`/staff/contacts/${key}/lift`, fields);
    expect(answer.at).toMatch(new RegExp(`^/staff/contacts/${key}/lift\\?draft=[0-9a-z]{24}$`));
    for (const page of [answer, await agent.get(answer.at)]) {
      expect(page.status).toBe(400);
      expect(page.text).toContain('<title>Error: ');
      expect(page.text).toContain('Choose what the caller wants to receive again');
      expect(page.text).toContain('value="other" checked=""');
      expect(page.text).toContain('<option value="account" selected="">');
      expect(page.text).toContain('value="she wants &amp; needs it"');
      expect(page.text).toContain('value="Ana’s &quot;sister&quot; &lt;b&gt;"');
    }
    // What somebody typed is nobody else's.
    const second = await signIn(hush, 'agent-2');
    await second.post('/staff/call', { find: 'ana@example.com' });
    expect((await second.get(answer.at)).text).not.toContain('she wants');
  });

  test('of a call keeps whom it is about, and is one call however often it is sent', async () => {
    const agent = await signIn(hush, 'agent');
    const { text } = await agent.post('/staff/call', { find: 'once@example.com' });
    const value = (page: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? '';
    const form = {
      find: 'once@example.com',
      contact: value(text, 'contact'),
      call: value(text, 'call'),
      words: 'enough',
    };
    const refused = await agent.post('/staff/call/record', { ...form, wish: 'none', brand: 'jmf' });
    expect(refused.status).toBe(400);
    expect(value(refused.text, 'call')).toBe(form.call);
    expect(refused.text).toContain('value="enough"');
    expect(refused.text).toContain('<option value="jmf" selected="">');
    expect(refused.text).toContain('once@example.com');
  });
});

test('the preview of a letter leads back to the words typed for it', async () => {
  const officer = await signIn(hush, 'privacy_officer');
  const { id } = await ask(hush, 'correction', 'preview@example.com', { receivedAt: time.now });
  const preview = await officer.post(`/staff/requests/${id}/preview`, {
    letter: 'extension',
    act: 'extend',
    reason: 'third_party_systems',
    explanation: 'Another company has to correct it too.',
  });
  expect(preview.text).toContain('Another company has to correct it too.');
  const back = /href="(\/staff\/requests\/[^"]+\?draft=[0-9a-z]+)">Back/.exec(preview.text)?.[1] ?? '';
  const page = await officer.get(back);
  expect(page.status).toBe(200);
  expect(page.text).toContain('Another company has to correct it too.</textarea>');
  expect(page.text).toContain('<option value="third_party_systems" selected="">');
  expect(page.text).toMatch(/<details open=""><summary>Extend the deadline/);
  // Sent without words it comes back to the same form.
  const refused = await officer.post(`/staff/requests/${id}/extend`, {
    reason: 'made up',
    letter: 'extension',
    explanation: 'kept words',
  });
  expect(refused.status).toBe(400);
  expect(refused.text).toContain('kept words</textarea>');
});

describe('the end of a session', () => {
  test('loses nothing: after signing in as the same user the form is there again, and its page’s reason is asked first', async () => {
    const agent = await signIn(hush, 'agent');
    await agent.post('/staff/call', { find: 'ana@example.com' });
    await agent.get(`/staff/contacts/${key}/lift`);
    time.now += 31 * 60_000;
    const ended = await agent.post(`/staff/contacts/${key}/lift`, { words: 'typed before lunch', callerName: 'Ana' });
    expect(ended.status).toBe(401);
    expect(ended.text).toContain('kept for an hour');
    expect(ended.text).not.toContain('typed before lunch');
    const to = /href="(\/staff\/sign-in\?to=[^"]+)"/.exec(ended.text)?.[1] ?? '';

    const stranger = await signIn(hush, 'supervisor');
    expect((await stranger.get(decodeURIComponent(to.split('to=')[1] ?? ''))).text).not.toContain('typed before lunch');

    const again = await signInAt(agent, to);
    expect(again.text).toContain('Why do you need to see this person?');
    const form = await agent.post(`/staff/contacts/${key}/look`, {
      reason: 'complaint',
      note: 'still on the phone',
      to: /name="to" value="([^"]+)"/.exec(again.text)?.[1] ?? '',
    });
    expect(form.at).toContain(`/staff/contacts/${key}/lift?draft=`);
    expect(form.text).toContain('value="typed before lunch"');
    expect(form.text).toContain('Your session ended before you sent this');
    expect(await hush.hush.stores.staffApprovals.list({ kind: 'lift' })).toEqual([]);
  });

  test('in another tab: a form of the session before is not done, and not lost', async () => {
    const agent = await signIn(hush, 'agent');
    const page = await agent.post('/staff/call', { find: 'tab@example.com' });
    const old = /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const later = await signIn(hush, 'agent');
    const answer = await later.post('/staff/call', { _csrf: old, find: 'tab@example.com' });
    expect(answer.status).toBe(409);
    expect(answer.text).toContain('You have signed in again');
    expect(answer.text).toContain('tab@example.com');
    // The ticket of another user opens nothing.
    const supervisor = await signIn(hush, 'supervisor');
    expect((await supervisor.post('/staff/call', { _csrf: old, find: 'tab@example.com' })).status).toBe(403);
  });

  test('a token that nobody gave keeps nothing', async () => {
    const count = () => hush.hush.stores.staffDrafts.models[0].collection.countDocuments();
    const before = await count();
    for (const _csrf of ['', 'x.y', `x.${'A'.repeat(80)}`]) {
      const response = await fetch(`${hush.url}/staff/people`, {
        method: 'POST',
        body: new URLSearchParams({ _csrf, find: 'x' }),
        redirect: 'manual',
      });
      expect(response.status).toBe(401);
    }
    expect(await count()).toBe(before);
  });

  test('is said before it comes, and a page of its own puts it off', async () => {
    const agent = await signIn(hush, 'agent');
    const page = await agent.get('/staff/call');
    expect(page.text).toMatch(/class="ending" role="status">Your session ends in 5 minutes\. <a href="\/staff\/stay"/);
    const css = await (await fetch(hush.url + (/href="(\/staff\/assets\/[^"]+)"/.exec(page.text)?.[1] ?? ''))).text();
    expect(css).toMatch(/\.ending[^}]*animation:appear 0s 1440s forwards/);
    time.now += 25 * 60_000;
    expect((await agent.get('/staff/stay')).text).toContain('You stay signed in');
    time.now += 25 * 60_000;
    expect((await agent.get('/staff/call')).at).toBe('/staff/call');
  });

  async function signInAt(who: Console, to: string) {
    const choose = await who.get(to.replaceAll('&amp;', '&'));
    const action = /action="([^"]+)"/.exec(choose.text)?.[1];
    return action?.includes('/dev/idp') ? who.post(action, { user: 'agent' }) : choose;
  }
});

test('an address in full is shown once: reload and Back show it no more', async () => {
  const officer = await signIn(hush, 'privacy_officer');
  const page = await officer.post(`/staff/contacts/${other}/address`, { reason: 'a letter by hand' });
  expect(page.text).toContain('In full: <b>+1');
  expect(page.at).toBe(`/staff/contacts/${other}`);
  expect((await officer.get(page.at)).text).not.toContain('In full');
});
