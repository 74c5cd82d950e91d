import { createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { simpleParser } from 'mailparser';
import { createMessage, decrypt, generateKey, readMessage, readPrivateKey } from 'openpgp';
import { contactKeyFromText } from '../../../src/core/keys.js';
import { machine } from '../../../src/machine.js';
import { FILES } from '../../../src/rights/access/files.js';
import type { Delivery } from '../../../src/rights/access/port.js';
import type { LedgerEntry } from '../../../src/store/ledger.js';
import { type Hush, startHush } from '../../support/hush.js';
import { until } from '../../support/until.js';
import { makeCustomer } from '../../web/staff/people.js';
import { pdfText, squeezed } from '../letters/pdf-text.js';
import { unzipped } from './unzip.js';

const DAY = 86_400_000;
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const time = { now: Date.now() };

/** What a system got, and what it says next. */
interface Peer {
  readonly url: string;
  readonly got: { headers: IncomingMessage['headers']; body: string }[];
  answer: { status: number; body?: unknown };
  readonly server: Server;
}
async function peer(): Promise<Peer> {
  const got: Peer['got'] = [];
  const made = { answer: { status: 200, body: { data: {} } } as Peer['answer'] };
  const server = createServer((incoming, response) => {
    let body = '';
    incoming.on('data', (chunk) => {
      body += chunk;
    });
    incoming.on('end', () => {
      got.push({ headers: incoming.headers, body });
      response.writeHead(made.answer.status, { 'content-type': 'application/json' });
      response.end(made.answer.body === undefined ? '' : JSON.stringify(made.answer.body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(made, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/access`, got, server });
}

let hush: Hush;
let policies: Peer;
let ads: Peer;
let person: Awaited<ReturnType<typeof makeCustomer>>;
let keys: Buffer[];
let counter = 0;

beforeAll(async () => {
  [policies, ads] = await Promise.all([peer(), peer()]);
  hush = await startHush({
    machineTime: () => time.now,
    // No worker beside the test: each round is the test's own.
    env: { HUSH_ROLE: 'web' },
    changeCatalog(catalog) {
      const about = { en: 'Policies and claims', es: 'Pólizas y reclamaciones' };
      catalog.accessSystems = [
        { name: 'policies', url: policies.url, role: 'processor', about, secret: SECRET, answerDays: 10 },
        {
          name: 'ads',
          url: ads.url,
          role: 'third_party',
          about: { en: 'Advertising', es: 'Anuncios' },
          secret: SECRET,
          answerDays: 5,
        },
      ];
    },
  });
  person = await makeCustomer(hush, 'Ana');
  await hush.settle();
  keys = await Promise.all(
    [person.email, person.phone, person.postal].map(
      async (contact) => contactKeyFromText(await person.keyOf(contact)) ?? Buffer.alloc(0),
    ),
  );
});
afterAll(async () => {
  await hush?.stop();
  policies?.server.close();
  ads?.server.close();
});

async function gathered(delivery: Delivery = { way: 'download' }, contacts = keys, language = 'en'): Promise<string> {
  const made = await hush.hush.accessPackages.prepare(
    { id: `q_${counter++}`, contacts, language, brand: 'jmf', delivery },
    'officer',
  );
  await hush.hush.accessPackages.work();
  return made.id;
}
async function files(id: string): Promise<Record<(typeof FILES)[number], Buffer>> {
  const made = await hush.hush.accessPackages.get(id);
  if (!made) throw new Error('no package');
  const all: Partial<Record<(typeof FILES)[number], Buffer>> = {};
  for (const name of FILES) {
    const chunks: Buffer[] = [];
    for await (const chunk of hush.hush.accessPackages.file(made, name)) chunks.push(chunk);
    all[name] = Buffer.concat(chunks);
  }
  return all as Record<(typeof FILES)[number], Buffer>;
}
const status = async (id: string) => (await hush.hush.accessPackages.status(id))?.state;

async function newestMail() {
  const [line] = await hush.hush.stores.mailbox.list(1);
  return hush.hush.stores.mailbox.get(line?.id ?? '');
}

/** Everything in every collection, as text, in the encodings we use. */
async function everything(): Promise<string> {
  const texts: string[] = [];
  for (const { name } of (await hush.hush.stores.connection.db?.listCollections().toArray()) ?? []) {
    const rows = await hush.hush.stores.connection.collection(name).find({}, { promoteBuffers: true }).toArray();
    texts.push(
      JSON.stringify(rows, (_key, value) =>
        value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
      ),
    );
  }
  return texts.join('\n');
}

describe('what is asked of other systems', () => {
  test('is signed as Standard Webhooks has it, and a third party gets hashes only', async () => {
    policies.answer = {
      status: 200,
      body: { data: { policy: 'P-77', claims: [{ date: '2026-01-02', what: 'ring lost' }] } },
    };
    ads.answer = { status: 204 };
    policies.got.length = 0;
    ads.got.length = 0;
    const id = await gathered();
    const [asked] = policies.got;
    const { 'webhook-id': msg, 'webhook-timestamp': at, 'webhook-signature': signature } = asked?.headers ?? {};
    const key = Buffer.from(SECRET.slice(6), 'base64');
    expect(signature).toBe(`v1,${createHmac('sha256', key).update(`${msg}.${at}.${asked?.body}`).digest('base64')}`);
    expect(JSON.parse(asked?.body ?? '')).toMatchObject({
      type: 'access.requested',
      data: { contacts: [{ type: 'email', address: 'ana@example.com' }, { type: 'phone' }, { type: 'postal' }] },
    });
    expect(ads.got[0]?.body).not.toContain('ana@example.com');
    expect(ads.got[0]?.body).not.toContain('Main Street');
    expect(JSON.parse(ads.got[0]?.body ?? '').data.contacts[0]).toEqual({
      type: 'email',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(await status(id)).toBe('ready');
    const { json, html, pdf } = await files(id);
    const { systems } = JSON.parse(json.toString());
    expect(systems).toMatchObject([
      { name: 'policies', state: 'answered', data: { policy: 'P-77', claims: [{ what: 'ring lost' }] } },
      { name: 'ads', state: 'nothing_held' },
    ]);
    for (const text of [html.toString(), pdfText(pdf).join(' ')]) {
      expect(squeezed(text)).toContain('P-77');
      expect(squeezed(text)).toContain(squeezed('ring lost'));
      expect(squeezed(text)).toContain(squeezed('holds nothing about you'));
    }
  });

  test('whoever asks for the work while it is done waits until it is done', async () => {
    policies.answer = { status: 204 };
    ads.answer = { status: 204 };
    policies.got.length = 0;
    const { id } = await hush.hush.accessPackages.prepare(
      { id: `q_${counter++}`, contacts: keys, language: 'en', brand: 'jmf', delivery: { way: 'download' } },
      'officer',
    );
    const first = hush.hush.accessPackages.work();
    await until(() => policies.got.length > 0);
    await hush.hush.accessPackages.work();
    expect(await status(id)).toBe('ready');
    await first;
  });

  test('one that fails is tried again under one id, less and less often, and what is missing is said', async () => {
    policies.answer = { status: 500 };
    ads.answer = { status: 200, body: { complete: false, data: { segments: 2 } } };
    policies.got.length = 0;
    const id = await gathered();
    expect(await status(id)).toBe('gathering');
    for (let day = 0; day < 11 && (await status(id)) === 'gathering'; day++) {
      const before = policies.got.length;
      await hush.hush.accessPackages.work();
      expect(policies.got.length).toBe(before);
      time.now += DAY;
      await hush.hush.accessPackages.work();
    }
    expect(policies.got.length).toBeGreaterThan(5);
    expect(new Set(policies.got.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(await status(id)).toBe('ready');
    const { json, html } = await files(id);
    expect(JSON.parse(json.toString()).systems).toMatchObject([
      { name: 'policies', state: 'not_answered' },
      { name: 'ads', state: 'partial', data: { segments: 2 } },
    ]);
    const deadline = (await hush.hush.accessPackages.get(id))?.systems[0]?.deadline ?? 0;
    const words = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' }).format(deadline);
    expect(html.toString()).toContain(`had not answered by ${words}`);
    expect(html.toString()).toContain('answered in part');
    policies.answer = { status: 200, body: { data: {} } };
    ads.answer = { status: 204 };
  });

  test('private addresses are refused outside development', async () => {
    const { createAskSystem } = await import('../../../src/rights/access/systems.js');
    const { createHttp } = await import('../../../src/sync/http.js');
    const ask = createAskSystem({
      http: createHttp({ now: () => time.now }),
      now: () => time.now,
      machine,
      publicOnly: true,
    });
    const before = policies.got.length;
    const asked = { name: 'policies', state: 'waiting' as const, attempts: 0, due: 0, deadline: time.now + DAY };
    const { system } = await ask(
      { name: 'policies', url: policies.url, role: 'processor', about: { en: 'x' }, secret: SECRET, answerDays: 1 },
      asked,
      { package: 'p_1', request: 'q_1', contacts: [{ type: 'email', address: 'ana@example.com' }] },
    );
    expect(system).toMatchObject({ state: 'refused', fault: 'credentials' });
    expect(policies.got.length).toBe(before);
  });
});

describe('what a package holds', () => {
  test('is everything, in the three forms alike, in both languages', async () => {
    const id = await gathered();
    const { json, html, pdf } = await files(id);
    const held = JSON.parse(json.toString());
    expect(held.contacts.map(({ address }: { address: string }) => address)).toEqual([
      'ana@example.com',
      expect.stringMatching(/^\+1920555/),
      expect.stringContaining('12 Main Street'),
    ]);
    expect(held.events.map(({ type }: { type: string }) => type)).toEqual(
      expect.arrayContaining(['profile', 'consent_granted', 'gpc_received', 'opted_out']),
    );
    expect(held.events[0].evidence).toEqual({ page: 'shipping portal' });
    expect(held.consents[0].wording).toMatch(/send me offers and news by email/);
    expect(held.destinations[0]).toMatchObject({ destination: 'file', told: 'suppressed', role: 'processor' });
    expect(held.permissions.length).toBeGreaterThan(30);
    expect(held.contacts[0].facts.map((fact: object) => Object.keys(fact)[0])).toContain('relationship');
    const printed = squeezed(pdfText(pdf).join(' '));
    for (const words of [
      'You opted out',
      'shipping portal',
      'send me offers and news',
      'ana@example.com',
      'not to write to you',
    ]) {
      expect(squeezed(html.toString())).toContain(squeezed(words));
      expect(printed).toContain(squeezed(words));
    }
    expect(html.toString()).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(html.toString()).not.toMatch(/<script|<img|<link |url\(/);
    const spanish = await files(await gathered({ way: 'download' }, keys, 'es'));
    expect(spanish.html.toString()).toContain('Usted se dio de baja');
    expect(squeezed(pdfText(spanish.pdf).join(' '))).toContain(squeezed('Lo que tenemos sobre usted'));
    expect(spanish.pdf.toString('latin1')).toContain('/Lang (es)');
  });

  test('who of the staff looked is told by time, role and reason, not by name', async () => {
    const [contact] = keys;
    const user = { id: 'nosy', name: 'Nora Nosy', roles: ['agent' as const] };
    await hush.hush.staff.trail.record(user, { kind: 'look', what: 'person', contact, reason: 'complaint' });
    const { json, html } = await files(await gathered());
    expect(JSON.parse(json.toString()).looks).toEqual([
      expect.objectContaining({ roles: ['agent'], reason: 'complaint', kind: 'look' }),
    ]);
    expect(json.toString() + html.toString()).not.toMatch(/Nosy|nosy/);
  });

  test('hostile content stays text', async () => {
    const contact = { email: 'mallory@example.com' };
    await hush.ask('/v1/events', {
      events: [
        {
          contact,
          type: 'opted_out',
          source: { kind: 'form', evidence: { note: '</script><script>alert(1)</script>\u202e' } },
        },
      ],
    });
    await hush.settle();
    const key = contactKeyFromText(await person.keyOf(contact)) ?? Buffer.alloc(0);
    policies.answer = { status: 200, body: { data: { '<img src=x>': ['"><svg onload=alert(1)>'] } } };
    const { html, json } = await files(await gathered({ way: 'download' }, [key]));
    expect(html.toString()).not.toMatch(/<script|<svg|<img/);
    expect(JSON.parse(json.toString()).systems[0].data).toEqual({ '<img src=x>': ['"><svg onload=alert(1)>'] });
    policies.answer = { status: 200, body: { data: {} } };
  });

  test('of thousands of events is all of them, page by page', async () => {
    const contact = { email: 'busy@example.com' };
    await hush.ask('/v1/events', { events: [{ contact, type: 'opted_out', source: { kind: 'api' } }] });
    await hush.settle();
    const key = contactKeyFromText(await person.keyOf(contact)) ?? Buffer.alloc(0);
    const { ledger, contacts } = hush.hush.stores;
    const first = await contacts.get(key);
    const entries = Array.from({ length: 2500 }, (_, at): LedgerEntry => {
      const type = at % 2 ? 'opted_out' : 'opted_in';
      const recorded = (time.now + at) * 1024;
      return {
        key,
        number: (first?.entries ?? 0) + 1 + at,
        event: { id: `BUSY-${at}`, type, at: time.now + at, recorded, source: { kind: 'link' } },
      };
    });
    for (let at = 0; at < entries.length; at += 5000) await ledger.insert(entries.slice(at, at + 5000));
    entries.length = 0;
    const id = await gathered({ way: 'download' }, [key]);
    const made = await hush.hush.accessPackages.get(id);
    const { json, pdf } = await files(id);
    expect(JSON.parse(json.toString()).events).toHaveLength(2501);
    expect(pdfText(pdf).join('').match(/BUSY-/g)?.length).toBeGreaterThanOrEqual(2500);
    expect(made?.files?.json?.chunks).toBeGreaterThan(1);
  });

  test('asked for again it is the one there is', async () => {
    const request = {
      id: 'q_twice',
      contacts: keys,
      language: 'en',
      brand: 'jmf',
      delivery: { way: 'print' as const },
    };
    const first = await hush.hush.accessPackages.prepare(request, 'officer');
    expect((await hush.hush.accessPackages.prepare(request, 'officer')).id).toBe(first.id);
  });
});

describe('an encrypted download', () => {
  const page = (link: string) => fetch(link, { redirect: 'manual' });
  const send = (link: string, passphrase: string) =>
    fetch(link, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ passphrase }),
    });
  async function offered() {
    const id = await gathered();
    return { id, ...(await hush.hush.accessDelivery.offer(id, 'officer')) };
  }

  test('is a link by mail and a passphrase that is told once; nothing readable is kept, and it opens once', async () => {
    const { id, link, passphrase, mailed } = await offered();
    expect(passphrase).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}$/);
    expect(mailed).toBe(true);
    expect(await status(id)).toBe('delivered');
    const token = link.split('/').at(-1) ?? 'none';
    const parts = await hush.hush.stores.connection.collection('access_parts').find().toArray();
    const rows = await hush.hush.stores.connection.collection('access_packages').find().toArray();
    const stored = JSON.stringify([parts, rows]) + parts.map((row) => row.sealed.toString('latin1')).join('');
    for (const secret of [
      passphrase,
      passphrase.replaceAll('-', ''),
      token,
      'ana@example.com',
      'shipping portal',
      'opted_out',
      'access.json',
    ])
      expect(stored).not.toContain(secret);
    await hush.hush.outbox.settle();
    const mail = await newestMail();
    const text = (await simpleParser(mail?.raw ?? Buffer.alloc(0))).text ?? '';
    expect(text).toContain(link);
    expect(text).not.toContain(passphrase);

    for (let look = 0; look < 3; look++) {
      const shown = await page(link);
      expect(shown.status).toBe(200);
      expect(shown.headers.get('cache-control')).toBe('no-store');
      expect(await shown.text()).not.toContain('ana@example.com');
    }
    // As somebody types what was read out: no dashes, lower case, O for zero.
    const typed = ` ${passphrase.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o')} `;
    const got = await send(link, typed);
    expect(got.status).toBe(200);
    expect(got.headers.get('content-type')).toBe('application/zip');
    const archive = unzipped(Buffer.from(await got.arrayBuffer()));
    expect([...archive.keys()]).toEqual(['access.json', 'access.html', 'access.pdf']);
    expect(JSON.parse(archive.get('access.json')?.toString() ?? '').contacts[0].address).toBe('ana@example.com');
    expect(archive.get('access.pdf')?.subarray(0, 5).toString()).toBe('%PDF-');

    expect((await send(link, passphrase)).status).toBe(410);
    expect((await page(link)).status).toBe(410);
    expect(await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id })).toBe(0);
    const made = await hush.hush.accessPackages.get(id);
    expect(made?.key).toBeUndefined();
    expect(made?.openedAt).toBeDefined();
    expect(await status(id)).toBe('delivered');
    expect(hush.logged.join('')).not.toContain(token);
  });

  test('five wrong passphrases lock it, a hundred at once too; a new link replaces the old one', async () => {
    const first = await offered();
    const wrong = await send(first.link, '0000-0000-0000-0000');
    expect(wrong.status).toBe(403);
    expect(await wrong.text()).toContain('You can try 4 more times.');
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(first.link, 'AAAA-AAAA-AAAA-AAAA')));
    expect(answers.filter(({ status: code }) => code === 403).length).toBeLessThanOrEqual(4);
    expect((await send(first.link, first.passphrase)).status).toBe(410);
    const second = await hush.hush.accessDelivery.offer(first.id, 'officer');
    expect((await page(first.link)).status).toBe(410);
    expect((await send(second.link, first.passphrase)).status).toBe(403);
    expect((await send(second.link, second.passphrase)).status).toBe(200);
  });

  test('a connection that breaks leaves it as it was', async () => {
    // Random, so that it fills more than any socket buffers.
    policies.answer = { status: 200, body: { data: { blob: randomBytes(9_000_000).toString('base64') } } };
    const { link, passphrase } = await offered();
    policies.answer = { status: 200, body: { data: {} } };
    await new Promise<void>((resolve, reject) => {
      const body = new URLSearchParams({ passphrase }).toString();
      const asked = request(
        link,
        {
          method: 'POST',
          headers: { 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length },
        },
        (answer) => {
          answer.once('data', () => answer.destroy());
          answer.once('close', resolve);
        },
      );
      asked.on('error', reject);
      asked.end(body);
    });
    const again = await until(async () => {
      const answer = await send(link, passphrase);
      return answer.status !== 409 && answer;
    });
    expect(again.status).toBe(200);
    expect(unzipped(Buffer.from(await again.arrayBuffer())).size).toBe(3);
  });

  test('its time ends, and then nothing is left', async () => {
    const { id, link, passphrase } = await offered();
    time.now += 14 * DAY + 1000;
    expect((await page(link)).status).toBe(410);
    expect((await send(link, passphrase)).status).toBe(410);
    await hush.hush.accessDelivery.sweep();
    expect(await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id })).toBe(0);
    await expect(hush.hush.accessDelivery.offer(id, 'officer')).rejects.toMatchObject({ kind: 'conflict' });
  });

  test('a made-up link leads to nothing, and says nothing', async () => {
    expect((await page(`${hush.url}/access/${randomBytes(20).toString('base64url')}`)).status).toBe(410);
    expect((await send(`${hush.url}/access/%00`, 'x')).status).toBe(410);
  });

  test('an erasure destroys what was gathered', async () => {
    const contact = { email: 'gone@example.com' };
    await hush.ask('/v1/events', { events: [{ contact, type: 'opted_out', source: { kind: 'api' } }] });
    await hush.settle();
    const key = contactKeyFromText(await person.keyOf(contact)) ?? Buffer.alloc(0);
    const id = await gathered({ way: 'download' }, [key]);
    expect(
      await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id }),
    ).toBeGreaterThan(0);
    await hush.hush.stores.accessPackages.forget([key]);
    expect(await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id })).toBe(0);
  });
});

describe('OpenPGP mail', () => {
  const person1 = { name: 'Ana', email: 'ana@example.com' };
  const pgp = (publicKey: string): Delivery => ({ way: 'openpgp', publicKey, email: 'ana@example.com' });
  const at = () => new Date(time.now - DAY);

  test('reaches the person encrypted, with the three files, and is destroyed when it was taken', async () => {
    const { publicKey, privateKey } = await generateKey({
      type: 'curve25519',
      userIDs: [person1],
      date: at(),
      format: 'armored',
    });
    const id = await gathered(pgp(publicKey));
    const { fingerprint } = await hush.hush.accessDelivery.mail(id, 'officer');
    expect(fingerprint).toMatch(/^[0-9A-F]{40,64}$/);
    expect(await everything()).not.toContain('shipping portal');
    await hush.hush.outbox.settle();
    const mail = await newestMail();
    const raw = mail?.raw.toString() ?? '';
    expect(raw).toMatch(/Content-Type: multipart\/encrypted; protocol="application\/pgp-encrypted"/);
    expect(raw).toContain('To: ana@example.com');
    expect(raw).not.toContain('shipping portal');
    const armored = /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(raw)?.[0] ?? '';
    const { data } = await decrypt({
      message: await readMessage({ armoredMessage: armored }),
      decryptionKeys: await readPrivateKey({ armoredKey: privateKey }),
      format: 'binary',
      date: new Date(time.now),
    });
    const inner = await simpleParser(Buffer.from(data));
    expect(inner.text).toContain('Attached is what we hold about you');
    expect(inner.attachments.map(({ filename }) => filename)).toEqual(['access.json', 'access.html', 'access.pdf']);
    expect(JSON.parse(inner.attachments[0]?.content.toString() ?? '').contacts[0].address).toBe('ana@example.com');
    await hush.hush.accessDelivery.sweep();
    expect(await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id })).toBe(0);
    expect(await status(id)).toBe('delivered');
  });

  test('weak, expired, private and broken keys are refused at once, each with what to do', async () => {
    const rsa = await generateKey({
      type: 'rsa',
      rsaBits: 1024,
      userIDs: [person1],
      date: at(),
      format: 'armored',
      config: { minRSABits: 1024 },
    });
    const old = await generateKey({
      type: 'curve25519',
      userIDs: [person1],
      date: at(),
      keyExpirationTime: 3600,
      format: 'armored',
    });
    const good = await generateKey({ type: 'curve25519', userIDs: [person1], date: at(), format: 'armored' });
    const signing = await generateKey({
      type: 'curve25519',
      userIDs: [person1],
      date: at(),
      subkeys: [{ sign: true }],
      format: 'armored',
    });
    for (const key of [
      rsa.publicKey,
      old.publicKey,
      good.privateKey,
      signing.publicKey,
      'no key',
      (good.publicKey ?? '').slice(0, 200),
    ]) {
      await expect(
        hush.hush.accessPackages.prepare(
          { id: `q_bad${counter++}`, contacts: keys, language: 'en', brand: 'jmf', delivery: pgp(key) },
          'officer',
        ),
      ).rejects.toMatchObject({ kind: 'invalid', detail: { field: 'publicKey', remedy: expect.any(String) } });
    }
    expect(await createMessage({ text: 'x' })).toBeDefined();
  });
});

test('on paper: the address in the window, and all is destroyed once it is posted', async () => {
  const id = await gathered({ way: 'print' });
  const chunks: Buffer[] = [];
  for await (const chunk of await hush.hush.accessDelivery.printed(id)) chunks.push(chunk);
  const [firstPage = ''] = pdfText(Buffer.concat(chunks));
  expect(squeezed(firstPage)).toContain(squeezed('Ana Doe 12 Main Street Neenah, WI 54956-1234'));
  await hush.hush.accessDelivery.posted(id, 'officer');
  expect(await status(id)).toBe('delivered');
  expect(await hush.hush.stores.connection.collection('access_parts').countDocuments({ package: id })).toBe(0);
  await expect(hush.hush.accessDelivery.posted(id, 'officer')).rejects.toMatchObject({ kind: 'conflict' });
});
