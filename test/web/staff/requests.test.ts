import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../../src/core/keys.js';
import { machine } from '../../../src/machine.js';
import { requestNames } from '../../../src/rights/requests/names.js';
import { referenceOf } from '../../../src/rights/requests/reference.js';
import type { RequestRecord } from '../../../src/store/requests.js';
import { ask, mailsTo, OFFICER, pressLink } from '../../rights/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { type Console, signIn, visitor } from './browser.js';

let hush: Hush;
let officer: Console;
let agent: Console;
beforeAll(async () => {
  hush = await startHush();
  officer = await signIn(hush, 'privacy_officer');
  agent = await signIn(hush, 'agent');
});
afterAll(() => hush?.stop());

const again = (record: RequestRecord) => hush.hush.rights.records.get(record.id);
const at = (record: RequestRecord) => `/staff/requests/${record.id}`;
const newest = async (user: string, kind?: 'refusal' | 'change' | 'look') =>
  (await hush.hush.staff.trail.list({ user, ...(kind ? { kind } : {}) }, 0, 1))[0];

/** Sends a file as a browser does, with the session's token unless another is given. */
async function upload(who: Console, record: RequestRecord, name: string, bytes: Uint8Array | string, csrf?: string) {
  const page = await who.get(at(record));
  const token = csrf ?? /name="_csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
  const form = new FormData();
  form.append('_csrf', token);
  form.append('file', new File([bytes], name, { type: 'application/pdf' }));
  const response = await fetch(`${hush.url}${at(record)}/files`, {
    method: 'POST',
    body: form,
    redirect: 'manual',
    headers: { cookie: [...who.cookies].map(([key, value]) => `${key}=${value}`).join('; ') },
  });
  const to = response.headers.get('location') ?? '';
  // What is refused is said on the page of the form.
  if (to.includes('draft=')) return who.get(to);
  return { status: response.status, text: await response.text() };
}

describe('the work list', () => {
  test('is by due date, with late ones counted, filters, search by reference and CSV', async () => {
    const late = await ask(hush, 'access', 'list-late@example.com', { receivedAt: Date.now() - 50 * 86_400_000 });
    const soon = await ask(hush, 'deletion', 'list-soon@example.com', { receivedAt: Date.now() - 40 * 86_400_000 });
    const fresh = await ask(hush, 'correction', 'list-fresh@example.com');
    const closed = await ask(hush, 'opt_out', 'list-closed@example.com');
    const page = await officer.get('/staff/requests');
    const order = [late, soon, fresh].map(({ id }) => page.text.indexOf(referenceOf(id)));
    expect(order.every((place) => place > 0)).toBe(true);
    expect([...order].sort((a, b) => a - b)).toEqual(order);
    expect(page.text).not.toContain(referenceOf(closed.id));
    expect(page.text).toMatch(/<span class="tag no">\d+ days late<\/span>/);
    expect(page.text).toMatch(/<b>1<\/b><a href="\/staff\/requests\?state=late">late/);
    // The badge in the bar on top, on every page of the console.
    expect((await officer.get('/staff')).text).toMatch(/Requests <span class="tag warn">1</);
    const lateOnly = (await officer.get('/staff/requests?state=late')).text;
    expect(lateOnly).toContain(referenceOf(late.id));
    expect(lateOnly).not.toContain(referenceOf(soon.id));
    const kind = (await officer.get('/staff/requests?kind=deletion')).text;
    expect(kind).toContain(referenceOf(soon.id));
    expect(kind).not.toContain(referenceOf(fresh.id));
    const found = (await officer.get(`/staff/requests?state=&q=${referenceOf(closed.id).slice(0, 8).toLowerCase()}`))
      .text;
    expect(found).toContain(referenceOf(closed.id));
    expect(found).toContain('1 request');
    const csv = await officer.get('/staff/requests?format=csv');
    expect(csv.headers.get('content-disposition')).toContain('requests.csv');
    expect(csv.text.split('\r\n')[0]).toContain('Reference,Left,Kind,Received,Due,State');
    expect(csv.text).not.toMatch(/list-late|Ana/);
    expect(await newest('privacy_officer')).toMatchObject({ kind: 'export', what: 'list' });
    // The same on the person's page.
    const key = (
      await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: { email: 'list-closed@example.com' } })
    ).contact;
    expect((await officer.get(`/staff/contacts/${key}`)).text).toContain(`/staff/requests/${closed.id}`);
  });

  test('its counts agree on a page, small groups too; in what leaves the console these are hidden', async () => {
    for (let n = 0; n < 11; n++) await ask(hush, 'access', `chart-${n}@example.com`);
    const late = await hush.hush.rights.report.countLate();
    const open = await hush.hush.rights.report.countOpen();
    expect(late).toBeGreaterThan(0);
    expect(late).toBeLessThan(10);
    for (const path of ['/staff/requests', '/staff']) {
      const { text } = await officer.get(path);
      expect(text).toContain(`${open} open requests, ${late} of them late`);
    }
    const csv = (await officer.get('/staff?csv=Open%20requests%20by%20age')).text;
    const cells = csv
      .split('\r\n')
      .slice(1)
      .flatMap((line) => line.split(',').slice(1))
      .filter((cell) => /^\d+$/.test(cell));
    expect(cells.every((cell) => Number(cell) >= 10 || cell === '0')).toBe(true);
  });

  test('is searched by name in any spelling and by address, logged, with neither in a URL or in the store', async () => {
    const named = await ask(hush, 'correction', 'search-me@example.com', { name: 'Zoë Featherstone-Öst' });
    const search = async (find: string) => officer.post('/staff/requests/search', { find });
    for (const find of ['zoe featherstone', 'FEATHERSTONE', 'Öst, Zoe', 'Search-Me@Example.com']) {
      const page = await search(find);
      expect(page.at).toMatch(/^\/staff\/requests\?state=&draft=[0-9a-z]{24}$/);
      expect([find, page.text.includes(referenceOf(named.id))]).toEqual([find, true]);
      expect(page.text).toContain('1 request<');
    }
    expect(await newest('privacy_officer', 'look')).toMatchObject({
      what: 'request_search',
      note: 'Search-Me@Example.com',
    });
    for (const find of ['zoe featherton', 'search-you@example.com', 'zoe ana', 'Z.', '920 555 0100'])
      expect([find, (await search(find)).text.includes('No request here')]).toEqual([find, true]);
    expect((await search('')).status).toBe(400);
    // A filter keeps what was searched for.
    const page = await search('featherstone');
    expect(page.text).toMatch(/<input type="hidden" name="draft" value="[0-9a-z]{24}">/);
    const row = await hush.hush.stores.requests.models[0].collection.findOne({ _id: named.id as never });
    expect(JSON.stringify(row)).not.toMatch(/featherstone/i);
  });

  test('finds a request of before names could be searched for, and none by name once it is forgotten', async () => {
    const record = await ask(hush, 'access', 'before@example.com', { name: 'Quentin Abernathy' });
    const { collection } = hush.hush.stores.requests.models[0];
    await collection.updateOne({ _id: record.id as never }, { $unset: { names: '' } });
    const found = async () =>
      (await officer.post('/staff/requests/search', { find: 'abernathy' })).text.includes(referenceOf(record.id));
    expect(await found()).toBe(false);
    for (const old of await hush.hush.stores.requests.unnamed(10)) expect(old.id).toBe(record.id);
    await hush.hush.stores.requests.name(
      record.id,
      requestNames(keyringFromSecret('a secret for tests that is long enough', machine.randomBytes), [
        'Quentin Abernathy',
      ]),
    );
    expect(await found()).toBe(true);
    await collection.updateOne({ _id: record.id as never }, { $set: { state: 'withdrawn' } });
    await hush.hush.stores.requests.forget(record.id, { at: new Date(), by: 'system', what: 'forgotten' });
    expect(await found()).toBe(false);
  });

  test('is sorted and filtered by the day of receipt', async () => {
    const old = await ask(hush, 'restriction', 'oldest@example.com', { receivedAt: Date.now() - 80 * 86_400_000 });
    const page = async (query: string) => (await officer.get(`/staff/requests?${query}`)).text;
    const day = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
    const first = /\/staff\/requests\/(q_[\w-]+)"/.exec(await page('state=&sort=received'))?.[1];
    expect(first).toBe(old.id);
    expect(await page(`state=&from=${day(81)}&to=${day(79)}`)).toContain('1 request<');
    expect(await page(`state=&from=${day(70)}`)).not.toContain(old.id);
  });
});

describe('a request at the console', () => {
  test('by phone: an agent takes it, it counts at once, and reads the reference out', async () => {
    const page = await agent.get('/staff/requests/new');
    expect(page.status).toBe(200);
    const taken = await agent.post('/staff/requests/new', {
      kind: 'opt_out',
      way: 'phone',
      contacts: 'caller@example.com\n+1 920 555 0166',
      name: 'Cal Ler',
      words: 'no more of it',
      language: 'en',
    });
    expect(taken.status).toBe(200);
    expect(taken.text).toMatch(/reference to read out: [0-9A-Z]{5}-[0-9A-Z]{5}-[0-9A-Z]{5}/);
    expect(await hush.decide({ phone: '+19205550166' }, 'promotion', { channel: 'voice' })).toMatchObject({
      reason: 'opted_out',
    });
    // Who took it may read it; it is written down.
    expect(taken.text).toContain('no more of it');
    expect(await newest('agent', 'change')).toMatchObject({ what: 'request_taken' });
    const wrong = await agent.post('/staff/requests/new', { kind: 'access', way: 'phone', contacts: 'not an address' });
    expect(wrong.status).toBe(400);
    expect(wrong.text).toContain('not an address');
  });

  test('another agent sees clock and codes, and nothing of the person, until a reason was given', async () => {
    const record = await ask(hush, 'access', 'private@example.com', {
      name: 'Priva Te',
      description: 'my secret matter',
    });
    await hush.hush.rights.answers.note(record, OFFICER, 'a secret note');
    const supervisor = await signIn(hush, 'supervisor');
    for (const who of [agent, supervisor, await signIn(hush, 'auditor')]) {
      const { text, status } = await who.get(at(record));
      expect(status).toBe(200);
      expect(text).not.toMatch(/Priva|secret|private@|p•••/);
      expect(text).toContain('Give your reason first');
    }
    expect((await supervisor.post(`${at(record)}/note`, { text: 'x' })).status).toBe(403);
    const key = (
      await hush.ask<{ contact: string }>('/v1/contacts/lookup', { contact: { email: 'private@example.com' } })
    ).contact;
    await supervisor.post(`/staff/contacts/${key}/look`, { reason: 'request', note: 'she called about it' });
    expect((await supervisor.get(at(record))).text).toContain('my secret matter');
    expect(await newest('supervisor', 'look')).toMatchObject({ what: 'request', about: record.id });
  });

  test('from verification to the letter: previewed, then sent, kept as sent', async () => {
    const record = await ask(hush, 'access', 'desk@example.com');
    const few = await officer.post(`${at(record)}/verify`, { check_shipment: '1', check_policy_number: '1' });
    expect(few.status).toBe(400);
    expect(few.text).toContain('needs 3 things');
    await officer.post(`${at(record)}/verify`, {
      check_shipment: '1',
      check_policy_number: '1',
      check_called_back: '1',
      text: 'all fit',
    });
    expect((await again(record)).state).toBe('in_progress');
    const before = (await again(record)).rev;
    const preview = await officer.post(`${at(record)}/preview`, {
      letter: 'denial',
      act: 'deny',
      reason: 'others_rights',
      explanation: 'The parcel was <b>not</b> yours.',
    });
    expect(preview.text).toContain('We cannot do what you asked');
    expect(preview.text).toContain('The parcel was &lt;b&gt;not&lt;/b&gt; yours.');
    expect((await again(record)).rev).toBe(before);
    expect(await hush.hush.rights.letters.ofRequest(record.id)).toHaveLength(1);
    await officer.post(`${at(record)}/deny`, { reason: 'others_rights', explanation: 'The parcel was not yours.' });
    expect(await again(record)).toMatchObject({ state: 'denied', denialReason: 'others_rights' });
    const letters = await hush.hush.rights.letters.ofRequest(record.id);
    expect(letters.map(({ kind }) => kind)).toContain('denial');
    expect((await mailsTo(hush, 'desk@example.com')).at(-1)).toContain('We cannot do what you asked');
    const page = await officer.get(at(record));
    expect(page.text).toContain(`/staff/letters/${letters.at(-1)?.id}`);
    expect(page.text).not.toContain('Deny</summary>');
  });

  test.each([
    ['automated_decision_review', 'review', { outcome: 'upheld' }, { state: 'fulfilled', outcome: 'upheld' }],
    ['restriction', 'restrict', {}, { state: 'fulfilled' }],
    ['correction', 'correct', {}, { state: 'fulfilled' }],
  ] as const)(
    'a %s is answered by the form of its page, and the letter says how',
    async (kind, act, fields, outcome) => {
      const address = `${act}-at-the-desk@example.com`;
      await ask(hush, kind, address);
      const record = await pressLink(hush, address, /confirm that it is you/i);
      if (!record) throw new Error('not verified');
      expect((await officer.get(at(record))).text).toContain(`action="${at(record)}/${act}"`);
      await officer.post(`${at(record)}/${act}`, { ...fields, explanation: `Done by ${act}.` });
      expect(await again(record)).toMatchObject(outcome);
      expect((await mailsTo(hush, address)).at(-1)).toContain(`Done by ${act}.`);
    },
  );

  test('what the table does not allow is a conflict, though the form was sent', async () => {
    const record = await ask(hush, 'deletion', 'toosoon@example.com');
    for (const act of ['erase', 'override']) {
      expect((await officer.post(`${at(record)}/${act}`, { explanation: 'x' })).status).toBe(409);
    }
    expect((await again(record)).state).toBe('verifying');
    expect(await hush.decide({ email: 'toosoon@example.com' })).toMatchObject({ reason: 'not_objected' });
  });

  test('an erasure that a destination does not accept waits for the officer, who says why', async () => {
    const address = 'override@example.com';
    await hush.ask('/v1/events', {
      events: [{ contact: { email: address }, type: 'profile', relationship: 'customer', source: { kind: 'api' } }],
    });
    await ask(hush, 'deletion', address);
    const record = await pressLink(hush, address, /confirm that it is you/i);
    const bound = hush.hush.destinations.get('file');
    const send = bound?.destination.send;
    if (!bound || !record) throw new Error('no destination');
    Object.assign(bound.destination, { send: async () => Promise.reject(new Error('down')) });
    await officer.post(`${at(record)}/erase`, {});
    await hush.settle();
    await hush.hush.rights.watch.once();
    expect((await again(record)).state).toBe('fulfilling');
    expect((await officer.get(at(record))).text).toContain('waiting for file');
    const contact = () => hush.hush.stores.contacts.get(record.contacts[0]?.key ?? Buffer.alloc(16));
    expect((await contact())?.dataKey).toBeDefined();
    // It is in force already, whoever was told.
    expect(await hush.decide({ email: address })).toMatchObject({ reason: 'erased' });
    expect((await officer.post(`${at(record)}/override`, { explanation: '' })).status).toBe(400);
    await officer.post(`${at(record)}/override`, {
      explanation: 'The folder is gone for good; its owner was written to.',
    });
    await hush.hush.sweeper.once();
    await hush.hush.sweeper.once();
    await hush.hush.rights.watch.once();
    await hush.hush.rights.watch.once();
    Object.assign(bound.destination, { send });
    const done = await again(record);
    expect(done).toMatchObject({ state: 'fulfilled' });
    expect((await contact())?.dataKey).toBeUndefined();
    expect(done.history.find(({ what }) => what === 'override')?.facts).toMatchObject({ destinations: 'file' });
    // Nothing personal is left in the record; the page says so.
    expect(done.dataKey).toBeUndefined();
    expect((await officer.get(at(record))).text).toContain('The person was erased');
  });
});

describe('hostile', () => {
  test('wrong role, no token, guessed ids: refused, written down, nothing shown and nothing done', async () => {
    const record = await ask(hush, 'access', 'hostile@example.com', { name: 'Hos Tile' });
    const admin = await signIn(hush, 'admin');
    expect((await admin.get(at(record))).status).toBe(403);
    expect((await admin.get('/staff/requests')).status).toBe(403);
    expect(await newest('admin', 'refusal')).toMatchObject({ what: 'role' });
    for (const act of ['verify', 'deny', 'refuse', 'extend', 'withdraw', 'erase', 'assign', 'preview']) {
      const answer = await agent.post(`${at(record)}/${act}`, {
        reason: 'excessive',
        explanation: 'x',
        letter: 'denial',
      });
      expect([act, answer.status]).toEqual([act, 403]);
      expect(answer.text).not.toContain('Hos Tile');
    }
    const forged = await officer.post(`${at(record)}/withdraw`, { _csrf: 'x'.repeat(43), explanation: 'x' });
    expect(forged.status).toBe(403);
    expect(await newest('privacy_officer', 'refusal')).toMatchObject({ what: 'csrf' });
    const other = record.id.slice(0, -1) + (record.id.endsWith('0') ? '1' : '0');
    for (const id of [
      other,
      'q_',
      '../audit',
      record.id.slice(2, 8),
      `${record.id}x`,
      encodeURIComponent('{"$ne":null}'),
    ]) {
      const answer = await officer.get(`/staff/requests/${id}`);
      expect([id, answer.text.includes('Hos Tile')]).toEqual([id, false]);
      if (id !== '../audit') expect([id, answer.status]).toEqual([id, 404]);
    }
    const stranger = visitor(hush);
    expect((await stranger.get(at(record))).text).not.toContain('Hos Tile');
    expect((await again(record)).rev).toBe(record.rev);
  });

  test.each([
    ['a page', 'invoice.pdf', '<!doctype html><script>alert(1)</script>'],
    ['a page after some text', 'notes.txt', 'Dear sirs,\n<script>alert(1)</script>'],
    [
      'a drawing with a script',
      'drawing.png',
      '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    ],
    ['a program', 'scan.jpg', new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0])],
    ['an archive', 'docs.pdf', new Uint8Array([0x50, 0x4b, 3, 4, 20, 0, 0, 0])],
    [
      'the head of a picture and then a page',
      'a.png',
      new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, ...Buffer.from('<html><script>1</script>')]),
    ],
    ['nothing', 'empty.txt', ''],
  ])('%s as an attachment is refused, and that is written down', async (_name, name, bytes) => {
    const record = await ask(hush, 'access', 'attach@example.com', { way: 'phone' }, OFFICER);
    const answer = await upload(officer, record, name, bytes);
    expect(answer.status).toBe(400);
    expect(await hush.hush.stores.requestFiles.count(record.id)).toBe(0);
    if (bytes !== '') expect(await newest('privacy_officer', 'refusal')).toMatchObject({ what: 'file' });
  });

  test('too large is refused, and a forged token too', async () => {
    const record = await ask(hush, 'access', 'large@example.com', { way: 'phone' }, OFFICER);
    expect((await upload(officer, record, 'a.png', new Uint8Array(21_500_000))).status).toBe(413);
    expect((await upload(officer, record, 'a.txt', 'fine', 'forged')).status).toBe(403);
    expect(await hush.hush.stores.requestFiles.count(record.id)).toBe(0);
  });

  test('a file leaves as a download only, under a safe name, sealed at rest, and of its own request only', async () => {
    const record = await ask(hush, 'access', 'download@example.com', { way: 'phone' }, OFFICER);
    const name = '../../"evil\r\nSet-Cookie: a=b".html';
    expect((await upload(officer, record, name, '%PDF-1.7\nsecret words\n%%EOF')).status).toBe(303);
    const [file] = await hush.hush.rights.attachments.list(await again(record));
    const answer = await officer.get(`${at(record)}/files/${file?.id}`);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toContain('application/octet-stream');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
    expect(answer.headers.get('content-security-policy')).toContain('sandbox');
    expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="[A-Za-z0-9 _-]+\.pdf"$/);
    expect(answer.headers.get('set-cookie') ?? '').not.toContain('a=b');
    expect(answer.text).toContain('secret words');
    const [files, chunks] = hush.hush.stores.requestFiles.models;
    const raw = await files.collection.find({}).toArray();
    const pieces = await chunks.collection.find({ file: file?.id }).toArray();
    expect(Buffer.from(JSON.stringify(raw)).includes('secret')).toBe(false);
    expect(pieces).toHaveLength(1);
    expect(pieces.some((row) => row.sealed.includes('secret words'))).toBe(false);
    const other = await ask(hush, 'access', 'notmine@example.com', { way: 'phone' }, OFFICER);
    expect((await officer.get(`${at(other)}/files/${file?.id}`)).status).toBe(404);
    // Somebody without a reason gets nothing, and that is written down.
    expect((await agent.get(`${at(record)}/files/${file?.id}`)).status).toBe(404);
    expect(await newest('agent', 'refusal')).toMatchObject({ what: 'file' });
  });
});

test('no address or name is in any log line', () => {
  expect(hush.logged.join('')).not.toMatch(/@example\.com|Hos Tile|Priva Te|Ana Doe|secret/);
});

describe('where they live', () => {
  test.each(['Germany', 'DEU', 'UK', 'US-XX'])(
    '“%s” is refused and what was typed stays; nothing is taken',
    async (place) => {
      await agent.get('/staff/requests/new');
      const before = await hush.hush.stores.requests.count({});
      const { status, text } = await agent.post('/staff/requests/new', {
        kind: 'access',
        way: 'post',
        contacts: 'place@example.com',
        name: 'Petra Klein',
        language: 'en',
        place,
      });
      expect(status).toBe(400);
      expect(text).toContain('choose one from the list');
      expect(text).toContain('value="Petra Klein"');
      expect(await hush.hush.stores.requests.count({})).toBe(before);
    },
  );

  test('Germany from the list has the clock of Germany, and its page says so', async () => {
    const page = await agent.get('/staff/requests/new');
    const code = /<option value="([^"]*)">Germany</.exec(page.text)?.[1] ?? '';
    const { text } = await agent.post('/staff/requests/new', {
      kind: 'access',
      way: 'post',
      contacts: 'place@example.com',
      name: 'Petra Klein',
      language: 'en',
      place: code,
    });
    expect(text).toContain('<dd>Germany</dd>');
    const record = (await hush.hush.stores.requests.list({}, 0, 1000)).find(
      ({ jurisdiction }) => jurisdiction === 'DE',
    );
    const days = ((record?.due.getTime() ?? 0) - (record?.receivedAt.getTime() ?? 0)) / 86_400_000;
    expect(days).toBeGreaterThan(27);
    expect(days).toBeLessThan(33);
  });

  test.each(['Germany', 'XX'])('the API refuses “%s” in a request and in a profile', async (jurisdiction) => {
    const contact = { email: 'place@example.com' };
    const request = await hush.post('/v1/requests', { kind: 'access', contacts: [contact], jurisdiction });
    expect(request.status).toBe(400);
    const profile = await hush.post('/v1/events', {
      events: [{ contact, type: 'profile', jurisdiction, source: { kind: 'api' } }],
    });
    expect(await profile.text()).toContain('write an ISO 3166 code');
  });
});
