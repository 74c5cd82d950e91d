import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { type EmbeddedStore, startMongo, startRedis } from '../../src/embedded/index.js';
import { startChaosProxy } from '../support/chaos-proxy.js';
import { API_KEY, configFolder, PATIENT_MS } from '../support/hush.js';
import { seeded } from '../support/seeded.js';
import { startMailgun } from '../support/stand-ins/mailgun.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { startSparkpost } from '../support/stand-ins/sparkpost.js';
import { pause, until } from '../support/until.js';

/*
 * Convergence under fire: contacts say no and yes at random while senders fail, lag, answer nothing, do late what was given up, and
 * limit; workers are killed with -9, Redis is flushed, the primary steps down. At the end every sender equals the decision for every
 * contact. `bench/naive-jobs.ts` puts jobs that carry events into the same fire: thousands end wrong, so it is hot.
 */
const CONTACTS = Number(process.env.HUSH_TEST_CONTACTS ?? 600);
/** Workers killed with -9 while it burns, one after the other; the primary steps down at the third. */
const KILLS = Number(process.env.HUSH_TEST_KILLS ?? 4);
/** What a writer rests (ms) after each batch: the fire lasts as long as the kills do, however much is written meanwhile. */
const REST_MS = Number(process.env.HUSH_TEST_REST_MS ?? 300);
const ROOT = path.resolve(import.meta.dirname, '../..');
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const EVENTS = { brand: 'jmf', channel: 'email', purpose: 'events' };
const TIMES = {
  lease: 8000,
  deadline: 1200,
  assertAgainAfter: 4000,
  firstRetry: 200,
  longestRetry: 1500,
};
const FIRE = {
  refused: 0.06,
  failedAfter: 0.06,
  unanswered: 0.04,
  late: 0.04,
  // Lands after the deadline and before the state is asserted again, as a call given up may.
  lateMs: 1500,
  limited: 0.02,
  lagMs: 30,
};

// The same fire for the same seed.
const seed = Number(process.env.HUSH_TEST_SEED ?? Math.floor(Math.random() * 1e9));
const random = seeded(seed);

let dir: string;
let mongo: EmbeddedStore;
let redis: EmbeddedStore;
let env: NodeJS.ProcessEnv;
const closing: (() => Promise<unknown>)[] = [];
let sendgrid: Awaited<ReturnType<typeof startSendgrid>>;
let mailgun: Awaited<ReturnType<typeof startMailgun>>;
let sparkpost: Awaited<ReturnType<typeof startSparkpost>>;
let proxies: Awaited<ReturnType<typeof startChaosProxy>>[];

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hush-convergence-'));
  // Stores of its own: it flushes one and makes the other step down.
  [mongo, redis] = await Promise.all([
    startMongo({ dataDir: path.join(dir, 'stores'), say: () => undefined }),
    startRedis({ dataDir: path.join(dir, 'stores'), say: () => undefined }),
  ]);
  sendgrid = await startSendgrid();
  mailgun = await startMailgun();
  sparkpost = await startSparkpost();
  proxies = await Promise.all([sendgrid, mailgun, sparkpost].map(({ url }) => startChaosProxy(url, random)));
  const [first, second, third] = proxies;
  const role = 'processor';
  const destinations = [
    {
      name: 'sendgrid',
      adapter: 'sendgrid',
      role,
      settings: { apiKey: sendgrid.apiKey, baseUrl: first?.url },
      bindings: [{ name: 'offers', ...OFFERS, target: { global: true } }],
    },
    {
      name: 'mailgun',
      adapter: 'mailgun',
      role,
      settings: { apiKey: mailgun.apiKey, domain: 'mail.example.com', baseUrl: second?.url },
      bindings: [
        { name: 'offers', ...OFFERS, target: { tag: 'offers' } },
        { name: 'events', ...EVENTS, target: { tag: 'events' } },
      ],
    },
    {
      name: 'sparkpost',
      adapter: 'sparkpost',
      role,
      settings: { apiKey: sparkpost.apiKey, baseUrl: third?.url },
      bindings: [{ name: 'events', ...EVENTS, target: {} }],
    },
  ];
  env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PORT: '0',
    LOG_LEVEL: 'silent',
    MONGODB_URI: mongo.url,
    REDIS_URL: redis.url,
    HUSH_API_KEY: API_KEY,
    HUSH_SECRET: 'a secret for tests that is long enough',
    HUSH_DATA_DIR: dir,
    HUSH_STORE_TIMEOUT_MS: String(PATIENT_MS),
    HUSH_CONFIG_DIR: await configFolder(dir, destinations),
    HUSH_TEST_TIMES: JSON.stringify(TIMES),
  };
});

afterAll(async () => {
  for (const close of closing.reverse()) await close();
  await Promise.all(proxies?.map((proxy) => proxy.close()) ?? []);
  await Promise.all([sendgrid?.close(), mailgun?.close(), sparkpost?.close()]);
  await Promise.all([mongo?.stop(), redis?.stop()]);
  await rm(dir, { recursive: true, force: true });
});

interface Running {
  readonly url: string;
  kill(): Promise<void>;
}

async function start(role: 'web' | 'worker'): Promise<Running> {
  const child = spawn(process.execPath, [path.join(ROOT, 'test/support/run-hush.mjs')], {
    cwd: ROOT,
    env: { ...env, HUSH_ROLE: role },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  closing.push(kill);
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /hush ready on (\S+)/.exec(said)?.[1];
      if (ready) resolve(ready);
    });
    void gone.then(() => reject(new Error(`${role} ended before it was ready: ${said}`)));
  });
  return { url, kill };
}

const addressOf = (n: number) => `fire${n}@example.com`;

test(`${CONTACTS} contacts, three senders on fire, workers killed, Redis flushed, the primary gone: all agree at the end`, async () => {
  const web = await start('web');
  let workers = await Promise.all([start('worker'), start('worker')]);
  const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
  const ask = (to: string, body?: unknown) =>
    fetch(web.url + to, body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) });

  let acknowledged = 0;
  let next = 0;
  let burning = true;
  for (const proxy of proxies) proxy.unleash(FIRE);

  /** Everybody at least once, then at random; a batch that was not acknowledged is sent again under the same ids. */
  async function writer(name: string): Promise<void> {
    for (let batch = 0; burning || next < CONTACTS; batch++) {
      const events = Array.from({ length: 25 }, (_, index) => {
        const contact = { email: addressOf(next < CONTACTS ? next++ : Math.floor(random() * CONTACTS)) };
        const scope = random() < 0.5 ? OFFERS : EVENTS;
        const type = random() < 0.6 ? 'opted_out' : 'opted_in';
        return { id: `${name}-${batch}-${index}`, contact, type, scope, source: { kind: 'api' } };
      });
      for (;;) {
        const answer = await ask('/v1/events', { events }).catch(() => undefined);
        const body = answer?.status === 200 ? ((await answer.json()) as { rejected: unknown[] }) : undefined;
        if (body?.rejected.length === 0) break;
        await pause(200);
      }
      acknowledged += events.length;
      await pause(REST_MS);
    }
  }

  const flusher = new Redis(redis.url);
  closing.push(async () => flusher.disconnect());
  const admin = await mongoose.createConnection(mongo.url).asPromise();
  closing.push(() => admin.close());
  const writers = Promise.all([writer('a'), writer('b'), writer('c')]);
  for (let kills = 1; kills <= KILLS; kills++) {
    await pause(1500);
    await flusher.flushall();
    const [victim, survivor] = workers;
    await victim?.kill();
    if (survivor) workers = [survivor, await start('worker')];
    // Alone in its set it comes back by itself; every write in flight fails meanwhile.
    if (kills === 3)
      await admin.db
        ?.admin()
        .command({ replSetStepDown: 1, force: true })
        .catch(() => undefined);
  }
  // A fire in which a sender had no luck is no test of it.
  await until(() => proxies.every(({ counts }) => counts.refused > 0 && counts.unanswered + counts.late > 0));
  burning = false;
  await writers;
  const fire = proxies.map(({ counts }) => ({ ...counts }));
  for (const proxy of proxies) proxy.unleash(undefined);

  interface Synced {
    readonly destinations: { name: string; pending: number; state: string }[];
  }
  let quiet = 0;
  await until(async () => {
    await pause(1000);
    const { destinations } = (await (await ask('/v1/destinations')).json()) as Synced;
    const waits = destinations.some(({ pending }) => pending > 0) || proxies.some((proxy) => proxy.stillToLand() > 0);
    quiet = waits ? 0 : quiet + 1;
    return quiet === 3;
  });

  const denied = async (question: object) => {
    const found = new Map<string, boolean>();
    for (let from = 0; from < CONTACTS; from += 5000) {
      const contacts = Array.from({ length: Math.min(5000, CONTACTS - from) }, (_, n) => ({
        email: addressOf(from + n),
      }));
      const { decisions } = (await (await ask('/v1/decisions/batch', { ...question, contacts })).json()) as {
        decisions: { allowed: boolean; reason: string }[];
      };
      decisions.forEach(({ allowed, reason }, n) => {
        expect(['opted_out', 'not_objected']).toContain(reason);
        found.set(addressOf(from + n), !allowed);
      });
    }
    return found;
  };
  const [offers, events] = [await denied(OFFERS), await denied(EVENTS)];
  const wrong = (held: (address: string) => boolean, wanted: Map<string, boolean>) =>
    [...wanted].filter(([address, yes]) => held(address) !== yes).map(([address]) => address);
  expect({
    seed,
    sendgrid: wrong((address) => sendgrid.global.has(address), offers),
    mailgunOffers: wrong((address) => mailgun.held.get(address)?.has('offers') === true, offers),
    mailgunEvents: wrong((address) => mailgun.held.get(address)?.has('events') === true, events),
    sparkpost: wrong((address) => sparkpost.held.get(address)?.has('non_transactional') === true, events),
  }).toEqual({ seed, sendgrid: [], mailgunOffers: [], mailgunEvents: [], sparkpost: [] });

  // Every acknowledged event is in the ledger once, those of the moment when the primary went too; and nobody was opted
  // out by a comparison that took our own entry for a stranger's.
  const ledger = mongoose.createConnection(mongo.url);
  await ledger.asPromise();
  const entries = (kind: string) =>
    ledger.useDb('hush').collection('ledger').countDocuments({ 'event.source.kind': kind });
  const found = { acknowledged: await entries('api'), compared: await entries('reconciliation') };
  await ledger.close();
  expect(found).toEqual({ acknowledged, compared: 0 });

  // Nothing is sent beyond what is new, what a retry needs and what is asserted again: when all is quiet, nothing at all.
  const before = proxies.map(({ counts }) => counts.requests);
  await pause(TIMES.assertAgainAfter + 2000);
  expect(proxies.map(({ counts }) => counts.requests)).toEqual(before);
  console.info(JSON.stringify({ seed, acknowledged, kills: KILLS, fire, requests: before }));
});
