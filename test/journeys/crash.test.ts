import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { API_KEY, configFolder, databaseUri } from '../support/hush.js';
import { type HushProcess, startProcess } from '../support/process.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';

const auth = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

let sendgrid: Awaited<ReturnType<typeof startSendgrid>>;
let dir: string;
let env: NodeJS.ProcessEnv;
const namespace = `crash${randomBytes(5).toString('hex')}`;

beforeAll(async () => {
  sendgrid = await startSendgrid();
  dir = await mkdtemp(path.join(tmpdir(), 'hush-crash-'));
  const destination = {
    name: 'sender',
    adapter: 'sendgrid',
    role: 'processor',
    settings: { apiKey: sendgrid.apiKey, baseUrl: sendgrid.url },
    bindings: [{ name: 'all', ...OFFERS, target: { global: true } }],
  };
  env = {
    MONGODB_URI: databaseUri(namespace),
    REDIS_URL: process.env.REDIS_URL,
    HUSH_API_KEY: API_KEY,
    HUSH_SECRET: 'a secret for tests that is long enough',
    HUSH_DATA_DIR: dir,
    HUSH_NAMESPACE: namespace,
    HUSH_CONFIG_DIR: await configFolder(dir, [destination]),
  };
});
afterAll(async () => {
  await sendgrid?.close();
  const connection = await mongoose.createConnection(databaseUri(namespace)).asPromise();
  await connection.dropDatabase();
  await connection.close();
  await rm(dir, { recursive: true, force: true });
});

async function ask<T>(hush: HushProcess, to: string, body?: unknown): Promise<T> {
  const response = await fetch(
    hush.url + to,
    body === undefined ? { headers: auth } : { method: 'POST', headers: auth, body: JSON.stringify(body) },
  );
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

async function oneClick(hush: HushProcess, email: string): Promise<string | undefined> {
  const { oneClickUrl } = await ask<{ oneClickUrl: string }>(hush, '/v1/links', { contact: { email }, ...OFFERS });
  const answer = await fetch(hush.url + new URL(oneClickUrl).pathname, {
    method: 'POST',
    body: 'List-Unsubscribe=One-Click',
  });
  expect(answer.status).toBe(200);
  return /Receipt: (\S+)/.exec(await answer.text())?.[1];
}

/** As a balancer does it: resolves when the process says that nobody is to be sent to it any more. */
async function whenNotReady(hush: HushProcess): Promise<void> {
  await until(async () => {
    const answer = await fetch(`${hush.url}/readyz`);
    await answer.text();
    return answer.status === 503;
  });
}

describe('an acknowledged opt-out', () => {
  test('survives kill -9 straight after the 200, and reaches the destination', async () => {
    const first = await startProcess(env);
    const receipt = await oneClick(first, 'killed@example.com');
    await first.kill();
    const second = await startProcess(env);
    expect(await ask(second, '/v1/decisions', { contact: { email: 'killed@example.com' }, ...OFFERS })).toMatchObject({
      allowed: false,
      receipt: `r_${receipt}`,
    });
    await until(() => sendgrid.global.has('killed@example.com'));
    await until(
      async () =>
        (await ask<{ destinations: { status: string }[] }>(second, `/v1/receipts/r_${receipt}`)).destinations[0]
          ?.status === 'in_force',
    );
    expect(await second.stop()).toBe(0);
  });

  test('reaches the destination though Redis loses everything, again and again', async () => {
    const hush = await startProcess(env);
    const redis = new Redis(process.env.REDIS_URL ?? '');
    const names = Array.from({ length: 40 }, (_, n) => `flushed${n}@example.com`);
    for (const name of names) {
      await oneClick(hush, name);
      await redis.flushall();
    }
    await until(() => names.every((name) => sendgrid.global.has(name)));
    redis.disconnect();
    expect(await hush.stop()).toBe(0);
  });
});

test('a shutdown fails not one request', async () => {
  const hush = await startProcess(env);
  const { oneClickUrl } = await ask<{ oneClickUrl: string }>(hush, '/v1/links', {
    contact: { email: 'busy@example.com' },
    ...OFFERS,
  });
  const url = hush.url + new URL(oneClickUrl).pathname;
  let balanced = true;
  const receipts: string[] = [];
  const failed: string[] = [];
  const client = async () => {
    while (balanced) {
      try {
        const answer = await fetch(url, { method: 'POST', body: 'List-Unsubscribe=One-Click' });
        const body = await answer.text();
        const receipt = answer.status === 200 && /Receipt: (\S+)/.exec(body)?.[1];
        if (receipt) receipts.push(receipt);
        else failed.push(`${answer.status} ${body}`);
      } catch (error) {
        failed.push(String(Object(error).cause ?? error));
      }
    }
  };
  const clients = Array.from({ length: 16 }, client);
  await until(() => receipts.length > 200);
  const stopped = hush.stop();
  await whenNotReady(hush);
  // A balancer notices late: until then each of its clients is served as before.
  const unnoticed = receipts.length + clients.length;
  await until(() => receipts.length > unnoticed || failed.length > 0);
  balanced = false;
  await Promise.all(clients);
  const code = await stopped;
  expect({ code, failed }).toEqual({ code: 0, failed: [] });
  // Each act of its own, and each of them known to the next process, to the last one before the end.
  expect(new Set(receipts).size).toBe(receipts.length);
  const again = await startProcess(env);
  const lost: string[] = [];
  for (const receipt of receipts) {
    const answer = await fetch(`${again.url}/v1/receipts/r_${receipt}`, { headers: auth });
    if (answer.status !== 200) lost.push(receipt);
    await answer.text();
  }
  expect(lost).toEqual([]);
  await again.stop();
});
