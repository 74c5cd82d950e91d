import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import { type Hush, startHush } from '../support/hush.js';

const DAY = 86_400_000;
const time = { ahead: 0 };
let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ machineTime: () => Date.now() + time.ahead });
});
afterAll(() => hush?.stop());

let count = 0;
async function someone(events: readonly object[] = []) {
  const contact = { email: `undo${count++}@example.com` };
  if (events.length > 0) {
    await hush.ask('/v1/events', { events: events.map((event) => ({ contact, source: { kind: 'form' }, ...event })) });
  }
  const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
  const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', { contact, ...scope });
  const page = hush.url + new URL(preferencesUrl).pathname;
  const act = async (fields: Record<string, string>) => {
    const answer = await fetch(page, { method: 'POST', body: new URLSearchParams(fields) });
    expect(answer.status).toBe(200);
    return answer.text();
  };
  const undoOf = (html: string) => /name="undo" value="([^"]+)"/.exec(html)?.[1] ?? '';
  const reason = async (channel: string, purpose: string) =>
    (await hush.decide(contact, purpose, { channel, at: '2030-06-15T18:00:00Z' })).reason;
  return { contact, page, act, undoOf, reason };
}

describe('undo on the page gives back what was there before, and no more', () => {
  test('of “stop all”: who had consented to nothing has still consented to nothing', async () => {
    const { act, undoOf, reason } = await someone();
    const stopped = await act({ act: 'stop-all' });
    expect(await reason('email', 'promotion')).toBe('opted_out');
    await act({ act: 'undo', undo: undoOf(stopped) });
    expect(await reason('email', 'promotion')).toBe('not_objected');
    expect(await reason('sms', 'promotion')).toBe('consent_missing');
    expect(await reason('email', 'partner_promotion')).toBe('consent_missing');
  });

  test('of “stop all”: a narrow consent comes back as narrow as it was, under what it restores', async () => {
    const { contact, act, undoOf, reason } = await someone([
      { type: 'consent_granted', scope: { brand: 'jmf', channel: 'sms', purpose: 'promotion' } },
    ]);
    await act({ act: 'undo', undo: undoOf(await act({ act: 'stop-all' })) });
    expect(await reason('sms', 'promotion')).toBe('consented');
    expect(await reason('sms', 'sweepstakes')).toBe('consent_missing');
    expect(await reason('email', 'partner_promotion')).toBe('consent_missing');
    const { grants } = await hush.ask<{ grants: { type: string; scope: object }[] }>('/v1/contacts/lookup', {
      contact,
    });
    expect(grants.filter(({ type }) => type === 'consent_granted').map(({ scope }) => scope)).toEqual([
      { brand: 'jmf', channel: 'sms', purpose: 'promotion', topic: '*' },
      { brand: 'jmf', channel: 'sms', purpose: 'promotion', topic: '*' },
    ]);
  });

  test('of a pause: no consent is made, and the page no longer says that everything is paused', async () => {
    const { page, act, undoOf, reason } = await someone();
    const paused = await act({ act: 'save', pause: '30' });
    expect(paused).toContain('Everything is paused until');
    await act({ act: 'undo', undo: undoOf(paused) });
    expect(await reason('sms', 'promotion')).toBe('consent_missing');
    expect(await (await fetch(page)).text()).not.toContain('Everything is paused until');
  });
});

describe('undo takes back one act, or says what still stands', () => {
  test('of a pause and “stop all” on one link the stop: everything is paused again', async () => {
    const { contact, act, undoOf, reason } = await someone();
    await act({ act: 'save', pause: '30' });
    const stopped = await act({ act: 'stop-all' });
    const undone = await act({ act: 'undo', undo: undoOf(stopped) });
    expect(await reason('email', 'promotion')).toBe('not_objected');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'paused' });
    expect(undone).toContain('A pause until');
    expect(undone).toContain('Everything is paused until');
  });

  test('of one-click in the mail program, then the button: the first stands, and the page says so', async () => {
    const { contact, page } = await someone();
    const oneClick = page.replace('/p/', '/u/');
    expect((await fetch(oneClick, { method: 'POST', body: 'List-Unsubscribe=One-Click' })).status).toBe(200);
    time.ahead += 1000;
    const pressed = await (
      await fetch(oneClick, { method: 'POST', body: new URLSearchParams({ from: 'page' }) })
    ).text();
    const undo = /name="undo" value="([^"]+)"/.exec(pressed)?.[1] ?? '';
    const undone = await (
      await fetch(page, { method: 'POST', body: new URLSearchParams({ act: 'undo', undo }) })
    ).text();
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(undone).toContain('Not undone');
    expect(undone).toMatch(/No offers by email since/);
    expect(undone).not.toContain('as it was before');
  });

  test('of two stops through the public form: the notice says that one stands, in both languages', async () => {
    const { contact } = await someone();
    const stop = () =>
      fetch(`${hush.url}/preferences`, {
        method: 'POST',
        body: new URLSearchParams({ act: 'stop', address: contact.email }),
      });
    await stop();
    time.ahead += 1000;
    await stop();
    const { denials } = await hush.ask<{ denials: { receipt: string; at: string }[] }>('/v1/contacts/lookup', {
      contact,
    });
    const { links, clock } = hush.hush;
    const point = normaliseContact(contact, 'US');
    const undoLink = (receipt: string) => `/p/${links.undo(point, 'jmf', receipt.slice(2), clock.now())}`;
    const press = async (receipt: string, language: string) =>
      (
        await fetch(`${hush.url}${undoLink(receipt)}?lang=${language}`, {
          method: 'POST',
          body: new URLSearchParams({ act: 'undo' }),
        })
      ).text();
    const [first, second] = denials.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ receipt }) => receipt);
    expect(await press(first ?? '', 'en')).toContain('Not undone');
    expect(await press(first ?? '', 'es')).toContain('Sin publicidad desde el');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    const last = await press(second ?? '', 'en');
    expect(last).toContain('Undone. This still stands');
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test('of one spelling of a mailbox: what another one stopped still counts for both, and the page says so', async () => {
    const scope = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
    const pageOf = async (email: string) => {
      const asked = { contact: { email }, ...scope };
      const { preferencesUrl } = await hush.ask<{ preferencesUrl: string }>('/v1/links', asked);
      return hush.url + new URL(preferencesUrl).pathname;
    };
    const post = async (page: string, fields: Record<string, string>) =>
      (await fetch(page, { method: 'POST', body: new URLSearchParams(fields) })).text();
    const [plain, dotted] = [await pageOf('twospellings@gmail.com'), await pageOf('two.spellings@googlemail.com')];
    await post(plain, { act: 'stop-all' });
    const stopped = await post(dotted, { act: 'stop-all' });
    const undone = await post(dotted, { act: 'undo', undo: /name="undo" value="([^"]+)"/.exec(stopped)?.[1] ?? '' });
    expect(undone).toContain('This still stands');
    expect(undone).not.toContain('Everything is as it was before');
    expect(await hush.decide({ email: 'two.spellings@googlemail.com' })).toMatchObject({ allowed: false });
  });

  test('of a stop that a newer one followed, of another channel, lifts nothing', async () => {
    const { contact, act, undoOf } = await someone();
    const stopped = await act({ act: 'stop-all' });
    time.ahead += 1000;
    await hush.ask('/v1/events', {
      events: [{ contact, type: 'opted_out', scope: { channel: 'mail' }, source: { kind: 'phone' } }],
    });
    const undone = await act({ act: 'undo', undo: undoOf(stopped) });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(undone).toContain('Not undone');
  });
});

describe('a link in mail, which may have been forwarded,', () => {
  const rowsOf = (html: string) =>
    Object.fromEntries(
      [...html.matchAll(/name="(was\.[^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]),
    );
  const allOn = (html: string) =>
    Object.fromEntries(
      Object.keys(rowsOf(html))
        .filter((name) => !name.startsWith('was.c.'))
        .map((name) => [name.slice(4), '1']),
    );
  const reasons: readonly (readonly [string, object])[] = [
    ['consent_missing', { type: 'profile', jurisdiction: 'DE' }],
    ['consent_missing', { type: 'profile', jurisdiction: 'CA-QC' }],
    ['indirect_source', { type: 'profile', relationship: 'recipient' }],
    ['minor', { type: 'profile', minor: true }],
    ['restricted', { type: 'restricted' }],
    ['undeliverable', { type: 'bounced', kind: 'hard' }],
    ['opted_out', { type: 'opted_out', scope: { brand: 'jmf' } }],
  ];
  test.each(reasons)('opens nothing that is denied as %s, and offers a fresh link', async (reason, before) => {
    const { contact, page, act, reason: reasonOf } = await someone([before]);
    const shown = await (await fetch(page)).text();
    const saved = await act({ act: 'save', ...rowsOf(shown), ...allOn(shown) });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason });
    expect(await reasonOf('sms', 'promotion')).not.toBe('consented');
    expect(saved).toContain('Not switched on:');
    expect(saved).toContain('value="fresh"');
    const { grants } = await hush.ask<{ grants: { type: string }[] }>('/v1/contacts/lookup', { contact });
    expect(grants.filter(({ type }) => type === 'consent_granted')).toEqual([]);
  });

  test('gives no text consent, here or at a linked phone, and no partner offers', async () => {
    const phone = { phone: '+19205550171' };
    const { contact, page, act, reason } = await someone();
    await hush.ask('/v1/contacts/link', { contacts: [contact, phone] });
    const shown = await (await fetch(page)).text();
    await act({ act: 'save', ...rowsOf(shown), ...allOn(shown) });
    expect(await reason('sms', 'promotion')).toBe('consent_missing');
    expect(await reason('email', 'partner_promotion')).toBe('consent_missing');
    expect(
      (await hush.decide(phone, 'promotion', { channel: 'sms', topic: 'news', at: '2030-06-15T18:00:00Z' })).reason,
    ).toBe('consent_missing');
  });

  test('opens what needs an opt-in only, where the policy says so', async () => {
    const lenient = await startHush({
      changePolicy: (policy) => {
        policy.consent = [{ jurisdictions: ['DE'], channels: ['email'], purposes: ['marketing'], optInSuffices: true }];
      },
    });
    try {
      const contact = { email: 'lenient@example.com' };
      await lenient.ask('/v1/events', {
        events: [{ contact, type: 'profile', jurisdiction: 'DE', source: { kind: 'api' } }],
      });
      expect((await lenient.decide(contact)).reason).toBe('consent_missing');
      const { preferencesUrl } = await lenient.ask<{ preferencesUrl: string }>('/v1/links', {
        contact,
        brand: 'jmf',
        channel: 'email',
        purpose: 'promotion',
      });
      const page = lenient.url + new URL(preferencesUrl).pathname;
      const shown = await (await fetch(page)).text();
      await fetch(page, {
        method: 'POST',
        body: new URLSearchParams({ act: 'save', ...rowsOf(shown), ...allOn(shown) }),
      });
      expect((await lenient.decide(contact, 'promotion', { topic: 'news' })).reason).toBe('not_objected');
    } finally {
      await lenient.stop();
    }
  });
});

test('a privacy signal that was lifted is no longer shown as honoured, and counts again when it comes again', async () => {
  const { contact, page } = await someone();
  const open = async (headers: Record<string, string> = {}) => (await fetch(page, { headers })).text();
  expect(await open()).not.toMatch(/signal/i);
  expect(await open({ 'sec-gpc': '1' })).toMatch(/signal/i);
  expect(await hush.decide(contact, 'retargeting')).toMatchObject({ allowed: false, reason: 'gpc' });
  const purposes = ['retargeting', 'lookalike_seed', 'lookalike_target', 'partner_promotion', 'affiliate_promotion'];
  await hush.ask('/v1/events', {
    events: purposes.map((purpose) => ({ contact, type: 'opted_in', scope: { purpose }, source: { kind: 'form' } })),
  });
  expect(await hush.decide(contact, 'retargeting')).toMatchObject({ allowed: true });
  expect(await open()).not.toMatch(/signal/i);
  time.ahead += 1000;
  expect(await open({ 'sec-gpc': '1' })).toMatch(/signal/i);
  expect(await hush.decide(contact, 'retargeting')).toMatchObject({ allowed: false, reason: 'gpc' });
});

test('a phone on the page for lost links is told in words that no link comes to phones', async () => {
  const ask = async (address: string, language: string) =>
    (
      await fetch(`${hush.url}/preferences?lang=${language}`, {
        method: 'POST',
        body: new URLSearchParams({ act: 'send', address }),
      })
    ).text();
  expect(await ask('+1 608 555 0175', 'en')).toContain('We send no links to phones');
  expect(await ask('+1 608 555 0175', 'es')).toContain('No enviamos enlaces a teléfonos');
  expect(await ask('someone-else@example.com', 'en')).toContain('your link is on its way');
});

describe('what is acknowledged is in force, however the clock of whoever sent it goes', () => {
  const ahead = (ms: number) => new Date(Date.now() + time.ahead + ms).toISOString();
  const optOut = (contact: object, at: string) => ({
    events: [{ contact, type: 'opted_out', scope: { brand: 'jmf' }, at, source: { kind: 'api' } }],
  });

  test('a second opt-out dated ahead changes nothing of the first: decision, destination, export and page', async () => {
    const { contact, page } = await someone([{ type: 'opted_out', scope: { brand: 'jmf' } }]);
    await hush.settle();
    const held = async () => {
      const { destinations } = await hush.ask<{ destinations: { bindings: { suppressed: boolean }[] }[] }>(
        '/v1/contacts/lookup',
        { contact },
      );
      return destinations.map(({ bindings }) => bindings.map(({ suppressed }) => suppressed));
    };
    expect(await held()).toEqual([[true]]);
    await hush.ask('/v1/events', optOut(contact, ahead(4 * 60_000)));
    await hush.settle();
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    expect(await held()).toEqual([[true]]);
    const query = new URLSearchParams({ brand: 'jmf', channel: 'email', purpose: 'promotion' });
    expect(await (await hush.get(`/v1/suppressions?${query}`)).text()).toContain(contact.email);
    expect(await (await fetch(page)).text()).not.toMatch(/name="t\.email\.[a-z]+" value="1" checked/);
  });

  test('a first opt-out dated ahead counts at once', async () => {
    const { contact } = await someone();
    await hush.ask('/v1/events', optOut(contact, ahead(4 * 60_000)));
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });

  test('one that a machine with a clock ahead of ours accepted counts here too, and is told', async () => {
    const { contact } = await someone();
    time.ahead += 30_000;
    await hush.ask('/v1/events', { events: optOut(contact, ahead(0)).events.map(({ at: _at, ...event }) => event) });
    time.ahead -= 30_000;
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
    await hush.settle();
    const { destinations } = await hush.ask<{ destinations: { bindings: { suppressed: boolean }[] }[] }>(
      '/v1/contacts/lookup',
      { contact },
    );
    expect(destinations).toMatchObject([{ bindings: [{ suppressed: true }] }]);
  });

  test('more than five minutes ahead is refused, and the same id can be sent again, corrected', async () => {
    const { contact } = await someone();
    const send = (at: string) =>
      hush.ask<{ accepted: unknown[]; rejected: { problem: { field: string } }[] }>('/v1/events', {
        events: optOut(contact, at).events.map((event) => ({ ...event, id: 'slip' })),
      });
    expect((await send(ahead(6 * 60_000))).rejected[0]?.problem.field).toBe('events.0.at');
    expect(await send(ahead(-DAY))).toMatchObject({ accepted: [{ index: 0 }], rejected: [] });
    expect(await hush.decide(contact)).toMatchObject({ allowed: false, reason: 'opted_out' });
  });
});
