import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import pino from 'pino';
import { createLog } from '../src/logger.js';
import { gateTo } from './support/gate.js';
import { API_KEY, databaseUri, fileDestination, type Hush, startHush } from './support/hush.js';
import { until } from './support/until.js';

const SECRET = 'a secret for tests that is long enough';
const ADDRESS = 'Very.Private+tag@secret-people.example';
const PHONE = '+19205550147';
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const lines: string[] = [];
const bodies: string[] = [];
const tokens = new Set<string>();
let unavailable = 0;
let broken = 0;
let mongo: Awaited<ReturnType<typeof gateTo>>;
let hush: Hush;

beforeAll(async () => {
  mongo = await gateTo(Number(new URL(databaseUri('x').replace(/^mongodb:/, 'http:')).port));
  const out = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  // The program's own logger, its serializers included, at the finest level.
  const own = createLog('trace');
  const log = pino({ level: 'trace', base: null, serializers: own[pino.symbols.serializersSym as never] }, out);
  hush = await startHush({
    log,
    destinations: [fileDestination],
    env: {
      HUSH_STORE_TIMEOUT_MS: '',
      MONGODB_URI: `mongodb://127.0.0.1:${mongo.port}/log${randomBytes(5).toString('hex')}?directConnection=true`,
    },
  });
});
afterAll(async () => {
  await hush?.stop();
  await mongo?.close();
});

async function keep(answer: Promise<Response>): Promise<string> {
  const response = await answer.catch(() => undefined);
  const text = await response?.text().catch(() => undefined);
  if (response === undefined || text === undefined) {
    // Once a stream's status is sent, only a broken connection says that it is not whole.
    broken++;
    return '';
  }
  // What is asked for may hold what was given; a fault may not.
  if (response.status >= 400) bodies.push(text);
  if (response.status === 503) unavailable++;
  return text;
}

/** Every route with what must not be seen, in the body, the path, the query and the headers. */
async function driveAll(): Promise<void> {
  const all: Promise<string>[] = [];
  const contact = { email: ADDRESS };
  const json = (to: string, body: unknown, headers = {}) => keep(hush.post(to, body, headers));
  // Known from the first time: with the store unavailable no key can be looked up.
  const links = JSON.parse(await json('/v1/links', { contact, ...OFFERS }));
  if (links.oneClickUrl) tokens.add(new URL(links.oneClickUrl).pathname.split('/')[2] ?? '');
  for (const more of [
    {},
    { brand: ADDRESS },
    { topic: PHONE },
    { contact: { email: `${ADDRESS}@x` } },
    { contact: { phone: `${PHONE}${PHONE}` } },
    { surprise: ADDRESS },
    { at: ADDRESS },
  ]) {
    all.push(json('/v1/decisions', { contact, ...OFFERS, ...more }));
    all.push(json('/v1/decisions/batch', { ...OFFERS, contacts: [contact, { phone: PHONE }], ...more }));
    all.push(
      json('/v1/consents', {
        contact,
        ...OFFERS,
        mode: 'double_opt_in',
        notice: { id: 'newsletter', version: '1' },
        ...more,
      }),
    );
    all.push(
      json('/v1/events', {
        events: [
          { contact, type: 'opted_out', source: { kind: 'api', actor: ADDRESS, evidence: { text: PHONE } }, ...more },
        ],
      }),
    );
  }
  all.push(
    json('/v1/decisions/batch', `${JSON.stringify({ contact, ...OFFERS })}\n{"${ADDRESS}\n`, {
      'content-type': 'application/x-ndjson',
    }),
  );
  all.push(json('/v1/decisions', `{"email":"${ADDRESS}"`));
  all.push(json('/v1/contacts/lookup', { contact }));
  all.push(json('/v1/contacts/link', { contacts: [contact, { phone: PHONE }] }));
  all.push(
    json(
      '/v1/events',
      { events: [{ contact, type: 'opted_out', reach: 'person', source: { kind: 'api' } }] },
      { 'idempotency-key': ADDRESS },
    ),
  );
  all.push(keep(hush.get(`/v1/receipts/${encodeURIComponent(ADDRESS)}`)));
  all.push(keep(hush.get(`/v1/suppressions?brand=${encodeURIComponent(ADDRESS)}&channel=email&purpose=promotion`)));
  all.push(keep(hush.get(`/v1/changes?after=${encodeURIComponent(ADDRESS)}`)));
  all.push(keep(hush.get('/v1/destinations', { authorization: `Bearer ${API_KEY}x` })));
  all.push(keep(hush.get(`/v1/${encodeURIComponent(ADDRESS)}`)));
  for (const token of tokens) {
    for (const to of [
      `/u/${token}`,
      `/p/${token}`,
      `/confirm/${token}`,
      `/u/${token}x`,
      `/p/${token.slice(1)}?address=${encodeURIComponent(ADDRESS)}`,
    ]) {
      all.push(
        keep(fetch(hush.url + to, { headers: { referer: `https://x.example/${ADDRESS}`, 'user-agent': ADDRESS } })),
      );
      for (const act of ['', 'stop-all', 'undo', 'open', 'fresh', 'download']) {
        all.push(
          keep(
            fetch(hush.url + to, { method: 'POST', body: new URLSearchParams({ act, session: token, undo: ADDRESS }) }),
          ),
        );
      }
    }
  }
  for (const act of ['link', 'stop']) {
    for (const address of [ADDRESS, PHONE, `${ADDRESS} x`]) {
      all.push(keep(fetch(`${hush.url}/preferences`, { method: 'POST', body: new URLSearchParams({ act, address }) })));
    }
  }
  all.push(
    keep(
      fetch(`${hush.url}/preferences`, {
        method: 'POST',
        body: `address=%E0%A4%A&x=${ADDRESS}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ),
  );
  all.push(
    keep(fetch(`${hush.url}/hooks/file`, { method: 'POST', body: ADDRESS, headers: { authorization: ADDRESS } })),
  );
  all.push(keep(fetch(`${hush.url}/${encodeURIComponent(ADDRESS)}/%ff`)));
  await Promise.all(all);
}

/** A text in the forms in which it might be found. */
function forms(text: string): string[] {
  const base64 = (shift: number) =>
    // In base64 a text looks three ways, by where it begins; its rim depends on what is beside it.
    Buffer.from('x'.repeat(shift) + text)
      .toString('base64')
      .slice(shift === 0 ? 0 : 4, -4)
      .replace(/=+$/, '');
  const plain = [
    text,
    text.toLowerCase(),
    encodeURIComponent(text),
    encodeURIComponent(text).toLowerCase(),
    text.replace('@', '=40'),
  ];
  const encoded = [0, 1, 2].flatMap((shift) => [
    base64(shift),
    base64(shift).replaceAll('+', '-').replaceAll('/', '_'),
  ]);
  return [...new Set([...plain, ...encoded, Buffer.from(text).toString('hex')])];
}

test('no address, number, token, key or secret is in a log line, a metric, a job, or the body of a fault', async () => {
  await driveAll();
  await hush.settle();
  // The same with the store unavailable: its errors are logged too, and every route that needs it says so.
  const before = unavailable;
  mongo.refuse();
  await driveAll();
  expect(unavailable - before).toBeGreaterThan(20);
  expect(broken).toBeLessThanOrEqual(1);
  mongo.open();
  await until(async () => (await fetch(`${hush.url}/readyz`)).status === 200);
  await hush.settle();

  const metrics = await (await fetch(`${hush.url}/metrics`)).text();
  const redis = new Redis(process.env.REDIS_URL ?? '');
  const stored: string[] = [];
  for await (const keys of redis.scanStream({ match: `*${hush.namespace}*`, count: 1000 })) {
    for (const key of keys as string[]) {
      const type = await redis.type(key);
      const value =
        type === 'hash'
          ? await redis.hgetall(key)
          : type === 'string'
            ? await redis.get(key)
            : type === 'stream'
              ? await redis.xrange(key, '-', '+')
              : type === 'list'
                ? await redis.lrange(key, 0, -1)
                : type === 'zset'
                  ? await redis.zrange(key, '0', '-1')
                  : '';
      stored.push(`${key} ${JSON.stringify(value)}`);
    }
  }
  redis.disconnect();
  expect(lines.length).toBeGreaterThan(150);
  expect(bodies.length).toBeGreaterThan(60);
  expect(stored.length).toBeGreaterThan(0);
  expect(metrics).toContain('hush_');

  const secrets: string[] = [ADDRESS, PHONE, PHONE.slice(1), API_KEY, SECRET, ...tokens];
  const places = { log: lines, metrics: [metrics], redis: stored };
  const found: string[] = [];
  for (const [place, texts] of Object.entries(places)) {
    for (const text of texts) {
      for (const secret of secrets)
        for (const form of forms(secret))
          if (text.includes(form)) found.push(`${place}: ${form} in ${text.slice(0, 300)}`);
    }
  }
  expect([...new Set(found)].slice(0, 10)).toEqual([]);
  // A page shows a person again what she typed; a problem document names the field and never repeats its value.
  const inFaults = bodies.filter(
    (text) => !text.startsWith('<!') && secrets.some((secret) => forms(secret).some((form) => text.includes(form))),
  );
  expect(inFaults).toEqual([]);
});
