import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request as connect } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import { REQUEST_KINDS } from '../../src/core/request.js';
import { CHUNK_BYTES } from '../../src/rights/requests/chunks.js';
import type { RequestRecord } from '../../src/store/requests.js';
import { mailsTo, statusTokenIn, tokenIn } from '../rights/setting.js';
import { type Hush, startHush } from '../support/hush.js';
import { until } from '../support/until.js';

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
async function contentOf(record: RequestRecord, id: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  const file = await hush.hush.rights.attachments.open(record, id);
  if (file) for await (const part of file.bytes) parts.push(part);
  return Buffer.concat(parts);
}
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
      texts.add(text.replace(reference(text), '…').replaceAll(/(did=|name="did" value=")[^"&]*/g, '$1'));
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
      ['poa.pdf is not a PDF'],
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
    expect((await view(`${first.to}&lang=es`.replace('lang=en&', ''))).text).toContain('Recibimos su solicitud');
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
  });

  test('a photo of six megabytes straight from a phone is taken, and opens as it was', async () => {
    const photo = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), randomBytes(6_000_000)]);
    const fields = form('access', 'photo@example.com', { file: new File([photo], 'IMG_0042.HEIC') });
    expect((await send('/rights', fields)).text).toContain('We have received your request');
    const record = (await latest())!;
    const { attachments } = hush.hush.rights;
    const [file] = await attachments.list(record);
    expect(file).toMatchObject({ name: 'IMG_0042.heic', type: 'image/heic', size: photo.length, by: 'person' });
    expect(photo.equals(await contentOf(record, file?.id ?? ''))).toBe(true);
    const { requestFiles } = hush.hush.stores;
    const [files, chunks] = requestFiles.models;
    const pieces = await chunks.collection.find({ file: file?.id }).toArray();
    expect(pieces.length).toBe(Math.ceil(photo.length / CHUNK_BYTES));
    const plain = photo.subarray(100, 140);
    expect(pieces.some(({ sealed }) => sealed.includes(plain))).toBe(false);
    expect((await files.collection.findOne({ _id: file?.id as never }))?.sealed).toBeUndefined();
    // Purged with its request.
    await requestFiles.removeAll(record.id);
    expect(await chunks.collection.countDocuments({ file: file?.id })).toBe(0);
  });

  test('eighteen megabytes pass through: the first pieces are stored before the last byte is sent', async () => {
    const photo = Buffer.concat([Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'), randomBytes(18_000_000)]);
    const [head, tail] = ['--b\r\n', '\r\n--b--\r\n'];
    const field = (name: string, value: string) =>
      `${head}Content-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const before = Object.entries({ kind: 'access', address: 'large@example.com', name: 'Ana Doe', place: 'US' })
      .map(([name, value]) => field(name, value))
      .join('');
    const start = `${before}${head}Content-Disposition: form-data; name="file"; filename="a.heic"\r\n\r\n`;
    const request = connect(`${hush.url}/rights`, {
      method: 'POST',
      headers: {
        'content-type': 'multipart/form-data; boundary=b',
        'content-length': Buffer.byteLength(start) + photo.length + tail.length,
      },
    });
    const chunks = hush.hush.stores.requestFiles.models[1].collection;
    const known = await chunks.countDocuments({});
    request.write(start);
    // All but the last megabyte; what is held of it by then is what no piece has yet.
    request.write(photo.subarray(0, -1_000_000));
    const sure = Math.floor((photo.length - 1_000_000) / CHUNK_BYTES) - 1;
    await until(async () => (await chunks.countDocuments({})) - known >= sure);
    expect(await chunks.countDocuments({ until: { $exists: true } })).toBeGreaterThanOrEqual(sure);
    request.end(Buffer.concat([photo.subarray(-1_000_000), Buffer.from(tail)]));
    const [response] = await once(request, 'response');
    response.resume();
    expect(response.statusCode).toBe(303);
    const record = (await latest())!;
    const [file] = await hush.hush.rights.attachments.list(record);
    expect(photo.equals(await contentOf(record, file?.id ?? ''))).toBe(true);
    expect(await chunks.countDocuments({ until: { $exists: true } })).toBe(0);
  });

  test('files that are too large or of another kind leave the form as it was typed, and nothing in the store', async () => {
    const chunks = hush.hush.stores.requestFiles.models[1].collection;
    const [count, known] = [(await all()).length, await chunks.countDocuments({})];
    const typed = form('access', 'toolarge@example.com', { words: 'All of it, please' });
    const tooLarge = await send('/rights', { ...typed, file: new File([new Uint8Array(21_500_000)], 'film.heic') });
    expect(tooLarge.text).toContain('film.heic was not accepted: all files together can be at most 20 MB');
    const other = await send('/rights', { ...typed, file: new File([randomBytes(700_000)], 'data.bin') });
    expect(other.text).toContain('data.bin is not a PDF, a photo');
    for (const { status, text } of [tooLarge, other]) {
      expect(status).toBe(400);
      expect(text).toContain('All of it, please');
      expect(text).toContain('toolarge@example.com');
      expect(text).toContain('at most 20 MB together');
    }
    expect(await all()).toHaveLength(count);
    await until(async () => (await chunks.countDocuments({})) === known);
    // A fault elsewhere: what was stored of the file goes again.
    const unnamed = await send('/rights', { ...typed, name: '', file: new File(['my notes'], 'notes.txt') });
    expect(unnamed.text).toContain('Please choose your file again: notes.txt');
    await until(async () => (await chunks.countDocuments({})) === known);
  });

  test('where too many files are on their way, the form is read without them, and none is lost', async () => {
    const headers = { 'content-type': 'multipart/form-data; boundary=b', 'content-length': '900000' };
    const open = Array.from({ length: 12 }, () => {
      const request = connect(`${hush.url}/rights`, { method: 'POST', headers });
      request.on('error', () => undefined);
      request.write(`--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${'x'.repeat(70_000)}`);
      return request;
    });
    await until(() => Promise.resolve(hush.hush.bodies.reserved() >= 12 * 1024 * 1024));
    const typed = form('access', 'busy@example.com', { file: new File([new Uint8Array(70_000).fill(97)], 'a.txt') });
    const busy = await send('/rights', typed);
    expect(busy.text).toContain('a.txt was not accepted, because too many files are being sent');
    expect(busy.text).toContain('busy@example.com');
    expect((await send('/rights', form('access', 'busy@example.com'))).text).toContain('We have received');
    for (const request of open) request.destroy();
    await until(() => Promise.resolve(hush.hush.bodies.reserved() === 0));
  });

  test('a file that was kept in one piece is still read', async () => {
    await send('/rights', form('access', 'oldfile@example.com'));
    const record = (await latest())!;
    const { seal } = hush.hush.rights;
    const key = seal.keyOf(record) ?? Buffer.alloc(0);
    const sealed = seal.sealFile(record.id, key, Buffer.from('as it was'));
    const name = seal.sealText(record.id, key, 'old.txt');
    await hush.hush.stores.requestFiles.models[0].collection.insertOne({
      _id: 'f_old' as never,
      request: record.id,
      at: new Date(),
      by: 'person',
      type: 'text/plain',
      size: 9,
      name,
      sealed,
    });
    expect((await contentOf(record, 'f_old')).toString()).toBe('as it was');
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
      const changed = token.slice(0, at) + (/a/i.test(token[at] ?? '') ? 'b' : 'a') + token.slice(at + 1);
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

describe('the first letter', () => {
  test('is one: it acknowledges, holds the button, and never says that there is nothing to do', async () => {
    await send('/rights', form('access', 'first@example.com'));
    const mails = await mailsTo(hush, 'first@example.com');
    expect(mails).toHaveLength(1);
    expect(mails[0]).toMatch(/We have received your request: please confirm/);
    expect(mails[0]).toMatch(/We will answer by/);
    expect(mails[0]).toContain('See where it stands');
    expect(mails[0]).not.toContain('nothing to do');
    const record = (await latest())!;
    expect(record.acknowledgedAt).toBeDefined();
    expect(record.letters).toEqual([]);
    expect(tokenIn(mails[0])).not.toBe(statusTokenIn(mails[0]));
    // Of a phone number nobody can be asked by mail: the letter says what to do.
    await send('/rights', { ...form('access', ''), phone: '920 555 0188', postal: '1 Main Street' });
    const byPost = (await hush.hush.letters.ofRequest((await latest())!.id))[0];
    const words = (await hush.hush.letters.asSent(byPost?.id ?? ''))?.text;
    expect(words).toContain('Please call');
    expect(words).not.toContain('nothing to do');
  });

  test('is sent again in one press, from the page after the form and from its own, a few times', async () => {
    const address = 'resend@example.com';
    const done = await send('/rights', form('access', address));
    const did = new URLSearchParams(done.to.split('?')[1]).get('did') ?? '';
    expect(done.text).toContain('Send it again');
    const again = await send('/rights', { act: 'again', did });
    expect(again.text).toContain('We have sent the message with the button again');
    expect(reference(again.text)).toBe(reference(done.text));
    const [first = '', second = '', ...more] = await mailsTo(hush, address);
    expect(more).toEqual([]);
    expect(tokenIn(second)).toBe(tokenIn(first));
    // Loaded again it sends nothing; nor does a third press within five minutes.
    await view(again.to);
    const status = `/rights/${statusTokenIn(first)}`;
    expect((await view(status)).text).toContain('Send it again');
    expect((await send(status, { act: 'again' })).text).toContain('Please wait five minutes');
    expect(await mailsTo(hush, address)).toHaveLength(2);
    expect((await send('/rights', { act: 'again', did: 'AAAA' })).text).toContain('Your data, your rights');
    await send(`/rights/${tokenIn(first)}`, { act: 'verify' });
    expect((await view(status)).text).not.toContain('Send it again');
    expect((await send(status, { act: 'again' })).status).toBe(200);
    expect(await mailsTo(hush, address)).toHaveLength(2);
  });

  test('with a link whose time is over says so, and sends a new one in one press', async () => {
    const address = 'overlink@example.com';
    await send('/rights', form('access', address));
    const record = (await latest())!;
    const { links, clock } = hush.hush;
    const scope = { brand: 'jmf', channel: '*', purpose: '*', topic: '*' } as const;
    const point = normaliseContact({ email: address }, 'US');
    const old = `/rights/${links.seal('verify', point, scope, record.id, clock.now() - 1000)}`;
    const page = await view(old);
    expect(page.status).toBe(410);
    expect(page.text).toContain('This link has expired');
    await send(old, { act: 'verify' });
    expect((await hush.hush.rights.records.get(record.id)).state).toBe('verifying');
    expect((await send(old, { act: 'again' })).text).toContain('We have sent the message');
    expect(await mailsTo(hush, address)).toHaveLength(2);
  });

  test('is declined by whoever reads the mail and did not ask', async () => {
    await send('/rights', form('deletion', 'notme@example.com'));
    const [mail] = await mailsTo(hush, 'notme@example.com');
    const no = await send(`/rights/${tokenIn(mail)}`, { act: 'decline' });
    expect(no.text).toContain('We have closed the request');
    expect((await latest())?.state).toBe('refused');
    expect((await send(`/rights/${tokenIn(mail)}`, { act: 'verify' })).text).toContain('We have closed the request');
    expect((await latest())?.state).toBe('refused');
    expect(await mailsTo(hush, 'notme@example.com')).toHaveLength(1);
  });
});

describe('the page of a request', () => {
  test('shows how far it is and by when, takes messages and files, and can be withdrawn', async () => {
    await send('/rights?lang=es', form('deletion', 'status@example.com', { words: 'Todo, por favor' }));
    const record = await latest();
    const mails = await mailsTo(hush, 'status@example.com');
    const token = statusTokenIn(mails.find((raw) => /Recibimos su solicitud/.test(raw)));
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
    const token = statusTokenIn(
      (await mailsTo(hush, 'again@example.com')).find((raw) => /received your request/.test(raw)),
    );
    const messages = async () =>
      (await hush.hush.rights.records.get(record.id)).history.filter(({ what }) => what === 'message').length;
    const done = await send(`/rights/${token}`, { act: 'message', words: 'Hello there' });
    expect(done.text).toContain('Sent. We will read it');
    expect((await view(done.to)).text).toContain('Sent. We will read it');
    expect(await messages()).toBe(1);
    expect((await view(`/rights/${token}`)).text).not.toContain('Sent. We will read it');
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
    const token = statusTokenIn(
      (await mailsTo(hush, 'message@example.com')).find((raw) => /received your request/.test(raw)),
    );
    await hush.hush.rights.answers.message(record!, { id: 'staff o', name: 'Olga' }, 'Which claim do you mean?', [
      'person',
    ]);
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
  expect(mail).toContain('Lee Attorney asked us in your name to see the data we hold about you');
  expect(mail).toContain('No, I did not ask for this');
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

test('an agent whom the person does not know: one press ends it, and the agent is told neutrally', async () => {
  await send(
    '/rights',
    form('access', 'unasked@example.com', { who: 'agent', agentName: 'Pat Broker', agentEmail: 'pat@broker.example' }),
  );
  const record = (await latest())!;
  const [toAgent = '', ...none] = await mailsTo(hush, 'pat@broker.example');
  expect(none).toEqual([]);
  expect(toAgent).toContain('to see the data held about the person you act for');
  expect(toAgent).not.toMatch(/nothing to do|hold about you/);
  const [mail] = await mailsTo(hush, 'unasked@example.com');
  const question = await view(`/rights/${tokenIn(mail)}`);
  expect(question.text).toContain('Pat Broker asked us in your name');
  expect((await view(`/rights/${statusTokenIn(toAgent)}`)).text).toContain('See the data held about the person');
  const no = await send(`/rights/${tokenIn(mail)}`, { act: 'decline' });
  expect(no.text).toContain('We have closed the request');
  const closed = await hush.hush.rights.records.get(record.id);
  expect(closed).toMatchObject({ state: 'refused', refusalReason: 'not_confirmed_by_person' });
  expect(closed.history.find(({ what }) => what === 'declined')?.by).toBe('person');
  const told = (await mailsTo(hush, 'pat@broker.example')).at(-1) ?? '';
  expect(told).toContain('we have no confirmation from the person');
  expect(told).not.toMatch(/did not ask|said no|declined|that it is you/);
  expect(await mailsTo(hush, 'unasked@example.com')).toHaveLength(1);
});

test('who wrote and sent what is kept apart: the person, the agent, and whom staff wrote to', async () => {
  await send(
    '/rights',
    form('access', 'apart@example.com', { who: 'agent', agentName: 'Kim Agent', agentEmail: 'kim@law.example' }),
  );
  const record = (await latest())!;
  const now = () => hush.hush.rights.records.get(record.id);
  const person = `/rights/${statusTokenIn((await mailsTo(hush, 'apart@example.com'))[0])}`;
  const agent = `/rights/${statusTokenIn((await mailsTo(hush, 'kim@law.example'))[0])}`;
  const note = () => new File(['x'], 'x.txt');
  await send(person, { act: 'message', words: 'From the person', file: note() });
  await send(agent, { act: 'message', words: 'From the agent', file: note() });
  expect((await hush.hush.rights.attachments.list(await now())).map(({ by }) => by)).toEqual(['person', 'agent']);
  const { answers } = hush.hush.rights;
  const staff = { id: 'staff o', name: 'Olga' };
  await answers.message(await now(), staff, 'Only for the person', ['person']);
  await answers.message(await now(), staff, 'Only for the agent', ['agent']);
  await answers.message(await now(), staff, 'For both of you', ['person', 'agent']);
  const texts = ['From the person', 'From the agent', 'Only for the person', 'Only for the agent', 'For both of you'];
  const seen = (page: string) => texts.filter((words) => page.includes(words));
  expect(seen((await view(person)).text)).toEqual(['From the person', 'Only for the person', 'For both of you']);
  expect(seen((await view(agent)).text)).toEqual(['From the agent', 'Only for the agent', 'For both of you']);
  const told = async (address: string) =>
    (await mailsTo(hush, address)).filter((raw) => raw.includes('There is a message about your request')).length;
  expect([await told('apart@example.com'), await told('kim@law.example')]).toEqual([2, 2]);
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
