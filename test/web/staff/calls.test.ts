import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { contactKeyFromText } from '../../../src/core/keys.js';
import { mailsTo } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Answer, type Console, signIn } from './browser.js';
import { follow, keyOf, makeCustomer } from './people.js';

let hush: Hush;
let agent: Console;
let supervisor: Console;
let person: Awaited<ReturnType<typeof makeCustomer>>;
beforeAll(async () => {
  hush = await startHush();
  agent = await signIn(hush, 'agent');
  supervisor = await signIn(hush, 'supervisor');
  person = await makeCustomer(hush, 'Ana');
  await follow(hush);
});
afterAll(() => hush?.stop());

const hidden = (text: string, name: string) => new RegExp(`name="${name}" value="([^"]*)"`).exec(text)?.[1] ?? '';

/** A whole call: find, choose, record. */
async function call(who: Console, find: string, fields: Readonly<Record<string, string>> = {}): Promise<Answer> {
  const { text, status } = await who.post('/staff/call', { find });
  expect(status).toBe(200);
  return who.post('/staff/call/record', {
    find: hidden(text, 'find') || find,
    contact: hidden(text, 'contact'),
    call: hidden(text, 'call'),
    wish: 'all',
    brand: '*',
    caller: 'self',
    verification: 'none',
    ...fields,
  });
}
/** The subject of a raw mail, as a mail program shows it. */
function decodedSubject(raw: string): string {
  const [, lines = ''] = /^Subject: ((?:.*\r?\n[ \t])*.*)/m.exec(raw) ?? [];
  return lines
    .replace(/\?=\s+=\?utf-8\?q\?/gi, '')
    .replace(/=\?utf-8\?q\?(.*?)\?=/gi, '$1')
    .replace(/_/g, ' ')
    .replace(/(?:=[0-9A-F]{2})+/g, (bytes) => Buffer.from(bytes.replaceAll('=', ''), 'hex').toString('utf8'))
    .toLowerCase();
}
const callIdOf = (answer: Answer) => answer.at.split('/').at(-1) ?? '';

describe('finding a caller', () => {
  test.each([
    ['an email in capitals', 'ANA@Example.COM'],
    ['a customer number alone', 'ana-4731'],
    ['a customer number with its system', 'customer:ana-4731'],
    ['a name and postal code', 'ana doe, 54956'],
    ['a name the other way round, with an initial', 'Doe, Ana Q. 54956-1234'],
  ])('by %s', async (_name, find) => {
    const { text } = await agent.post('/staff/call', { find });
    expect(text).toContain('Customer');
    expect(text).toContain('It applies to every address we know of this person');
    // Masked: the address that was not typed is nowhere on the page.
    expect(text).not.toContain('12 Main Street');
  });

  test('by phone in any spelling', async () => {
    const digits = person.phone.phone.slice(2);
    for (const find of [
      `1-${digits.slice(0, 3)}-${digits.slice(3, 6)}-${digits.slice(6)}`,
      `(${digits.slice(0, 3)}) ${digits.slice(3)}`,
      `001${digits}`,
    ]) {
      expect((await agent.post('/staff/call', { find })).text).toContain('Customer');
    }
  });

  test('a wrong postal code finds nobody, and the agent is told what to ask for', async () => {
    const { text } = await agent.post('/staff/call', { find: 'ana doe, 10001' });
    expect(text).toContain('an address we have never seen is fine');
  });

  test('an address that is none is said so', async () => {
    expect((await agent.post('/staff/call', { find: 'ana@@example' })).text).toContain('role="alert"');
  });

  test.each([
    ['555-0142', 'without its area code'],
    ['555 0142', 'without its area code'],
    ['911', 'not a whole phone number'],
    ['12345', 'not a whole phone number'],
    ['ana-9999', 'not a whole phone number'],
    ['1-555-0142', 'not a whole phone number'],
    ['５５５－０１４２', 'without its area code'],
    ['555.0142', 'without its area code'],
    ['#12345', 'not a whole phone number'],
  ])('%s is no address: what is missing is asked for, and nothing can be recorded for it', async (find, said) => {
    const { text } = await agent.post('/staff/call', { find });
    expect(text).toContain(said);
    expect(text).toContain(`value="${find}"`);
    expect(text).not.toContain('never seen:');
    const id = await hush.ask<{ contact: string }>('/v1/contacts/lookup', {
      contact: { id: `customer:${find.replaceAll(' ', '')}` },
    });
    await agent.post('/staff/call/record', {
      find,
      contact: id.contact,
      call: '0123456789abcdeg',
      wish: 'all',
      brand: '*',
    });
    expect(
      await hush.ask('/v1/contacts/lookup', { contact: { id: `customer:${find.replaceAll(' ', '')}` } }),
    ).toMatchObject({
      known: false,
    });
  });

  test('the number of a receipt leads to the receipt, that of a request to the request', async () => {
    const { accepted } = await hush.ask<{ accepted: { receipt: string }[] }>('/v1/events', {
      events: [{ contact: { email: 'own-number@example.com' }, type: 'opted_out', source: { kind: 'api' } }],
    });
    const receipt = accepted[0]?.receipt ?? '';
    for (const find of [receipt, receipt.slice(2), receipt.slice(2).replaceAll('-', '').toLowerCase()]) {
      expect((await agent.post('/staff/call', { find })).at).toBe(`/staff/receipts/${receipt.slice(2)}`);
    }
    const request = await hush.ask<{ id: string; reference: string }>('/v1/requests', {
      kind: 'access',
      contacts: [{ email: 'own-number@example.com' }],
    });
    expect((await agent.post('/staff/call', { find: request.reference })).at).toBe(`/staff/requests/${request.id}`);
    // The same in every box that looks for somebody.
    for (const path of ['/staff/people', '/staff/calls/find', '/staff/requests/search', '/staff/receipts']) {
      const fields = { reason: 'request', note: 'a number' };
      const asReceipt = await agent.post(path, { ...fields, find: receipt, receipt });
      expect([path, asReceipt.at]).toEqual([
        path,
        `/staff/receipts/${receipt.replace(/^r_/, path.endsWith('receipts') ? 'r_' : '')}`,
      ]);
      const { at } = await agent.post(path, { ...fields, find: request.reference, receipt: request.reference });
      expect([path, at]).toEqual([path, `/staff/requests/${request.id}`]);
    }
    // A phone number may be as long as a reference.
    expect((await agent.post('/staff/call', { find: '004915112345678' })).text).toContain('+4915112345678');
  });

  test('an address never seen is shown as it was typed, and spelled to be read back', async () => {
    const { text } = await agent.post('/staff/call', { find: 'nia@never.example' });
    expect(text).toContain('nia@never.example');
    expect(text).toContain('never seen: spell it back');
    expect(text).toContain('n i a at n e v e r dot e x a m p l e');
    const byName = await agent.post('/staff/call', { find: 'ana doe, 54956' });
    expect(byName.text).not.toContain('12 Main Street');
  });

  test('looking is written down before anything is shown, with the call as the reason', async () => {
    await agent.post('/staff/call', { find: 'ana@example.com' });
    const [entry] = await hush.hush.staff.trail.list({ user: 'agent' }, 0, 1);
    expect(entry).toMatchObject({ kind: 'look', what: 'caller_found', reason: 'call', name: 'Dana Reyes' });
    expect(entry?.contact?.length).toBe(16);
  });
});

describe('an opt-out by phone', () => {
  test('counts for an address never seen, unverified, with evidence that only some may read', async () => {
    const contact = { email: 'new@example.com' };
    const answer = await call(agent, contact.email, { words: 'no more, please', callerName: 'Nia' });
    expect(answer.status).toBe(200);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    await hush.settle();
    const key = await keyOf(hush, contact);
    expect((await agent.get(`/staff/contacts/${key}`)).text).not.toContain('no more, please');
    const officer = await signIn(hush, 'privacy_officer');
    const page = await officer.get(`/staff/contacts/${key}`);
    expect(page.text).toContain('no more, please');
    expect(page.text).toContain('staff agent (Dana Reyes)');
  });

  test('reaches all contacts of a person, and only what was said', async () => {
    const bea = await makeCustomer(hush, 'Bea');
    await call(agent, 'bea@example.com', { wish: 'mail', brand: 'shipping' });
    const ask = (contact: object, channel: string, brand: string) =>
      hush.decide(contact, 'promotion', { channel, brand });
    for (const contact of [bea.phone, bea.postal, bea.id]) {
      expect(await ask(contact, 'mail', 'shipping')).toMatchObject({ allowed: false, reason: 'opted_out' });
      expect(await ask(contact, 'mail', 'jmf')).toMatchObject({ allowed: true });
    }
  });

  test('sharing and ads means the five purposes of the signal, each with a receipt', async () => {
    const contact = { phone: '+19205550142' };
    const { text } = await call(agent, contact.phone, { wish: 'sharing' });
    expect(text.match(/r_[0-9A-Z]{4}(-[0-9A-Z]{4}){4}<\/a>/g)).toHaveLength(5);
    expect(await hush.decide(contact, 'lookalike_seed', { channel: 'ads' })).toMatchObject({ allowed: false });
    expect(await hush.decide(contact, 'promotion', { channel: 'mail' })).toMatchObject({ allowed: true });
  });

  test('the same form sent twice is one call with one receipt', async () => {
    const find = 'twice@example.com';
    const { text } = await agent.post('/staff/call', { find });
    const form = { find, contact: hidden(text, 'contact'), call: hidden(text, 'call'), wish: 'all', brand: '*' };
    const [first, second] = [
      await agent.post('/staff/call/record', form),
      await agent.post('/staff/call/record', form),
    ];
    expect(second.at).toBe(first.at);
    await hush.settle();
    const key = await keyOf(hush, { email: find });
    const officer = await signIn(hush, 'privacy_officer');
    expect((await officer.get(`/staff/contacts/${key}`)).text.match(/<b>Opted out<\/b>/g)).toHaveLength(1);
  });

  test('a confirmation goes to the address by mail, in Spanish, with a link that undoes it', async () => {
    const contact = { email: 'confirm@example.com' };
    const answer = await call(agent, contact.email, { confirm: 'mail', language: 'es' });
    expect(answer.text).toContain('by email, on its way');
    await hush.hush.outbox.settle();
    const [mail] = await hush.hush.stores.mailbox.list();
    const raw =
      (await hush.hush.stores.mailbox.get(mail?.id ?? ''))?.raw.toString('utf8').replaceAll('=\r\n', '') ?? '';
    expect(raw).toContain('To: confirm@example.com');
    const path = /\/p\/[\w-]+/.exec(raw)?.[0] ?? '';
    expect(path).not.toBe('');
    const undone = await fetch(hush.url + path, { method: 'POST', body: new URLSearchParams({ act: 'undo' }) });
    expect(undone.status).toBe(200);
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('no address is in a line of the log', async () => {
    await call(agent, 'secret-person@example.com', { words: 'secret words', callerName: 'Secret Name' });
    expect(hush.logged.join('')).not.toMatch(/secret-person|secret words|Secret Name/);
  });

  test('a made-up contact, wish, brand or call is refused and nothing is recorded', async () => {
    const find = 'made-up@example.com';
    const good = { find, contact: '', call: '0123456789abcdef', wish: 'all', brand: '*' };
    for (const wrong of [
      { wish: 'everything' },
      { brand: 'evil' },
      { call: '../x' },
      { contact: `c_${'0'.repeat(26)}` },
    ]) {
      expect((await agent.post('/staff/call/record', { ...good, ...wrong })).status).toBe(400);
    }
    expect(await hush.decide({ email: find })).toMatchObject({ reason: 'not_objected' });
  });
});

describe('the day’s calls', () => {
  test('an agent sees their own, a supervisor everybody’s; another’s is as if it were not there', async () => {
    const id = callIdOf(await call(supervisor, 'by-supervisor@example.com'));
    expect((await agent.get(`/staff/calls/${id}`)).status).toBe(404);
    expect((await agent.get('/staff/calls')).text).not.toContain(id);
    const mine = callIdOf(await call(agent, 'by-agent@example.com'));
    expect((await supervisor.get('/staff/calls')).text).toContain(mine);
    expect((await supervisor.get(`/staff/calls/${mine}`)).status).toBe(200);
  });

  test('is searched by person and filtered by day and kind, the same with and without an address in sight', async () => {
    const contact = { email: 'in-the-log@example.com' };
    const id = callIdOf(await call(agent, contact.email, { wish: 'mail' }));
    const other = callIdOf(await call(agent, 'another@example.com', { wish: 'all' }));
    const found = await supervisor.post('/staff/calls/find', { find: 'IN-the-log@example.com' });
    expect(found.at).toBe(`/staff/calls?contact=${await keyOf(hush, contact)}`);
    expect(found.text).toContain(id);
    expect(found.text).not.toContain(other);
    expect(found.text).toContain('>i•••@example.com</a>');
    const [look] = await hush.hush.staff.trail.list({ user: 'supervisor', kind: 'look' }, 0, 1);
    expect(look).toMatchObject({ what: 'calls_searched' });
    const nobody = await supervisor.post('/staff/calls/find', { find: 'nobody-in-the-log@example.com' });
    expect(nobody).toMatchObject({ status: 404 });
    expect(nobody.text).toContain('We found nobody');
    const page = async (query: string) => (await supervisor.get(`/staff/calls?${query}`)).text;
    const today = new Date().toISOString().slice(0, 10);
    for (const query of ['wish=mail', `from=${today}&to=${today}`, 'user=agent', 'state=recorded']) {
      expect(await page(query)).toContain(id);
    }
    for (const query of ['wish=all', 'from=2020-01-01&to=2020-01-02', 'user=supervisor', 'state=undone']) {
      expect(await page(query)).not.toContain(id);
    }
    // Whoever has given no reason sees keys; an agent sees no call of another, whatever is asked for.
    const auditor = await signIn(hush, 'auditor');
    const seen = (await auditor.get('/staff/calls')).text;
    expect(seen).toContain(await keyOf(hush, contact));
    expect(seen).not.toContain('i•••@example.com');
    const second = await signIn(hush, 'agent-2');
    expect((await second.get(`/staff/calls?user=agent&contact=${await keyOf(hush, contact)}`)).text).not.toContain(id);
  });

  test('goes from page to page both ways: what is older is behind “Older”, in either order', async () => {
    const key = contactKeyFromText(await keyOf(hush, { email: 'pages@example.com' }));
    if (!key) throw new Error('no key');
    for (let n = 0; n < 120; n++) {
      await hush.hush.stores.staffCalls.keep({
        id: `page${String(n).padStart(12, '0')}`,
        at: new Date(Date.parse('2026-05-01T00:00:00Z') + n * 60_000),
        user: 'agent',
        userName: 'Dana Reyes',
        contact: key,
        contactType: 'email',
        wish: 'all',
        brand: '*',
        events: [],
        wholePerson: false,
        confirmation: 'none',
        caller: 'self',
        verification: 'none',
      });
    }
    const idsIn = (text: string) => [...text.matchAll(/calls\/page0*(\d+)"/g)].map(([, n]) => Number(n));
    const linkTo = (text: string, label: string) =>
      new RegExp(`href="([^"]+)" rel="(?:prev|next)">${label}<`).exec(text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const first = (await supervisor.get('/staff/calls?day=2026-05-01')).text;
    expect(idsIn(first)).toEqual(Array.from({ length: 50 }, (_, n) => 119 - n));
    expect(linkTo(first, 'Newer')).toBe('');
    const second = (await supervisor.get(linkTo(first, 'Older'))).text;
    expect(Math.max(...idsIn(second))).toBe(69);
    expect(idsIn((await supervisor.get(linkTo(second, 'Newer'))).text)).toEqual(idsIn(first));
    const last = (await supervisor.get(linkTo(second, 'Older'))).text;
    expect(idsIn(last)).toHaveLength(20);
    expect(linkTo(last, 'Older')).toBe('');

    const oldest = (await supervisor.get('/staff/calls?day=2026-05-01&sort=at')).text;
    expect(idsIn(oldest)[0]).toBe(0);
    expect(oldest).toContain('aria-sort="ascending"');
    expect(linkTo(oldest, 'Older')).toBe('');
    expect(Math.min(...idsIn((await supervisor.get(linkTo(oldest, 'Newer'))).text))).toBe(50);
    // An order that there is not is the list's own, and a page beyond the last leads back.
    expect(idsIn((await supervisor.get('/staff/calls?day=2026-05-01&sort=contact')).text)).toEqual(idsIn(first));
    const beyond = (await supervisor.get('/staff/calls?day=2026-05-01&page=99')).text;
    expect(idsIn((await supervisor.get(linkTo(beyond, 'Newer'))).text)).toEqual(idsIn(last));
  });

  test('a supervisor undoes a mistake by a new event; an older opt-out stays and nothing is erased', async () => {
    const contact = { email: 'mistake@example.com' };
    await hush.ask('/v1/events', {
      events: [
        {
          contact,
          type: 'opted_out',
          scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
          source: { kind: 'one_click' },
        },
      ],
    });
    const id = callIdOf(await call(agent, contact.email));
    expect(await hush.decide(contact, 'promotion', { channel: 'mail' })).toMatchObject({ allowed: false });
    const answer = await supervisor.post(`/staff/calls/${id}/undo`, { reason: 'wrong address' });
    expect(answer.text).toContain('Undone.');
    expect(await hush.decide(contact, 'promotion', { channel: 'mail' })).toMatchObject({ allowed: true });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    await hush.settle();
    const officer = await signIn(hush, 'privacy_officer');
    const page = await officer.get(`/staff/contacts/${await keyOf(hush, contact)}`);
    expect(page.text.match(/<b>Opted out<\/b>/g)).toHaveLength(2);
    expect(page.text).toContain('<b>Opted in</b>');
    expect((await supervisor.post(`/staff/calls/${id}/undo`, { reason: 'again' })).status).toBe(409);
  });

  test('undoing leaves an opt-out of the very same scope that came another way', async () => {
    const contact = { email: 'both@example.com' };
    await hush.ask('/v1/events', {
      events: [{ contact, type: 'opted_out', scope: { purpose: 'marketing' }, source: { kind: 'form' } }],
    });
    const id = callIdOf(await call(agent, contact.email));
    await supervisor.post(`/staff/calls/${id}/undo`, { reason: 'wrong address' });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test('undoing gives back the consent that the call had ended, to whom it was given and no wider', async () => {
    const cleo = await makeCustomer(hush, 'Cleo');
    await hush.ask('/v1/events', {
      events: [
        {
          contact: cleo.email,
          type: 'consent_granted',
          scope: { brand: 'jmf', channel: 'sms', purpose: 'promotion' },
          source: { kind: 'form' },
        },
      ],
    });
    const sms = (contact: object = cleo.email, purpose = 'promotion') =>
      hush.decide(contact, purpose, { channel: 'sms', brand: 'jmf', at: '2030-06-15T18:00:00Z' });
    expect(await sms()).toMatchObject({ allowed: true, reason: 'consented' });
    const id = callIdOf(await call(agent, 'cleo@example.com'));
    expect(await sms()).toMatchObject({ allowed: false, reason: 'opted_out' });
    await supervisor.post(`/staff/calls/${id}/undo`, { reason: 'meant another Cleo' });
    expect(await sms()).toMatchObject({ allowed: true, reason: 'consented' });
    expect(await sms(cleo.email, 'sweepstakes')).toMatchObject({ allowed: false, reason: 'consent_missing' });
    // Every address of the person may be written to again; the consent is not theirs.
    expect(await hush.decide(cleo.postal, 'sweepstakes', { channel: 'mail' })).toMatchObject({ allowed: true });
    expect(await sms(cleo.postal)).toMatchObject({ allowed: false, reason: 'consent_missing' });
  });

  test('nobody undoes their own call', async () => {
    const contact = { email: 'own@example.com' };
    const id = callIdOf(await call(supervisor, contact.email));
    expect((await supervisor.post(`/staff/calls/${id}/undo`, { reason: 'oops' })).status).toBe(403);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
    const [entry] = await hush.hush.staff.trail.list({ user: 'supervisor', kind: 'refusal' }, 0, 1);
    expect(entry?.what).toBe('own');
  });
});

describe('lifting an opt-out on a caller’s word', () => {
  async function askLift(
    contact: { email: string } | { phone: string },
    fields: Readonly<Record<string, string>> = {},
    who = agent,
  ): Promise<Answer> {
    await who.post('/staff/call', { find: 'email' in contact ? contact.email : contact.phone });
    return who.post(`/staff/contacts/${await keyOf(hush, contact)}/lift`, {
      scope: '*/*/marketing/*',
      caller: 'self',
      verification: 'account',
      words: 'I want it again',
      ...fields,
    });
  }

  /** A lift of these scopes, as the agent sees it then. */
  async function lifted(contact: { email: string }, scopes: readonly string[]) {
    await agent.post('/staff/call', { find: contact.email });
    const fields = new URLSearchParams({ caller: 'self', verification: 'account', words: 'both again' });
    for (const scope of scopes) fields.append('scope', scope);
    const request = await agent.postAll(`/staff/contacts/${await keyOf(hush, contact)}/lift`, fields);
    return { request, to: request.at.split('/').at(-1) };
  }

  test('changes nothing until another person confirms it, and then lifts', async () => {
    const contact = { email: 'again@example.com' };
    await call(agent, contact.email);
    const asked = await askLift(contact);
    expect(asked.text).toContain('Waiting for a second person');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
    const id = asked.at.split('/').at(-1);
    expect((await agent.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(403);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).text).toContain('Approved.');
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(409);
  });

  test('that waits is not confirmed once the person has said no again: it lifts nothing older or newer', async () => {
    const contact = { email: 'since@example.com' };
    await call(agent, contact.email);
    const id = (await askLift(contact)).at.split('/').at(-1);
    const { oneClickUrl } = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
      contact,
      brand: 'jmf',
      channel: 'email',
      purpose: 'promotion',
    });
    await fetch(hush.url + new URL(oneClickUrl).pathname, { method: 'POST' });
    const page = await supervisor.get(`/staff/approvals/${id}`);
    expect(page.text).toContain('has opted out again since');
    expect(page.text).not.toContain('value="confirm"');
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(409);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await hush.decide(contact, 'promotion', { channel: 'mail' })).toMatchObject({ allowed: false });
  });

  test.each(['restricted', 'erased'] as const)('that waits is not confirmed once the person was %s', async (type) => {
    const contact = { email: `waits-${type}@example.com` };
    await call(agent, contact.email);
    const id = (await askLift(contact, { notice: 'newsletter 1 en' })).at.split('/').at(-1);
    await hush.ask('/v1/events', { events: [{ contact, type, source: { kind: 'api' } }] });
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(409);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: type });
  });

  test('counts as of the time it was asked for, and for the one address that the caller was verified for', async () => {
    const [contact, joined] = [{ email: 'asked@example.com' }, { email: 'asked-joined@example.com' }];
    await hush.ask('/v1/contacts/link', { contacts: [contact, joined] });
    await call(agent, contact.email);
    expect(await hush.decide(joined)).toMatchObject({ allowed: false });
    const before = hush.hush.clock.now();
    const id = (await askLift(contact)).at.split('/').at(-1) ?? '';
    const after = hush.hush.clock.now();
    await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' });
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
    expect(await hush.decide(joined)).toMatchObject({ allowed: false, reason: 'opted_out' });
    const { grants } = await hush.ask<{ grants: { at: string }[] }>('/v1/contacts/lookup', { contact });
    const at = Date.parse(grants[0]?.at ?? '');
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(after);
  });

  test('a supervisor who asked does not confirm it, though the role may', async () => {
    const contact = { email: 'self-lift@example.com' };
    await call(agent, contact.email);
    const asked = await askLift(contact, {}, supervisor);
    const id = asked.at.split('/').at(-1);
    expect((await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })).status).toBe(403);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
    const second = await signIn(hush, 'supervisor-2');
    expect(
      (await second.post(`/staff/lifts/${id}/decide`, { decision: 'refuse', why: 'not convinced' })).text,
    ).toContain('Nothing has changed');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });

  test('two supervisors at once lift once', async () => {
    const contact = { email: 'race@example.com' };
    await call(agent, contact.email);
    const id = (await askLift(contact)).at.split('/').at(-1);
    const second = await signIn(hush, 'supervisor-2');
    const answers = await Promise.all(
      [supervisor, second].map((who) => who.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' })),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  test('an unverified caller is refused a lift, though never an opt-out', async () => {
    const contact = { email: 'unverified@example.com' };
    await call(agent, contact.email);
    expect((await askLift(contact, { verification: 'none' })).status).toBe(400);
    expect(await hush.decide(contact)).toMatchObject({ allowed: false });
  });

  test('with a text read aloud it is a consent to that text', async () => {
    const contact = { email: 'agreed@example.com' };
    await call(agent, contact.email);
    const id = (await askLift(contact, { notice: 'newsletter 1 en' })).at.split('/').at(-1);
    await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' });
    expect(await hush.decide(contact)).toMatchObject({ allowed: true, reason: 'consented' });
    await hush.settle();
    const officer = await signIn(hush, 'privacy_officer');
    expect((await officer.get(`/staff/contacts/${await keyOf(hush, contact)}`)).text).toContain(
      'Yes, send me offers and news by email',
    );
  });

  test('of several opt-outs at once lifts those that were chosen and no other, each with a receipt', async () => {
    const contact = { email: 'several@example.com' };
    await call(agent, contact.email, { wish: 'phone' });
    await call(agent, contact.email, { wish: 'mail', brand: 'jmf' });
    const { request, to } = await lifted(contact, ['*/voice/marketing/*', 'jmf/mail/marketing/*']);
    expect(request.text).toContain('by phone call');
    expect(request.text).toContain('by post');
    const page = await supervisor.post(`/staff/lifts/${to}/decide`, { decision: 'confirm' });
    expect(page.text.match(/r_[0-9A-Z]{4}(-[0-9A-Z]{4}){4}<\/a>/g)).toHaveLength(2);
    const allowed = async (channel: string) =>
      (await hush.decide(contact, 'promotion', { channel, at: '2030-06-15T18:00:00Z' })).allowed;
    expect([await allowed('voice'), await allowed('mail')]).toEqual([true, true]);
    expect(await hush.decide(contact, 'promotion', { channel: 'sms' })).toMatchObject({ reason: 'opted_out' });
  });

  test('of several is not approved once one of them was said no to again', async () => {
    const contact = { email: 'one-of-them@example.com' };
    await call(agent, contact.email, { wish: 'phone' });
    const { to } = await lifted(contact, ['*/voice/marketing/*', '*/sms/marketing/*']);
    await hush.ask('/v1/events', {
      events: [
        { contact, type: 'opted_out', scope: { channel: 'sms', purpose: 'marketing' }, source: { kind: 'sms' } },
      ],
    });
    expect((await supervisor.post(`/staff/lifts/${to}/decide`, { decision: 'confirm' })).status).toBe(409);
    expect(await hush.decide(contact, 'promotion', { channel: 'voice' })).toMatchObject({ allowed: false });
  });

  test('that was asked for before there could be several still counts for its one', async () => {
    const contact = { email: 'old-lift@example.com' };
    await call(agent, contact.email);
    const id = (await askLift(contact)).at.split('/').at(-1) ?? '';
    const { collection } = hush.hush.stores.staffApprovals.models[0];
    const row = await collection.findOne({ _id: id as never });
    const [scope] = row?.details.scopes ?? [];
    await collection.updateOne(
      { _id: id as never },
      { $set: { 'details.scope': scope }, $unset: { 'details.scopes': '' } },
    );
    expect((await supervisor.get(`/staff/approvals/${id}`)).text).toContain('all marketing');
    await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'confirm' });
    expect(await hush.decide(contact)).toMatchObject({ allowed: true });
  });

  test('is refused with a reason, which whoever asked reads; without one nothing is decided', async () => {
    const contact = { email: 'refused@example.com' };
    await call(agent, contact.email);
    const { at } = await askLift(contact);
    const id = at.split('/').at(-1);
    const none = await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'refuse' });
    expect(none.status).toBe(400);
    expect(none.text).toContain('Write why you refuse it');
    await supervisor.post(`/staff/lifts/${id}/decide`, { decision: 'refuse', why: 'the voice was another one' });
    const page = await agent.get(at);
    expect(page.text).toContain('“the voice was another one”');
    expect(page.text).toContain('I want it again');
    const row = await hush.hush.stores.staffApprovals.models[0].collection.findOne({ _id: id as never });
    expect(JSON.stringify(row)).not.toContain('another one');
  });

  test.each([
    ['confirm', 'pidió recibir de nuevo', /r_[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/],
    ['refuse', 'no reactivamos', /preferences/],
  ])('%s: the person is written to, in their language, and the page says so', async (decision, subject, inside) => {
    const contact = { email: `told-${decision}@example.com` };
    await hush.ask('/v1/events', {
      events: [{ contact, type: 'profile', language: 'es', source: { kind: 'form' } }],
    });
    await call(agent, contact.email);
    const id = (await askLift(contact)).at.split('/').at(-1);
    const page = await supervisor.post(`/staff/lifts/${id}/decide`, { decision, why: 'not convinced' });
    expect(page.text).toContain('told by email');
    const mail = (await mailsTo(hush, contact.email)).at(-1) ?? '';
    expect(mail).toContain('Content-Language: es');
    expect(decodedSubject(mail)).toContain(subject);
    expect(mail).toMatch(inside);
    // Why it was refused is for staff.
    expect(mail).not.toContain('not convinced');
  });

  test('of an address without email says that nobody was written to', async () => {
    const contact = { phone: '+19205550188' };
    await call(agent, contact.phone);
    const asked = await askLift(contact);
    const page = await supervisor.post(`/staff/lifts/${asked.at.split('/').at(-1)}/decide`, { decision: 'confirm' });
    expect(page.text).toContain('no email address; tell them by phone or letter');
  });

  test('another agent does not see what was asked', async () => {
    const contact = { email: 'private@example.com' };
    await call(agent, contact.email);
    const at = (await askLift(contact)).at;
    const other = await signIn(hush, 'agent-2');
    expect((await other.get(at)).status).toBe(404);
  });
});

test('a person’s page folds a long history by month, the latest open', async () => {
  const contact = { email: 'long@example.com' };
  const at = (n: number) => new Date(Date.parse('2026-10-20T12:00:00Z') - n * 86_400_000).toISOString();
  await hush.ask('/v1/events', {
    events: Array.from({ length: 60 }, (_, n) => ({
      contact,
      type: n % 2 ? 'opted_out' : 'opted_in',
      lifts: 'any',
      at: at(n),
      scope: { purpose: 'events' },
      source: { kind: 'link' },
    })),
  });
  await hush.settle();
  const officer = await signIn(hush, 'privacy_officer');
  const page = await officer.get(`/staff/contacts/${await keyOf(hush, contact)}`);
  const months = [...page.text.matchAll(/<details( open)?><summary><b>(\w+ \d{4})<\/b>/g)];
  expect(months.map(([, open, month]) => [open, month])).toEqual([
    [' open', 'October 2026'],
    [undefined, 'September 2026'],
    [undefined, 'August 2026'],
  ]);
  // What is on later pages is not on the first, and a page that there is not is empty, not an error.
  const beyond = await officer.get(`/staff/contacts/${await keyOf(hush, contact)}?page=2`);
  expect(beyond.status).toBe(200);
  expect(beyond.text).toContain('rel="prev">Newer');
});
