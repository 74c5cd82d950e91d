import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { smtpPeer } from '../../mail/setting.js';
import { type Hush, startHush } from '../../support/hush.js';
import { formsOf, found, traces } from '../../support/traces.js';
import { until } from '../../support/until.js';
import { signIn } from '../../web/staff/browser.js';
import { follow } from '../../web/staff/people.js';
import { attach } from '../setting.js';

/** With letters beyond ASCII on both sides of the @, so that every way of writing them is another text. */
const ADDRESS = 'Zoë.Erased@Exämple-Juwelen.com';
const PHONE = '+19205550188';
const NAME = 'Zoë Quetzal';

let hush: Hush;
let peer: Awaited<ReturnType<typeof smtpPeer>>;
let outside: string;
beforeAll(async () => {
  peer = await smtpPeer();
  // What a destination holds is its own: its folder is not ours.
  outside = await mkdtemp(path.join(tmpdir(), 'outside-'));
  hush = await startHush({
    env: { SMTP_URL: peer.url },
    destinations: [
      {
        name: 'file',
        adapter: 'file',
        role: 'processor',
        settings: { folder: outside, format: 'ndjson' },
        bindings: [{ name: 'offers', brand: 'jmf', channel: 'email', purpose: 'promotion' }],
      },
    ],
  });
});
afterAll(async () => {
  await hush?.stop();
  await peer?.stop();
  await rm(outside, { recursive: true, force: true });
});

const forms = () => {
  const name = Buffer.from(NAME);
  return new Map([
    ...formsOf(ADDRESS),
    ...formsOf(PHONE),
    ['the name', name],
    ['the name in base64', Buffer.from(name.toString('base64').slice(0, 14))],
  ]);
};
const search = async () =>
  traces(forms(), { connection: hush.hush.stores.connection, dir: hush.dir, logged: hush.logged });

async function eventually(done: () => Promise<boolean>): Promise<void> {
  await until(async () => {
    if (await done()) return true;
    await hush.settle();
    await hush.hush.sweeper.once();
    await hush.hush.rights.watch.once();
    return false;
  });
}

const mailTo = (subject: RegExp) =>
  peer.received.filter(({ mail }) => subject.test(mail.subject ?? '')).at(-1)?.mail.text ?? '';
const linkIn = (text: string, at: string) => new RegExp(`/${at}/([A-Za-z0-9_-]{40,})`).exec(text)?.[1] ?? '';

/** All that can come to be known of somebody, by every way in that there is. */
async function live(): Promise<void> {
  const email = { email: ADDRESS };
  const ago = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  await hush.ask('/v1/events', {
    events: [
      {
        contact: email,
        type: 'profile',
        relationship: 'customer',
        jurisdiction: 'US-WI',
        at: ago(90),
        source: { kind: 'api', actor: NAME, evidence: { page: `signed in as ${ADDRESS}` } },
      },
      { contact: { phone: PHONE }, type: 'profile', relationship: 'customer', at: ago(90), source: { kind: 'api' } },
      {
        contact: email,
        type: 'consent_granted',
        at: ago(80),
        id: `crm ${ADDRESS}`,
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion' },
        notice: { id: 'newsletter', version: '1' },
        source: { kind: 'api' },
      },
    ],
  });
  await hush.ask('/v1/contacts/link', {
    contacts: [
      email,
      { phone: PHONE },
      { postal: { name: NAME, line1: '12 Main Street', city: 'Neenah', postalCode: '54956' } },
    ],
  });
  const links = await hush.ask<{ oneClickUrl: string }>('/v1/links', {
    contact: email,
    brand: 'jmf',
    channel: 'email',
    purpose: 'promotion',
  });
  await hush.settle();
  // A sign-up that was never confirmed, a lost link, a page opened, a call, a look, a request before this one.
  await hush.ask('/v1/consents', {
    contact: email,
    brand: 'jmf',
    purpose: 'events',
    mode: 'double_opt_in',
    notice: { id: 'newsletter', version: '1' },
    evidence: { formUrl: `https://shop.example/?mail=${encodeURIComponent(ADDRESS)}` },
  });
  const post = (to: string, fields: Record<string, string>) =>
    fetch(hush.url + to, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { 'user-agent': `agent of ${NAME}` },
    });
  await post('/preferences', { act: 'send', address: ADDRESS });
  await fetch(links.oneClickUrl.replace(/^https?:\/\/[^/]+/, hush.url), {
    method: 'POST',
    body: 'List-Unsubscribe=One-Click',
  });
  const agent = await signIn(hush, 'agent');
  await agent.get('/staff/call');
  await agent.post('/staff/call', { find: ADDRESS });
  await agent.post('/staff/call/record', {
    find: ADDRESS,
    wish: 'calls',
    brand: '*',
    call: 'erasurecall00001',
    callerName: NAME,
    words: `${NAME} said ${ADDRESS}`,
    confirm: 'mail',
    language: 'en',
  });
  const supervisor = await signIn(hush, 'supervisor');
  await supervisor.post('/staff/people', { find: ADDRESS, reason: 'complaint', note: `${NAME} wrote from ${ADDRESS}` });
  const older = await post('/rights', {
    kind: 'access',
    address: ADDRESS,
    phone: PHONE,
    name: NAME,
    words: `I am ${NAME}, ${ADDRESS}`,
    place: 'US',
  });
  expect(older.status).toBe(200);
  const [request] = await hush.hush.stores.requests.list({ open: true }, 0, 10);
  if (!request) throw new Error('no request');
  const officer = { id: 'staff o', name: 'Olga' };
  await attach(hush, request, officer, `${NAME}.txt`, `passport of ${NAME} ${ADDRESS}`);
  const noted = await hush.hush.rights.answers.note(
    await hush.hush.rights.records.get(request.id),
    officer,
    `${ADDRESS} called`,
  );
  await hush.hush.rights.answers.withdraw(noted, officer, `${NAME} does not want it any more`);
  await hush.settle();
  await hush.hush.outbox.settle();
  await follow(hush);
}

test('the search finds every form it looks for, wherever it lies', async () => {
  const { connection } = hush.hush.stores;
  const all = forms();
  const redis = new Redis(process.env.REDIS_URL ?? '');
  const canary = `canary-${randomBytes(4).toString('hex')}`;
  await connection
    .collection(canary)
    .insertMany([...all].map(([name, form], n) => ({ _id: n as never, name: name.length, value: form })));
  // An index that has it though no document's text would be looked at.
  await connection.collection(canary).createIndex({ value: 1 });
  await redis.set(canary, Buffer.concat([...all.values()]));
  await redis.hset(`${canary}-hash`, 'field', ADDRESS);
  await writeFile(path.join(hush.dir, canary), Buffer.concat([...all.values()]));
  hush.logged.push(`{"msg":"${ADDRESS}"}`);
  const { traces: hits } = await search();
  for (const name of all.keys()) {
    for (const place of [`collection ${canary}`, `redis ${canary}`, `file ${canary}`])
      expect(hits).toContain(`${place}: ${name}`);
  }
  expect(hits).toContain(`redis ${canary}-hash: ${ADDRESS} plain`);
  expect(hits).toContain(`log: ${ADDRESS} plain`);
  expect(found(all, Buffer.from(Buffer.from(`{"to":"${ADDRESS}"}`).toString('base64')))).not.toEqual([]);
  hush.logged.pop();
  await connection.collection(canary).drop();
  await redis.del(canary, `${canary}-hash`);
  redis.disconnect();
  await rm(path.join(hush.dir, canary));
});

describe('erasure on request', () => {
  const email = { email: ADDRESS };

  test('asked by form, confirmed by mail, begun by the officer: destinations first, then nothing is left of the address', async () => {
    await live();
    const before = await hush.decide(email);
    expect(before).toMatchObject({ allowed: false, reason: 'opted_out' });
    const form = await fetch(`${hush.url}/rights`, {
      method: 'POST',
      body: new URLSearchParams({
        kind: 'deletion',
        address: ADDRESS,
        name: NAME,
        place: 'US',
        words: `Everything of ${ADDRESS}`,
      }),
    });
    expect(form.status).toBe(200);
    await hush.hush.outbox.settle();
    const token = linkIn(mailTo(/confirm that it is you/i), 'rights');
    expect(
      (await fetch(`${hush.url}/rights/${token}`, { method: 'POST', body: new URLSearchParams({ act: 'verify' }) }))
        .status,
    ).toBe(200);
    const [request] = await hush.hush.stores.requests.list({ state: 'in_progress' }, 0, 1);
    if (!request) throw new Error('not verified');
    const officer = await signIn(hush, 'privacy_officer');
    await officer.get(`/staff/requests/${request.id}`);
    // The destination is away: nothing may be destroyed yet.
    const bound = hush.hush.destinations.get('file');
    const send = bound?.destination.send;
    if (!bound || !send) throw new Error('no destination');
    let told = 0;
    let away = true;
    Object.assign(bound.destination, {
      async send(...args: Parameters<typeof send>) {
        if (away) throw new Error('away');
        told++;
        return send.apply(bound.destination, args);
      },
    });
    const key = request.contacts[0]?.key ?? Buffer.alloc(16);
    const mark = async () => (await hush.hush.stores.contacts.get(key))?.pendingSyncs.length ?? 0;
    // A change that the destination does not know yet, so that it has to be told.
    await hush.hush.stores.contacts.markPending('file', ['offers'], [key], Date.now());
    await officer.post(`/staff/requests/${request.id}/erase`, {});
    await hush.settle();
    await hush.hush.sweeper.once();
    await hush.hush.rights.watch.once();
    expect(await mark()).toBe(1);
    expect((await hush.hush.stores.contacts.get(key))?.dataKey).toBeDefined();
    expect((await hush.hush.rights.records.get(request.id)).state).toBe('fulfilling');
    away = false;
    await eventually(async () => (await hush.hush.rights.records.get(request.id)).state === 'fulfilled');
    expect(told).toBeGreaterThan(0);
    await hush.hush.outbox.settle();
    await follow(hush);
    await eventually(async () => (await hush.hush.rights.records.get(request.id)).dataKey === undefined);
    // The person hears of it, at the address that we no longer have.
    expect(mailTo(/is done/i)).toContain('deleted');
    const { traces: left, looked } = await search();
    expect(left).toEqual([]);
    // It did look.
    expect(looked.collections).toBeGreaterThan(15);
    expect(looked.documents).toBeGreaterThan(40);
    expect(looked.indexes).toBeGreaterThan(30);
    expect(looked.lines).toBeGreaterThan(20);
    // Of the requests remain codes and times.
    const records = await hush.hush.stores.requests.ofContacts([key]);
    expect(records).toHaveLength(2);
    for (const record of records) {
      expect(hush.hush.rights.seal.personal(record)).toBeUndefined();
      expect(record.history.every(({ text }) => hush.hush.rights.seal.text(record, text) === undefined)).toBe(true);
      expect(await hush.hush.rights.attachments.list(record)).toEqual(
        (await hush.hush.rights.attachments.list(record)).map((file) => ({ ...file, name: 'forgotten' })),
      );
    }
    const page = await officer.get(`/staff/requests/${request.id}`);
    expect(page.text).toContain('The person was erased');
  });

  test('where a destination refuses the address the data waits for the officer, who says why it goes all the same', async () => {
    const refused = { email: 'refused-there@example.com' };
    await hush.ask('/v1/events', {
      events: [{ contact: refused, type: 'profile', relationship: 'customer', source: { kind: 'api' } }],
    });
    await hush.settle();
    await fetch(`${hush.url}/rights`, {
      method: 'POST',
      body: new URLSearchParams({ kind: 'deletion', address: refused.email, name: 'R', place: 'US', words: 'All' }),
    });
    await hush.hush.outbox.settle();
    const token = linkIn(mailTo(/confirm that it is you/i), 'rights');
    await fetch(`${hush.url}/rights/${token}`, { method: 'POST', body: new URLSearchParams({ act: 'verify' }) });
    const [request] = await hush.hush.stores.requests.list({ state: 'in_progress' }, 0, 1);
    const key = request?.contacts[0]?.key;
    if (!request || !key) throw new Error('not verified');
    const parked = { desired: 'offers=1', why: 'not an address there', at: Date.now() };
    await hush.hush.stores.connection
      .collection('contacts')
      .updateOne({ _id: key as never }, { $set: { 'told.file': { bindings: {}, version: 1, parked } } });
    const officer = await signIn(hush, 'privacy_officer');
    await officer.get(`/staff/requests/${request.id}`);
    await officer.post(`/staff/requests/${request.id}/erase`, {});
    for (let round = 0; round < 3; round++) {
      await hush.settle();
      await hush.hush.sweeper.once();
      await hush.hush.rights.watch.once();
    }
    expect((await hush.hush.stores.contacts.get(key))?.dataKey).toBeDefined();
    expect((await hush.hush.rights.records.get(request.id)).state).toBe('fulfilling');
    await officer.post(`/staff/requests/${request.id}/override`, { explanation: 'they hold no such address' });
    await eventually(async () => (await hush.hush.rights.records.get(request.id)).state === 'fulfilled');
    expect((await hush.hush.stores.contacts.get(key))?.dataKey).toBeUndefined();
  });

  test('the suppression holds, for what was proven and not for what was only joined, and the past still answers', async () => {
    expect(await hush.decide(email)).toMatchObject({ allowed: false, reason: 'erased' });
    expect(await hush.decide(email, 'service')).toMatchObject({ allowed: false, reason: 'erased' });
    expect(await hush.decide({ phone: PHONE }, 'service', { channel: 'voice' })).toMatchObject({ reason: 'service' });
    const past = new Date(Date.now() - 75 * 86_400_000).toISOString();
    expect(await hush.decide(email, 'promotion', { at: past })).toMatchObject({ allowed: true, reason: 'consented' });
    const list = await (
      await hush.get('/v1/suppressions?brand=jmf&channel=email&purpose=promotion&include=all&format=ndjson')
    ).text();
    expect(list.toLowerCase()).not.toContain('erased@');
  });

  test('the same address in a purchased list: still suppressed, and not taken in', async () => {
    await hush.ask('/v1/events', {
      events: [
        {
          contact: email,
          type: 'profile',
          relationship: 'prospect',
          source: { kind: 'import', evidence: { list: `bought, ${ADDRESS}` } },
        },
        { contact: email, type: 'opted_in', lifts: 'none', source: { kind: 'import' } },
      ],
    });
    await hush.settle();
    await follow(hush);
    expect(await hush.decide(email)).toMatchObject({ allowed: false, reason: 'erased' });
    expect((await search()).traces).toEqual([]);
  });

  test('their own sign-up, confirmed, is welcome', async () => {
    // Another day: one such mail an address a day.
    await hush.hush.stores.outbox.models[1].collection.deleteMany({});
    await hush.ask('/v1/consents', {
      contact: email,
      brand: 'jmf',
      purpose: 'promotion',
      mode: 'double_opt_in',
      notice: { id: 'newsletter', version: '1' },
    });
    await hush.hush.outbox.settle();
    const mail = peer.received.filter(({ mail: { text } }) => text?.includes('/confirm/')).at(-1)?.mail.text ?? '';
    const confirmed = await fetch(`${hush.url}/confirm/${linkIn(mail, 'confirm')}`, { method: 'POST' });
    expect(confirmed.status).toBe(200);
    expect(await hush.decide(email)).toMatchObject({ allowed: true, reason: 'consented' });
    await hush.settle();
    expect(await hush.decide(email)).toMatchObject({ allowed: true, reason: 'consented' });
    expect(await hush.decide(email, 'profiling')).toMatchObject({ allowed: false });
  });
});
