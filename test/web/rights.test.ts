import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import { REQUEST_KINDS } from '../../src/core/request.js';
import { mailsTo, tokenIn } from '../rights/setting.js';
import { type Hush, startHush } from '../support/hush.js';

let hush: Hush;
beforeAll(async () => {
  hush = await startHush({ limits: { badTokens: 600, forms: 200, badKeys: 120 } });
});
afterAll(() => hush?.stop());

type Fields = Readonly<Record<string, string | Blob>>;

/** Sends a form as a browser does, and loads the page it is sent to; `to` is its path. */
async function send(path: string, fields: Fields, headers: Record<string, string> = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const response = await fetch(hush.url + path, { method: 'POST', body: form, headers, redirect: 'manual' });
  const to = response.headers.get('location') ?? '';
  if (response.status === 303) return { ...(await view(to, headers)), to };
  return { status: response.status, text: await response.text(), headers: response.headers, to };
}
const view = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(hush.url + path, { headers, redirect: 'manual' });
  return { status: response.status, text: await response.text(), headers: response.headers };
};
const form = (kind: string, address: string, more: Fields = {}): Fields => ({
  kind,
  address,
  name: 'Ana Doe',
  who: 'self',
  place: 'US',
  ...more,
});
const all = () => hush.hush.stores.requests.list({}, 0, 1000);
const latest = async () => (await all()).sort((a, b) => b.receivedAt.getTime() - a.receivedAt.getTime())[0];
const reference = (text: string) => /class="num">([0-9A-Z]{5}-[0-9A-Z]{5}-[0-9A-Z]{5})</.exec(text)?.[1] ?? '';

describe('the form', () => {
  test.each(REQUEST_KINDS)('takes %s, in English and Spanish, and gives a reference', async (kind) => {
    for (const [language, said] of [
      ['en', /It applies from now on|We have received your request/],
      ['es', /Se aplica desde ahora|Recibimos su solicitud/],
    ] as const) {
      const answer = await send(`/rights?lang=${language}`, form(kind, `form-${kind}-${language}@example.com`));
      expect(answer.status).toBe(200);
      expect(answer.text).toMatch(said);
      expect(reference(answer.text)).not.toBe('');
      expect(answer.headers.get('set-cookie')).toBeNull();
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    }
  });

  test('says the same whether or not the address is known, or has asked before', async () => {
    await hush.ask('/v1/events', {
      events: [
        { contact: { email: 'known@example.com' }, type: 'profile', relationship: 'customer', source: { kind: 'api' } },
      ],
    });
    const texts = new Set<string>();
    for (const address of ['known@example.com', 'known@example.com', 'nobody@example.com']) {
      const { text } = await send('/rights', form('access', address));
      texts.add(text.replace(reference(text), '…').replaceAll(/did=[^"&]*/g, 'did='));
    }
    expect(texts.size).toBe(1);
  });

  test.each([
    ['nothing', {}, ['Choose what you want', 'Enter your email address']],
    ['a broken address', form('access', 'ana@'), ['Enter a complete email address']],
    ['nobody to answer to', { ...form('access', ''), phone: '+19205550144' }, ['so that our answer can reach you']],
    ['a place that is no country', form('access', 'a@example.com', { place: 'Germany' }), ['Choose your country']],
    ['no name', { ...form('access', 'a@example.com'), name: '' }, ['Enter your name']],
    [
      'an agent without a name',
      form('access', 'a@example.com', { who: 'agent' }),
      ['Enter your own name', 'your own email'],
    ],
    [
      'a page as a document',
      form('access', 'a@example.com', { file: new File(['<html><script>1</script></html>'], 'poa.pdf') }),
      ['PDF'],
    ],
  ])('%s: an error summary with links, nothing taken', async (_name, fields, said) => {
    const before = (await all()).length;
    const { status, text } = await send('/rights', fields as Fields);
    expect(status).toBe(400);
    for (const words of said) expect(text).toContain(words);
    expect(text).toMatch(/<div class="errors" role="alert".*<a href="#/s);
    for (const [, id] of text.matchAll(/<li><a href="#([^"]+)"/g)) expect(text).toContain(`id="${id}"`);
    expect(await all()).toHaveLength(before);
  });

  test('what was typed is still there after a fault, and cannot become markup', async () => {
    const { text } = await send('/rights', {
      kind: 'access',
      name: '"><script>alert(1)</script>',
      words: '</textarea><b>x',
    });
    expect(text).not.toContain('<script>alert');
    expect(text).not.toContain('</textarea><b>x');
    expect(text).toContain('&lt;/textarea&gt;&lt;b&gt;x');
  });

  test('is answered by a page that may be loaded again: one request, one mail, however often', async () => {
    const sending = 'AAAAAAAAAAAAAAAAAAAAAA';
    const asked = form('access', 'once@example.com', { sending, file: new File(['my notes'], 'notes.txt') });
    const first = await send('/rights', asked);
    expect(first.to).toMatch(/^\/rights\?lang=en&did=/);
    const count = (await all()).length;
    const pages = [first, await view(first.to), await view(first.to)];
    expect(new Set(pages.map(({ text }) => reference(text))).size).toBe(1);
    expect((await view(`${first.to}&lang=es`.replace('lang=en&', ''))).text).toContain('Hemos recibido su solicitud');
    // A double click, or Back and Send: the same form again.
    expect(reference((await send('/rights', asked)).text)).toBe(reference(first.text));
    expect(await all()).toHaveLength(count);
    expect(await hush.hush.rights.attachments.list((await latest())!)).toHaveLength(1);
    const mails = await mailsTo(hush, 'once@example.com');
    expect(mails.filter((raw) => /We have received your request/.test(raw))).toHaveLength(1);
    // Changed after Back, it is another request.
    expect(reference((await send('/rights', { ...asked, kind: 'deletion' })).text)).not.toBe(reference(first.text));
    expect(await all()).toHaveLength(count + 1);
    // What the page says is sealed: of another path, or made up, it is the empty form.
    expect((await view('/rights?did=AAAA')).text).toContain('Your data, your rights');
  });

  test('keeps what was typed when the language changes, and names the file to be chosen again', async () => {
    const count = (await all()).length;
    const typed = form('deletion', 'typed@example.com', {
      words: 'Everything & more',
      phone: '920 555 0199',
      who: 'agent',
    });
    const file = new File(['%PDF-1.7\n%%EOF'], 'power.pdf');
    const { status, text } = await send('/rights?lang=es', { ...typed, agentName: 'Lee', act: 'language', file });
    expect(status).toBe(200);
    expect(text).toContain('Sus datos, sus derechos');
    for (const kept of ['typed@example.com', 'Everything &amp; more', '920 555 0199', 'value="Lee"', 'power.pdf'])
      expect(text).toContain(kept);
    expect(text).toMatch(/id="kind-deletion" value="deletion" checked/);
    expect(text).not.toContain('role="alert"');
    expect(await all()).toHaveLength(count);
    // The page itself leads there by a button of the form, not by a link that would lose what was typed.
    expect((await view('/rights')).text).toMatch(/<button class="lang" form="rights" formaction="\?lang=es"/);
  });

  test('a browser that sends no files in the form is fine too', async () => {
    const response = await fetch(`${hush.url}/rights`, {
      method: 'POST',
      body: new URLSearchParams({ kind: 'opt_out', address: 'plain@example.com' }),
    });
    expect(response.status).toBe(200);
    expect(response.url).toContain('/rights?lang=en&did=');
    expect(await hush.decide({ email: 'plain@example.com' })).toMatchObject({ reason: 'opted_out' });
  });

  test('a phone number is enough to stop', async () => {
    const { status } = await send('/rights', { kind: 'opt_out', phone: '(920) 555-0144' });
    expect(status).toBe(200);
    expect(await hush.decide({ phone: '+19205550144' }, 'promotion', { channel: 'mail' })).toMatchObject({
      reason: 'opted_out',
    });
  });

  test('a body that is no form, or too large, is refused', async () => {
    const post = (body: string | Uint8Array, type: string) =>
      fetch(`${hush.url}/rights`, { method: 'POST', body, headers: { 'content-type': type } });
    expect((await post('garbage', 'multipart/form-data; boundary=x')).status).toBe(400);
    expect((await post('garbage', 'multipart/form-data')).status).toBe(400);
    const large = await send(
      '/rights',
      form('access', 'a@example.com', { file: new File([new Uint8Array(6_000_000)], 'a.png') }),
    );
    expect(large.status).toBe(413);
  });

  test('the signal of a browser records nothing here', async () => {
    await view('/rights', { 'sec-gpc': '1' });
    await send('/rights', form('access', 'gpc@example.com'), { 'sec-gpc': '1' });
    expect(await hush.decide({ email: 'gpc@example.com' }, 'retargeting')).not.toMatchObject({ reason: 'gpc' });
  });

  test('the preference page and every other page lead here', async () => {
    expect((await view('/preferences')).text).toContain('href="/rights?lang=en"');
    expect((await view('/preferences?lang=es')).text).toContain('href="/rights?lang=es"');
  });
});

describe('the link that verifies', () => {
  test('looking changes nothing, the button confirms, and again is fine', async () => {
    await send('/rights', form('access', 'verify@example.com'));
    const record = await latest();
    const token = tokenIn(
      (await mailsTo(hush, 'verify@example.com')).find((raw) => /confirm that it is you/i.test(raw)),
    );
    for (let at = 0; at < 3; at++) {
      const page = await view(`/rights/${token}`);
      expect(page.status).toBe(200);
      expect(page.text).toContain('v•••@example.com');
      expect(page.text).not.toContain('Ana');
    }
    expect((await hush.hush.rights.records.get(record?.id ?? '')).state).toBe('verifying');
    const head = await fetch(`${hush.url}/rights/${token}`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    for (let at = 0; at < 2; at++) {
      const done = await send(`/rights/${token}`, { act: 'verify' });
      expect(done.status).toBe(200);
      expect(done.text).toContain('That is confirmed');
    }
    expect(await hush.hush.rights.records.get(record?.id ?? '')).toMatchObject({
      state: 'in_progress',
      verifiedBy: 'link',
    });
  });

  test('every change of a letter of a token is a 404 that says what to do instead', async () => {
    const token = tokenIn(
      (await mailsTo(hush, 'verify@example.com')).find((raw) => /confirm that it is you/i.test(raw)),
    );
    for (const at of [0, 3, 20, 60, token.length - 1]) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      for (const answer of [await view(`/rights/${changed}`), await send(`/rights/${changed}`, { act: 'verify' })]) {
        expect(answer.status).toBe(404);
        expect(answer.text).toContain('This link does not work');
      }
    }
    // Other links of ours are no keys to requests, and these are none to preferences.
    const { links, clock } = hush.hush;
    const point = normaliseContact({ email: 'verify@example.com' }, 'US');
    expect((await view(`/rights/${links.fresh(point, 'jmf', clock.now())}`)).status).toBe(404);
    expect((await view(`/p/${token}`)).status).toBe(404);
    expect((await fetch(`${hush.url}/u/${token}`, { method: 'POST' })).status).toBe(404);
    expect(await hush.decide({ email: 'verify@example.com' })).toMatchObject({ reason: 'not_objected' });
  });
});

describe('the page of a request', () => {
  test('shows how far it is and by when, takes messages and files, and can be withdrawn', async () => {
    await send('/rights?lang=es', form('deletion', 'status@example.com', { words: 'Todo, por favor' }));
    const record = await latest();
    const mails = await mailsTo(hush, 'status@example.com');
    const token = tokenIn(mails.find((raw) => /Recibimos su solicitud/.test(raw)));
    const page = await view(`/rights/${token}`);
    expect(page.text).toContain('We answer by');
    expect(page.text).not.toMatch(/status@example|Ana|Todo, por favor/);
    expect((await view(`/rights/${token}?lang=es`)).text).toContain('Responderemos a más tardar el');
    const said = await send(`/rights/${token}`, {
      act: 'message',
      words: 'It is <b>urgent</b>',
      file: new File(['my notes'], 'notes.txt'),
    });
    expect(said.text).toContain('It is &lt;b&gt;urgent&lt;/b&gt;');
    const now = await hush.hush.rights.records.get(record?.id ?? '');
    expect(now.unread).toBe(true);
    expect(await hush.hush.rights.attachments.list(now)).toMatchObject([
      { name: 'notes.txt', type: 'text/plain', size: 8 },
    ]);
    const raw = await hush.hush.stores.requests.models[0].collection.findOne({ _id: now.id as never });
    expect(JSON.stringify(raw)).not.toContain('urgent');
    expect((await send(`/rights/${token}`, { act: 'message', words: '' })).status).toBe(400);
    const gone = await send(`/rights/${token}`, { act: 'withdraw' });
    expect(gone.text).toContain('Withdrawn');
    expect((await send(`/rights/${token}`, { act: 'message', words: 'again' })).status).toBe(400);
    expect((await hush.hush.rights.records.get(now.id)).state).toBe('withdrawn');
  });

  test('says once what was done, keeps words that could not be sent, and does nothing again when loaded again', async () => {
    await send('/rights', form('access', 'again@example.com'));
    const record = (await latest())!;
    const token = tokenIn((await mailsTo(hush, 'again@example.com')).find((raw) => /received your request/.test(raw)));
    const messages = async () =>
      (await hush.hush.rights.records.get(record.id)).history.filter(({ what }) => what === 'message').length;
    const done = await send(`/rights/${token}`, { act: 'message', words: 'Hello there' });
    expect(done.text).toContain('Sent. We read it');
    expect((await view(done.to)).text).toContain('Sent. We read it');
    expect(await messages()).toBe(1);
    expect((await view(`/rights/${token}`)).text).not.toContain('Sent. We read it');
    const spanish = await send(`/rights/${token}?lang=es`, { act: 'language', words: 'Half a sen' });
    expect(spanish.text).toMatch(/<textarea[^>]*>Half a sen<\/textarea>/);
    const refused = await send(`/rights/${token}`, {
      act: 'message',
      words: 'See my page',
      file: new File(['<html></html>'], 'page.html'),
    });
    expect(refused.status).toBe(400);
    expect(refused.text).toMatch(/<textarea[^>]*>See my page<\/textarea>/);
    expect(refused.text).toContain('page.html');
    expect(await messages()).toBe(1);
    for (let press = 0; press < 2; press++)
      expect((await send(`/rights/${token}`, { act: 'withdraw' })).text).toContain('Withdrawn');
    const late = await send(`/rights/${token}`, { act: 'message', words: 'One more thing' });
    expect(late.status).toBe(400);
    expect(late.text).toContain('One more thing');
  });

  test('a message of ours is there to be read, and a mail says that there is one without saying what', async () => {
    await send('/rights', form('access', 'message@example.com'));
    const record = await latest();
    const token = tokenIn(
      (await mailsTo(hush, 'message@example.com')).find((raw) => /received your request/.test(raw)),
    );
    await hush.hush.rights.answers.message(record!, { id: 'staff o', name: 'Olga' }, 'Which claim do you mean?', {
      email: 'message@example.com',
      link: `${hush.url}/rights/${token}`,
    });
    const mail = (await mailsTo(hush, 'message@example.com')).at(-1) ?? '';
    expect(mail).toContain('There is a message about your request');
    expect(mail).not.toContain('Which claim');
    const { text } = await view(`/rights/${token}`);
    expect(text).toContain('Which claim do you mean?');
    expect(text).not.toContain('Olga');
  });
});

test('an agent asks, with a document; the person confirms; neither alone is enough', async () => {
  const answer = await send(
    '/rights',
    form('access', 'person@example.com', {
      who: 'agent',
      agentName: 'Lee Attorney',
      agentEmail: 'lee@law.example',
      file: new File(['%PDF-1.7\nI may\n%%EOF'], 'power.pdf', { type: 'text/html' }),
    }),
  );
  expect(answer.status).toBe(200);
  const record = await latest();
  const [file] = await hush.hush.rights.attachments.list(record!);
  expect(file).toMatchObject({ name: 'power.pdf', type: 'application/pdf' });
  const mail = (await mailsTo(hush, 'person@example.com')).at(-1);
  expect(mail).toContain('act for you');
  // A mail program's one-click, to the wrong URL, confirms nothing.
  expect((await send(`/rights/${tokenIn(mail)}`, { 'List-Unsubscribe': 'One-Click' })).status).toBe(404);
  expect((await hush.hush.rights.records.get(record?.id ?? '')).confirmedAt).toBeUndefined();
  await send(`/rights/${tokenIn(mail)}`, { act: 'verify' });
  expect(await hush.hush.rights.records.get(record?.id ?? '')).toMatchObject({ state: 'verifying' });
  await hush.hush.rights.verification.authority(
    await hush.hush.rights.records.get(record?.id ?? ''),
    { id: 'staff o' },
    file?.id ?? '',
  );
  expect(await hush.hush.rights.records.get(record?.id ?? '')).toMatchObject({
    state: 'in_progress',
    verifiedBy: 'agent',
  });
});

test('too many forms from one network are told to wait, before anything is read', async () => {
  const limited = await startHush({ limits: { badTokens: 5, forms: 3, badKeys: 5 } });
  const post = () =>
    fetch(`${limited.url}/rights`, {
      method: 'POST',
      body: new URLSearchParams({ kind: 'opt_out', address: 'l@example.com' }),
    });
  const statuses = [];
  for (let at = 0; at < 5; at++) statuses.push((await post()).status);
  expect(statuses).toEqual([200, 200, 200, 429, 429]);
  // What was typed is there on Back: a page that may not be stored would be loaded again, empty.
  expect((await fetch(`${limited.url}/rights`)).headers.get('cache-control')).toBe('private, no-cache');
  expect(await limited.hush.stores.requests.count({})).toBe(3);
  await limited.stop();
});

test('no address, name or token is in any log line', () => {
  expect(hush.logged.join('')).not.toMatch(/@example\.com|Ana Doe|Attorney|\/rights\/[A-Za-z0-9_-]{20}/);
});
