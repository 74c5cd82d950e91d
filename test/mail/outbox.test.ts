import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Connection } from 'mongoose';
import { machine } from '../../src/machine.js';
import { createOutbox, type Outbox, type OutgoingMail, retryDelay } from '../../src/mail/outbox.js';
import { createTransport } from '../../src/mail/transport.js';
import { createMailboxStore, type MailboxStore } from '../../src/store/mailbox.js';
import { createOutboxStore, type OutboxStore } from '../../src/store/outbox.js';
import { until } from '../support/until.js';
import { composer, keepingLog, keyring, nobody, openDatabase, smtpPeer, VALUES } from './setting.js';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
// Of tomorrow: MongoDB deletes quota slots by its own clock, two days after the time that is written in them.
const NOON = (Math.floor(Date.now() / (24 * HOUR)) + 1.5) * 24 * HOUR;
const NAME = 'hush_test_mail_outbox';

let connection: Connection;
let store: OutboxStore;
let mailbox: MailboxStore;
let peer: Awaited<ReturnType<typeof smtpPeer>>;
let now: number;
const clock = { now: () => now };
const opened: Outbox[] = [];
const { log, lines } = keepingLog();

beforeAll(async () => {
  connection = await openDatabase(NAME);
  store = createOutboxStore(connection);
  mailbox = createMailboxStore(connection);
});
afterAll(() => connection.close());
beforeEach(async () => {
  await Promise.all(Object.values(store.models).map((model) => model.collection.deleteMany({})));
  peer = await smtpPeer();
  now = NOON;
  lines.length = 0;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((outbox) => outbox.stop()));
  await peer.stop();
  // No address or token is logged, in any of these tests.
  expect(lines.join('')).not.toMatch(/@example\.com|t0ken/);
});

function outboxTo(smtpUrl: string | undefined, change: Partial<Parameters<typeof createOutbox>[0]> = {}): Outbox {
  const transport = createTransport({ smtpUrl, mailbox, now: clock.now, machine });
  const outbox = createOutbox({
    store,
    composer,
    transport,
    keyring,
    clock,
    machine: { ...machine, random: () => 1 },
    log,
    ...change,
  });
  opened.push({
    ...outbox,
    stop: async () => {
      await outbox.stop();
      await transport.close();
    },
  });
  return outbox;
}
const mail = (change: Partial<OutgoingMail> = {}): OutgoingMail => ({
  id: 'link:1',
  template: 'your-link',
  language: 'en',
  brand: 'jmf',
  to: 'ana@example.com',
  values: VALUES,
  ...change,
});
const arrived = () => peer.received.map(({ to }) => to[0]);
const documents = () => store.models[0].collection.find({}, { raw: true }).toArray();
test('a queued mail is sent once and then is nothing but its id', async () => {
  const outbox = outboxTo(peer.url);
  expect(await outbox.enqueue(mail())).toBe('queued');
  expect(arrived()).toEqual([]);
  await outbox.settle();
  await outbox.settle();
  expect(arrived()).toEqual(['ana@example.com']);
  expect(peer.received[0]?.mail.text).toContain(VALUES.link);
  const [row] = await store.models[0].collection.find({}).toArray();
  expect(row).toEqual({
    _id: 'link:1',
    template: 'your-link',
    created: new Date(now),
    attempts: 1,
    sentAt: new Date(now),
  });
});

test('the same id is known: waiting, sent, and from many writers at once', async () => {
  const outbox = outboxTo(peer.url);
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => outbox.enqueue(mail({ quota: { key: 'ana', perDay: 3 } }))),
  );
  expect(answers.filter((answer) => answer === 'queued')).toHaveLength(1);
  expect(answers.filter((answer) => answer === 'known')).toHaveLength(29);
  expect(await store.models[1].collection.countDocuments()).toBe(1);
  await outbox.settle();
  expect(await outbox.enqueue(mail())).toBe('known');
  await outbox.settle();
  expect(arrived()).toHaveLength(1);
});

test('a started outbox sends at once what it is given, and what another process left', async () => {
  const writer = outboxTo(peer.url);
  await writer.enqueue(mail({ id: 'left' }));
  const outbox = outboxTo(peer.url, { pollMs: 50 });
  outbox.start();
  await until(() => peer.received.length === 1);
  await outbox.enqueue(mail({ id: 'given' }));
  await until(() => peer.received.length === 2);
  await writer.enqueue(mail({ id: 'left again' }));
  await until(() => peer.received.length === 3);
  await outbox.stop();
  expect(await store.waiting()).toMatchObject({ count: 0 });
});

test('a mail put off by the server is tried again, later each time, until it is taken', async () => {
  peer.answer = { code: 451, text: '4.7.1 greylisted' };
  const outbox = outboxTo(peer.url);
  await outbox.enqueue(mail());
  for (const [attempts, wait] of [
    [1, 30 * SECOND],
    [2, MINUTE],
    [3, 2 * MINUTE],
  ] as const) {
    await outbox.settle();
    expect(peer.attempts).toBe(attempts);
    now += wait - 1;
    await outbox.settle();
    expect(peer.attempts).toBe(attempts);
    now += 1;
  }
  peer.answer = undefined;
  await outbox.settle();
  expect(arrived()).toEqual(['ana@example.com']);
  expect(lines.join('')).toContain('"reason":"smtp_451_4.7.1"');
});

test('retries spread over half of their wait and never wait longer than four hours', () => {
  expect([retryDelay(1, () => 0), retryDelay(1, () => 1)]).toEqual([15 * SECOND, 30 * SECOND]);
  expect(retryDelay(5, () => 1)).toBe(8 * MINUTE);
  expect(retryDelay(60, () => 1)).toBe(4 * HOUR);
});

test('a mail refused for good is parked under a coded reason and can be released', async () => {
  peer.answer = { code: 550, text: '5.1.1 no such user' };
  const outbox = outboxTo(peer.url);
  await outbox.enqueue(mail());
  await outbox.settle();
  now += 24 * HOUR;
  await outbox.settle();
  expect(peer.attempts).toBe(1);
  expect(await store.parked()).toEqual([
    expect.objectContaining({ id: 'link:1', template: 'your-link', reason: 'smtp_550_5.1.1', attempts: 1 }),
  ]);
  expect(await store.waiting()).toEqual({ count: 0 });
  expect(await outbox.enqueue(mail())).toBe('known');
  peer.answer = undefined;
  expect(await store.release(new Date(now), 'smtp_999')).toBe(0);
  expect(await store.release(new Date(now), 'smtp_550_5.1.1')).toBe(1);
  await outbox.settle();
  expect(arrived()).toEqual(['ana@example.com']);
  expect(await store.parked()).toEqual([]);
});

test('after three days without a server that takes it a mail is parked', async () => {
  const outbox = outboxTo(await nobody());
  await outbox.enqueue(mail());
  const began = now;
  for (let tries = 0; (await store.waiting()).count > 0; tries++) {
    expect(tries).toBeLessThan(60);
    await outbox.settle();
    now += 4 * HOUR;
  }
  expect(now - began).toBeGreaterThanOrEqual(68 * HOUR);
  expect(now - began).toBeLessThanOrEqual(80 * HOUR);
  expect(await store.parked()).toEqual([
    expect.objectContaining({ reason: expect.stringMatching(/^gave_up_[a-z]+$/) }),
  ]);
});

test('a server that is away is not asked for every mail that waits', async () => {
  const outbox = outboxTo(await nobody());
  for (let n = 0; n < 30; n++) await outbox.enqueue(mail({ id: `link:${n}` }));
  await outbox.settle();
  const tried = await store.models[0].collection.countDocuments({ attempts: 1 });
  expect(tried).toBeLessThanOrEqual(5);
});

test('a mail whose link has ended is not sent', async () => {
  const outbox = outboxTo(peer.url);
  await outbox.enqueue(mail({ until: now + 30 * MINUTE }));
  await outbox.enqueue(mail({ id: 'link:2', to: 'bob@example.com', until: now + 30 * MINUTE + 1 }));
  now += 30 * MINUTE;
  await outbox.settle();
  expect(arrived()).toEqual(['bob@example.com']);
  expect(await store.parked()).toEqual([expect.objectContaining({ id: 'link:1', reason: 'too_late' })]);
});

test('a process killed between lease and send loses nothing: another sends when the lease ends', async () => {
  peer.answer = 'silence';
  const uri = new URL(process.env.MONGODB_URI ?? '');
  uri.pathname = `/${NAME}`;
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', fileURLToPath(new URL('./hold-mail.ts', import.meta.url)), uri.href, peer.url, 'held'],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  try {
    await until(() => peer.attempts === 1);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  peer.answer = undefined;
  const outbox = outboxTo(peer.url);
  now = Date.now();
  await outbox.settle();
  expect(arrived()).toEqual([]);
  expect(await store.waiting()).toMatchObject({ count: 1 });
  now += 91 * SECOND;
  await outbox.settle();
  expect(arrived()).toEqual(['ana@example.com']);
});

test('a sender whose lease has ended settles nothing any more', async () => {
  await outboxTo(peer.url).enqueue(mail());
  const slow = await store.take('slow', new Date(now), new Date(now + MINUTE));
  const fast = await store.take('fast', new Date(now + MINUTE), new Date(now + 2 * MINUTE));
  if (!slow || !fast) throw new Error('not taken');
  expect(await store.take('third', new Date(now + MINUTE), new Date(now + 2 * MINUTE))).toBeUndefined();
  await store.retry(slow, new Date(0), 'late');
  await store.park(slow, new Date(0), 'late');
  expect(await store.sent(slow, new Date(0))).toBe(false);
  expect(await store.parked()).toEqual([]);
  expect(await store.sent(fast, new Date(0))).toBe(true);
});

test('several senders together send each mail once', async () => {
  const outboxes = [outboxTo(peer.url), outboxTo(peer.url), outboxTo(peer.url)];
  const ids = Array.from({ length: 60 }, (_, n) => `m${n}`);
  await Promise.all(ids.map((id) => outboxes[0]?.enqueue(mail({ id, to: `${id}@example.com` }))));
  await Promise.all(outboxes.map((outbox) => outbox.settle()));
  expect(arrived().sort()).toEqual(ids.map((id) => `${id}@example.com`).sort());
});

test('one mail an address a day holds under 300 requests at once', async () => {
  const writers = [outboxTo(peer.url), outboxTo(peer.url)];
  const quota = { key: 'ana@example.com', perDay: 1 };
  const round = () =>
    Promise.all(Array.from({ length: 300 }, (_, n) => writers[n % 2]?.enqueue(mail({ id: `r${n}:${now}`, quota }))));
  const count = (answers: unknown[]) => [
    answers.filter((a) => a === 'queued').length,
    answers.filter((a) => a === 'over_quota').length,
  ];
  expect(count(await round())).toEqual([1, 299]);
  expect(await writers[0]?.enqueue(mail({ id: 'bob', quota: { key: 'bob@example.com', perDay: 1 } }))).toBe('queued');
  expect(await writers[0]?.enqueue(mail({ id: 'free' }))).toBe('queued');
  now = NOON + 12 * HOUR - 1;
  expect(count(await round())).toEqual([0, 300]);
  now += 1;
  expect(count(await round())).toEqual([1, 299]);
});

test('a quota of three lets three through', async () => {
  const outbox = outboxTo(peer.url);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => outbox.enqueue(mail({ id: `m${n}`, quota: { key: 'k', perDay: 3 } }))),
  );
  expect(answers.filter((answer) => answer === 'queued')).toHaveLength(3);
});

test('a writer that died between quota and mail gets through when it comes again', async () => {
  const outbox = outboxTo(peer.url);
  const quota = { key: 'k', perDay: 1 };
  const dying = outboxTo(peer.url, { store: { ...store, insert: () => Promise.reject(new Error('died')) } });
  await expect(dying.enqueue(mail({ quota }))).rejects.toThrow('died');
  expect(await outbox.enqueue(mail({ id: 'other', quota }))).toBe('over_quota');
  expect(await outbox.enqueue(mail({ quota }))).toBe('queued');
});

test('what waits in the database holds no address, value or token that can be read', async () => {
  const outbox = outboxTo(peer.url);
  await outbox.enqueue(
    mail({ template: 'confirm', quota: { key: 'ana@example.com', perDay: 1 }, headers: { 'X-Note': 'private-note' } }),
  );
  const rows = await documents();
  expect(rows).toHaveLength(1);
  const stored = [...rows, ...(await store.models[1].collection.find({}, { raw: true }).toArray())]
    .map((row) => Buffer.from(Object(row)).toString('latin1'))
    .join();
  expect(stored).toContain('confirm');
  for (const secret of ['ana', 'example.com', 't0ken', 'offers', 'private-note']) expect(stored).not.toContain(secret);
});

test('a sealed mail moved under another id is not sent', async () => {
  const outbox = outboxTo(peer.url);
  await outbox.enqueue(mail());
  const [row] = await store.models[0].collection.find({}).toArray();
  await store.models[0].collection.insertOne(Object.assign({}, row, { _id: 'moved' }));
  await outbox.settle();
  expect(arrived()).toHaveLength(1);
  expect(await store.parked()).toEqual([expect.objectContaining({ id: 'moved', reason: 'seal_broken' })]);
});

test('a mail that can no longer be written is parked', async () => {
  await outboxTo(peer.url).enqueue(mail());
  const broken = {
    ...composer,
    compose: () => {
      throw new Error('no template for ana@example.com');
    },
  };
  await outboxTo(peer.url, { composer: broken }).settle();
  expect(await store.parked()).toEqual([expect.objectContaining({ reason: 'cannot_compose' })]);
});

test('what cannot be written is refused at once and nothing is kept', async () => {
  const outbox = outboxTo(peer.url);
  for (const change of [
    { template: 'none' },
    { brand: 'none' },
    { to: 'a@example.com\r\nBcc: b@example.com' },
    { values: {} },
    { headers: { 'X-A': 'a\nb' } },
    { id: '' },
    { id: 'for ana@example.com' },
  ]) {
    await expect(outbox.enqueue(mail(change))).rejects.toMatchObject({ kind: 'invalid' });
  }
  expect(await documents()).toHaveLength(0);
});

test('stop lets the mail in flight finish and takes no other', async () => {
  let started = false;
  let finish = () => {};
  const sent: string[] = [];
  const transport = {
    send: ({ to }: { to: string }) =>
      new Promise<void>((resolve) => {
        started = true;
        finish = () => {
          sent.push(to);
          resolve();
        };
      }),
    close: async () => {},
  };
  const outbox = outboxTo(peer.url, { transport });
  await outbox.enqueue(mail());
  void outbox.settle();
  await until(() => started);
  let stopped = false;
  const stopping = outbox.stop().then(() => {
    stopped = true;
  });
  await outbox.enqueue(mail({ id: 'later' }));
  void outbox.settle();
  expect(stopped).toBe(false);
  finish();
  await stopping;
  expect(sent).toEqual(['ana@example.com']);
  expect(await store.waiting()).toMatchObject({ count: 1 });
});

test('with the database away enqueue says so instead of promising a mail', async () => {
  const away = Object.assign(new Error('no primary'), { name: 'MongoServerSelectionError' });
  const outbox = outboxTo(peer.url, { store: { ...store, insert: () => Promise.reject(away) } });
  await expect(outbox.enqueue(mail())).rejects.toMatchObject({ kind: 'unavailable' });
});
