import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { encodeBase32 } from '../src/core/base32.js';
import { contactKeyFromText } from '../src/core/keys.js';
import { createPrivateParts } from '../src/preferences/private-part.js';
import { API_KEY, type Hush, startHush } from './support/hush.js';
import { until } from './support/until.js';

/** A rotation that does not reach every process at once: nobody destroys, skips or hides what they cannot open. */

const LOOKUP = 'a lookup secret of a test, long enough';
const root = (n: number) => `root ${n} of a test, which is long enough too`;
const OFFERS = 'brand=jmf&channel=email&purpose=promotion';

let secrets: string;
let base: Pick<Hush, 'dir' | 'namespace'>;
let running: Hush[];
beforeAll(async () => {
  secrets = await mkdtemp(path.join(tmpdir(), 'hush-rings-'));
});
afterAll(() => rm(secrets, { recursive: true, force: true }));
beforeEach(async () => {
  running = [];
  base = {
    dir: await mkdtemp(path.join(tmpdir(), 'hush-rotation-')),
    namespace: `rot${randomBytes(5).toString('hex')}`,
  };
});
afterEach(async () => {
  const [first, ...others] = running;
  for (const hush of others) await hush.stop(true);
  await first?.stop();
});

/** A process with these root keys, the last one current, on the database that all processes of a test share. */
async function processWith(...roots: number[]): Promise<Hush> {
  const file = path.join(secrets, `${roots.join('-')}.json`);
  await writeFile(
    file,
    JSON.stringify({
      lookup: LOOKUP,
      current: roots.at(-1),
      roots: Object.fromEntries(roots.map((n) => [n, root(n)])),
    }),
    { mode: 0o600 },
  );
  const hush = await startHush({
    from: base,
    env: { HUSH_SECRET: undefined, HUSH_SECRETS_FILE: file },
    // Only what a test asks for is done.
    sweepMs: 3_600_000,
  });
  running.push(hush);
  return hush;
}

async function event(hush: Hush, contact: object, fields: object): Promise<Buffer> {
  const { accepted } = await hush.ask<{ accepted: { contact: string }[] }>('/v1/events', {
    events: [{ contact, source: { kind: 'api', evidence: { ticket: 'T-1' } }, ...fields }],
  });
  const key = contactKeyFromText(accepted[0]?.contact ?? '');
  if (!key) throw new Error('not accepted');
  return key;
}
const optOut = (hush: Hush, email: string) => event(hush, { email }, { type: 'opted_out' });

async function suppressed(hush: Hush): Promise<string[]> {
  const text = await (await hush.get(`/v1/suppressions?${OFFERS}`)).text();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).address)
    .sort();
}

async function files(): Promise<string> {
  const folder = path.join(base.dir, 'suppressions');
  const names = await readdir(folder).catch(() => []);
  return (await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')))).join('');
}

test('a process without the new root leaves acknowledged opt-outs pending and says so everywhere', async () => {
  const former = await processWith(1);
  const rotated = await processWith(1, 2);
  await rotated.hush.projection.stop();
  const key = await optOut(rotated, 'ana@example.com');
  await rotated.stop(true);
  running = running.filter((hush) => hush !== rotated);

  expect(await former.hush.projector.project([key])).toBe(1);
  const left = await former.hush.stores.contacts.get(key);
  expect(left).toMatchObject({ entries: 0, rev: 0 });
  expect(left?.pending).toHaveLength(1);
  expect(left?.dataKey).toBeUndefined();
  // In force all the same, and nowhere said to be settled.
  expect(await former.decide({ email: 'ana@example.com' })).toMatchObject({ allowed: false });
  const ready = await former.get('/readyz');
  expect([ready.status, await ready.json()]).toEqual([
    503,
    { ready: false, checks: { keys: 'lacks root 2; add it to HUSH_SECRETS_FILE and restart' } },
  ]);
  await until(async () => {
    await former.hush.projection.sweep();
    const metrics = await (await former.get('/metrics')).text();
    return /hush_missing_keys 1/.test(metrics) && /hush_unopened_contacts 1/.test(metrics);
  });
  expect(former.logged.filter((line) => /"keyId":2.*lacks a root key/.test(line))).toHaveLength(1);
  const { destinations } = await former.ask<{ destinations: object[] }>('/v1/destinations');
  expect(destinations).toMatchObject([{ state: 'failing', lastError: { kind: 'key_missing' } }]);

  // Others are not held up by those that wait.
  const other = await optOut(former, 'bob@example.com');
  await former.settle();
  expect(await former.hush.stores.contacts.get(other)).toMatchObject({ entries: 1 });

  const whole = await processWith(1, 2);
  await until(async () => {
    await whole.settle();
    return (await files()).includes('ana@example.com');
  });
  expect(await suppressed(whole)).toEqual(['ana@example.com', 'bob@example.com']);
  const report = await whole.ask<{ destinations: object[] }>('/v1/destinations');
  expect(report.destinations).toMatchObject([{ state: 'in_step', pending: 0 }]);
  expect((await whole.get('/readyz')).status).toBe(200);
});

test('what a contact has is kept when a process without its key meets a later event', async () => {
  const rotated = await processWith(1, 2);
  const key = await optOut(rotated, 'ana@example.com');
  await rotated.settle();
  const before = await rotated.hush.stores.contacts.get(key);
  const former = await processWith(1);
  await Promise.all([rotated, former].map((hush) => hush.hush.projection.stop()));
  await event(former, { email: 'ana@example.com' }, { type: 'objected' });
  expect(await former.hush.projector.project([key])).toBe(1);
  const after = await former.hush.stores.contacts.get(key);
  expect([after?.dataKey, after?.address, after?.rev]).toEqual([before?.dataKey, before?.address, before?.rev]);

  // Nothing that opens seals says that there is nothing.
  const answer = await former.get(`/v1/suppressions?${OFFERS}`);
  expect([answer.status, await answer.json()]).toMatchObject([503, { remedy: expect.stringContaining('add root 2') }]);
  const csv = former.get(`/v1/suppressions?${OFFERS}&format=csv`).then((response) => response.text());
  await expect(csv).rejects.toThrow();
  const looked = await former.post('/v1/contacts/lookup', { contact: { email: 'ana@example.com' } });
  expect(looked.status).toBe(503);

  expect(await rotated.hush.projector.project([key])).toBe(0);
  expect(await suppressed(rotated)).toEqual(['ana@example.com']);
  const contact = await rotated.hush.stores.contacts.get(key);
  expect(contact?.entries).toBe(2);
});

test('without the first root nothing is lost, sent short or said to be in step', async () => {
  const first = await processWith(1);
  // A round that began before the pause would still send.
  await first.settle();
  await first.hush.reports.pause('file');
  const key = await optOut(first, 'ana@example.com');
  await first.hush.projection.settle();
  await first.stop(true);
  running = [];
  const lacking = await processWith(2);
  await lacking.hush.reports.resume('file');
  expect((await lacking.get('/readyz')).status).toBe(503);
  expect((await lacking.get(`/v1/suppressions?${OFFERS}`)).status).toBe(503);
  expect(await lacking.decide({ email: 'ana@example.com' })).toMatchObject({ allowed: false });
  for (const bound of lacking.hush.destinations.values()) await lacking.hush.worker.work(bound);
  expect((await lacking.hush.stores.contacts.get(key))?.pendingSyncs).toHaveLength(1);
  expect((await lacking.ask<{ destinations: object[] }>('/v1/destinations')).destinations).toMatchObject([
    { state: 'failing', pending: 1 },
  ]);
  expect(await files()).not.toContain('ana@example.com');
  const whole = await processWith(1, 2);
  await until(async () => {
    await whole.settle();
    return (await files()).includes('ana@example.com');
  });
});

test('a data key that does not open is left as it is: no new one takes its place', async () => {
  const hush = await processWith(1);
  const key = await optOut(hush, 'ana@example.com');
  await hush.settle();
  const { contacts } = hush.hush.stores;
  const kept = (await contacts.get(key))?.dataKey;
  if (!kept) throw new Error('no data key');
  const broken = Buffer.from(kept);
  broken[20] = (broken[20] ?? 0) ^ 1;
  await contacts.collection.updateOne({ _id: key as never }, { $set: { dataKey: broken } });
  await hush.hush.projection.stop();
  await event(hush, { email: 'ana@example.com' }, { type: 'objected' });
  expect(await hush.hush.projector.project([key])).toBe(1);
  expect(hush.logged.some((line) => line.includes('the data key of a contact does not open'))).toBe(true);
  expect((await contacts.get(key))?.dataKey).toEqual(broken);
  await contacts.collection.updateOne({ _id: key as never }, { $set: { dataKey: kept } });
  expect(await hush.hush.projector.project([key])).toBe(0);
  expect(await suppressed(hush)).toEqual(['ana@example.com']);
});

test('a projector killed between ledger and contact leaves evidence that the next one’s data key opens', async () => {
  const hush = await processWith(1);
  await hush.hush.projection.stop();
  const key = await optOut(hush, 'ana@example.com');
  const { contacts, ledger } = hush.hush.stores;
  const project = contacts.project;
  contacts.project = async () => {
    throw new Error('killed');
  };
  await expect(hush.hush.projector.project([key])).rejects.toThrow('killed');
  contacts.project = project;
  expect(await hush.hush.projector.project([key])).toBe(0);
  const contact = await contacts.get(key);
  const [entry] = await ledger.ofContact(key);
  if (!contact || !entry) throw new Error('not projected');
  const keyring = (await import('../src/config/environment.js')).readEnvironment({
    HUSH_SECRETS_FILE: path.join(secrets, '1.json'),
  }).keyring;
  expect(createPrivateParts(keyring).of(contact, entry.event.sealed)).toMatchObject({ evidence: { ticket: 'T-1' } });
});

test('a link that only another process can open is answered with 503 and the phone number, never with "no such link"', async () => {
  const former = await processWith(1);
  // Known from the start of the other process on, without waiting for the next look at the store.
  const rotated = await processWith(1, 2);
  const linksOf = async (hush: Hush, email: string) => {
    const wanted = { contact: { email }, brand: 'jmf', channel: 'email', purpose: 'promotion' };
    const { links } = await hush.ask<{ links: { oneClickUrl: string; headers: Record<string, string> }[] }>(
      '/v1/links',
      {
        links: [wanted],
      },
    );
    const [link] = links;
    const mailto = /mailto:([^>?]+)/.exec(link?.headers['List-Unsubscribe'] ?? '')?.[1] ?? '';
    return { token: new URL(link?.oneClickUrl ?? '').pathname.slice('/u/'.length), mailto };
  };
  const press = (hush: Hush, target: string, method = 'POST') =>
    fetch(hush.url + target, {
      method,
      ...(method === 'POST' ? { body: 'List-Unsubscribe=One-Click', headers: FORM } : {}),
    });
  const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
  const mailTo = (hush: Hush, to: string) =>
    fetch(`${hush.url}/hooks/mail`, {
      method: 'POST',
      headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'message/rfc822' },
      body: `From: ana@example.com\r\nTo: ${to}\r\nSubject: unsubscribe\r\n\r\nno more\r\n`,
    });
  const noise = (...bytes: number[]) => Buffer.concat([Buffer.from(bytes), randomBytes(60)]);
  const second = (kid: number) => encodeBase32(noise(kid)).toLowerCase();
  const first = (kid: number) => noise(1, kid, 1).toString('base64url');

  const { token, mailto } = await linksOf(rotated, 'ana@example.com');
  for (const text of [token, token.toUpperCase(), `${token}.`, first(2)]) {
    for (const [route, method] of [
      ['u', 'POST'],
      ['u', 'GET'],
      ['p', 'POST'],
      ['p', 'GET'],
      ['confirm', 'POST'],
      ['confirm', 'GET'],
      ['rights', 'GET'],
    ]) {
      const answer = await press(former, `/${route}/${text}`, method);
      expect([route, method, answer.status, answer.headers.has('retry-after')]).toEqual([route, method, 503, true]);
      expect(await answer.text()).toContain('877-266-5042');
    }
  }
  const refused = await mailTo(former, mailto);
  expect([refused.status, await refused.json()]).toMatchObject([503, { code: 'unavailable' }]);
  expect(await former.decide({ email: 'ana@example.com' })).toMatchObject({ allowed: true });

  // A key id that nobody registered, or that this process has, is noise as before.
  for (const text of [second(1), second(9), second(0), first(1), first(9), 'nonsense', `${token.slice(0, 20)}`]) {
    expect([text, (await press(former, `/u/${text}`)).status]).toEqual([text, 404]);
  }
  // What this process can open goes on, also while it lacks a root.
  const ours = await linksOf(former, 'bob@example.com');
  expect((await press(former, `/u/${ours.token}`)).status).toBe(200);
  expect(await (await mailTo(former, ours.mailto)).json()).toMatchObject({ recognised: [{ outcome: 'recorded' }] });

  // The process that has the root takes both.
  expect((await mailTo(rotated, mailto)).status).toBe(200);
  expect((await press(rotated, `/u/${token}`)).status).toBe(200);
  expect((await press(rotated, `/u/${second(9)}`)).status).toBe(404);
  expect(
    (
      await mailTo(
        rotated,
        mailto.replace(/\+./, (found) => (found === '+0' ? '+1' : '+0')),
      )
    ).status,
  ).toBe(200);
});
