import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type Gate, gateTo } from '../support/gate.js';
import { API_KEY, databaseUri } from '../support/hush.js';
import { program, startProcess } from '../support/process.js';
import { until } from '../support/until.js';

const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const PHONE = '877-266-5042';
const contact = { email: 'early@example.com' };

let mongo: Gate;
let redis: Gate;
let dir: string;
beforeAll(async () => {
  mongo = await gateTo(Number(new URL(databaseUri('x').replace(/^mongodb:/, 'http:')).port));
  redis = await gateTo(Number(new URL(process.env.REDIS_URL ?? '').port));
  dir = await mkdtemp(path.join(tmpdir(), 'hush-late-'));
});
afterAll(async () => {
  await mongo?.close();
  await redis?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

/** The environment of an operator whose stores are behind the gates. */
async function production(): Promise<Record<string, string | undefined>> {
  const namespace = `late${randomBytes(5).toString('hex')}`;
  const uri = new URL(databaseUri(namespace).replace(/^mongodb:/, 'http:'));
  const port = await freePort();
  return {
    NODE_ENV: 'production',
    PORT: String(port),
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    SMTP_URL: 'smtp://127.0.0.1:9',
    HUSH_SECRET: 'a secret for tests that is long enough, and longer',
    HUSH_API_KEY: API_KEY,
    HUSH_NAMESPACE: namespace,
    HUSH_JOURNAL_DIR: path.join(dir, namespace),
    HUSH_STORE_TIMEOUT_MS: '',
    MONGODB_URI: `mongodb://127.0.0.1:${mongo.port}${uri.pathname}?directConnection=true`,
    REDIS_URL: `redis://127.0.0.1:${redis.port}`,
  };
}

/** A start whose end nobody waits for. */
function start(env: Record<string, string | undefined>) {
  const child = spawn(process.execPath, [program('main')], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: 'warn', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += String(chunk);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return {
    output: () => output,
    async end(signal: 'SIGTERM' | 'SIGKILL') {
      child.kill(signal);
      return ended;
    },
  };
}

const ask = async (url: string, init: RequestInit = {}) => {
  const response = await fetch(url, init);
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') ?? '' };
};
const answers = (url: string) => until(() => ask(url).catch(() => undefined));
const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
const post = (url: string, body: object) => ask(url, { method: 'POST', headers, body: JSON.stringify(body) });

test('a start without the database answers honestly, keeps one-click opt-outs in the journal, and goes on by itself', async () => {
  const env = await production();
  const url = String(env.PUBLIC_URL);
  const first = await startProcess(env);
  const links = JSON.parse((await post(`${url}/v1/links`, { contact, ...OFFERS })).text);
  await first.kill();
  mongo.refuse();
  const late = start(env);
  try {
    expect((await answers(`${url}/livez`)).status).toBe(200);
    // The journal takes one-click opt-outs, so people may be sent here; and what is missing is said.
    expect((await ask(`${url}/readyz`)).status).toBe(200);
    const full = await ask(`${url}/readyz?full`);
    expect([full.status, JSON.parse(full.text).checks.store]).toEqual([
      503,
      expect.stringContaining('no primary answers'),
    ]);
    const page = await ask(links.preferencesUrl);
    expect([page.status, page.type]).toEqual([503, 'text/html; charset=utf-8']);
    expect(page.text).toContain(PHONE);
    const decision = await post(`${url}/v1/decisions`, { contact, ...OFFERS });
    expect([decision.status, decision.type]).toEqual([503, 'application/problem+json; charset=utf-8']);
    // No token of ours.
    expect((await ask(`${url}/u/nonsense`, { method: 'POST' })).status).toBe(503);
    const clicked = await ask(links.oneClickUrl, { method: 'POST', body: 'List-Unsubscribe=One-Click' });
    expect(clicked.status).toBe(200);
    const receipt = /Receipt: (\S+)/.exec(clicked.text)?.[1];
    const button = await ask(links.oneClickUrl, { method: 'POST', body: 'from=page' });
    expect([button.status, button.text]).toEqual([200, expect.stringContaining('You are unsubscribed')]);
    mongo.open();
    await until(() => late.output().includes('hush ready on'));
    await until(async () => (await ask(`${url}/readyz?full`).catch(() => undefined))?.status === 200);
    expect(JSON.parse((await post(`${url}/v1/decisions`, { contact, ...OFFERS })).text)).toMatchObject({
      allowed: false,
    });
    expect((await ask(`${url}/v1/receipts/r_${receipt}`, { headers })).status).toBe(200);
    expect((await readdir(String(env.HUSH_JOURNAL_DIR))).filter((name) => name.endsWith('.ndjson'))).toEqual([]);
    // One line when it was away, and one when it was there.
    expect(late.output().match(/It is waited for/g)).toHaveLength(1);
    expect(late.output().match(/the database is there/g)).toHaveLength(1);
  } finally {
    mongo.open();
    await late.end('SIGKILL');
  }
}, 600_000);

test('without a journal it is not ready, says why, and ends when it is told to', async () => {
  const { HUSH_JOURNAL_DIR: _none, ...env } = await production();
  const url = String(env.PUBLIC_URL);
  mongo.refuse();
  const late = start(env);
  try {
    expect((await answers(`${url}/livez`)).status).toBe(200);
    const ready = await ask(`${url}/readyz`);
    expect([ready.status, JSON.parse(ready.text)]).toMatchObject([
      503,
      { ready: false, checks: { store: /MONGODB_URI/ } },
    ]);
    expect(await late.end('SIGTERM')).toBe(0);
  } finally {
    mongo.open();
    await late.end('SIGKILL');
  }
}, 600_000);

test('a start without Redis serves, says that it is away, and takes it up when it comes', async () => {
  const env = await production();
  redis.refuse();
  const hush = await startProcess(env);
  try {
    expect(hush.output()).toContain('no Redis answers');
    expect((await ask(`${hush.url}/readyz`)).status).toBe(200);
    const full = await ask(`${hush.url}/readyz?full`);
    expect([full.status, JSON.parse(full.text).checks.redis]).toEqual([503, expect.stringContaining('away')]);
    const links = JSON.parse((await post(`${hush.url}/v1/links`, { contact, ...OFFERS })).text);
    expect((await ask(links.oneClickUrl, { method: 'POST' })).status).toBe(200);
    redis.open();
    await until(async () => (await ask(`${hush.url}/readyz?full`)).status === 200);
    expect((await ask(`${hush.url}/metrics`)).text).toContain('hush_redis_up 1');
  } finally {
    redis.open();
    await hush.kill();
  }
}, 600_000);
