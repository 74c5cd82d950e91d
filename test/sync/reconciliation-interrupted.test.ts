import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import mongoose from 'mongoose';
import { API_KEY, configFolder, databaseUri, type Hush, startHush } from '../support/hush.js';
import { type HushProcess, program, startProcess } from '../support/process.js';
import { startSendgrid } from '../support/stand-ins/sendgrid.js';
import { until } from '../support/until.js';
import { compare, type Described, happen, OFFERS, optOut, type Sendgrid, sender, stateOf } from './reconciling.js';

const LISTED = 1300;
/** ms; three processes start in it. */
const PAGES = '/v3/suppression/unsubscribes';
const root = path.resolve(import.meta.dirname, '../..');

/** Where in the list each page began that was read. */
const offsets = (server: Sendgrid) =>
  server.asked.filter((one) => one.path.endsWith('/unsubscribes')).map((one) => Number(one.query.get('offset')));

describe('a comparison that is cut off', () => {
  let sendgrid: Sendgrid;
  let dir: string;
  let env: NodeJS.ProcessEnv;
  const namespace = `recon${randomBytes(5).toString('hex')}`;
  const auth = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
  const open: HushProcess[] = [];

  beforeAll(async () => {
    sendgrid = await startSendgrid();
    for (let n = 0; n < LISTED; n++) sendgrid.global.set(`listed${n}@example.com`, 1_700_000_000 + n);
    dir = await mkdtemp(path.join(tmpdir(), 'hush-recon-'));
    env = {
      MONGODB_URI: databaseUri(namespace),
      REDIS_URL: process.env.REDIS_URL,
      HUSH_API_KEY: API_KEY,
      HUSH_SECRET: 'a secret for tests that is long enough',
      HUSH_DATA_DIR: dir,
      HUSH_NAMESPACE: namespace,
      HUSH_CONFIG_DIR: await configFolder(dir, [sender(sendgrid)]),
    };
  });
  afterAll(async () => {
    for (const hush of open) await hush.kill();
    await sendgrid?.close();
    const connection = await mongoose.createConnection(databaseUri(namespace)).asPromise();
    await connection.dropDatabase();
    await connection.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function start(): Promise<HushProcess> {
    const hush = await startProcess(env);
    open.push(hush);
    return hush;
  }
  async function state(hush: HushProcess): Promise<Described> {
    const response = await fetch(`${hush.url}/v1/destinations`, { headers: auth });
    const { destinations } = (await response.json()) as { destinations: Described[] };
    return destinations[0] as Described;
  }
  const hush = (...args: string[]) =>
    promisify(execFile)(process.execPath, [program('cli/hush'), ...args], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    });

  test('by kill -9 goes on where it was, in another process, with nothing lost and no page read twice but one', async () => {
    const first = await start();
    // The third page never comes: the process dies while it waits for it.
    sendgrid.fault({ kind: 'hang' }, 2, PAGES);
    await fetch(`${first.url}/v1/destinations/sender/reconcile`, { method: 'POST', headers: auth, body: '{}' });
    await until(async () => (await state(first)).reconciliation.read === 1000);
    await first.kill();
    open.splice(0);

    // Two at once: one of them goes on.
    const [second] = await Promise.all([start(), start()]);
    const done = await until(async () => {
      const now = await state(second);
      return now.reconciliation.state === 'finished' && now.pending === 0 && now;
    });
    expect(offsets(sendgrid)).toEqual([0, 500, 1000]);
    expect(done.reconciliation).toMatchObject({ read: LISTED, found: { unknown_here: LISTED }, drift: LISTED });
    const asked = await fetch(`${second.url}/v1/decisions/batch`, {
      method: 'POST',
      headers: auth,
      body: JSON.stringify({
        ...OFFERS,
        contacts: Array.from({ length: LISTED }, (_, n) => ({ email: `listed${n}@example.com` })),
      }),
    });
    const { decisions } = (await asked.json()) as { decisions: { allowed: boolean; reason: string }[] };
    expect(decisions.filter(({ reason }) => reason === 'opted_out')).toHaveLength(LISTED);
  });

  test('and the command line asks for one, shows it, and says what it found', async () => {
    sendgrid.global.delete('listed7@example.com');
    const { stdout } = await hush('reconcile', 'sender', '--dry-run', '--json');
    // Told a moment ago: it may not be on the list yet.
    expect(JSON.parse(stdout)).toEqual({ dryRun: true, read: LISTED - 1, found: { offers: { waiting: LISTED } } });
    await expect(hush('reconcile', 'nobody')).rejects.toMatchObject({
      stderr: expect.stringContaining('There is no destination nobody'),
    });
  });
});

describe('when the provider fails', () => {
  let sendgrid: Sendgrid;
  let hush: Hush;
  beforeAll(async () => {
    sendgrid = await startSendgrid();
    for (let n = 0; n < 700; n++) sendgrid.global.set(`listed${n}@example.com`, 1_700_000_000 + n);
    hush = await startHush({ destinations: [sender(sendgrid)], settling: 0 });
  });
  afterAll(async () => {
    await hush?.stop();
    await sendgrid?.close();
  });

  test('a rate limit is waited for, a failure is tried again, and the place in the list is kept', async () => {
    const limited = { status: 429, headers: { 'retry-after': '1' }, json: {} };
    sendgrid.fault({ kind: 'answer', answer: limited }, 1, PAGES);
    sendgrid.fault({ kind: 'cut' }, 2, PAGES);
    const { found } = await compare(hush);
    expect(found).toEqual({ unknown_here: 700 });
    expect(offsets(sendgrid)).toEqual([0, 500]);
  });

  test('refused credentials stop it where it is and are reported; resuming goes on', async () => {
    sendgrid.fault({ kind: 'answer', answer: { status: 401, json: {} } }, 1, PAGES);
    await hush.ask('/v1/destinations/sender/reconcile', {});
    const stopped = await until(async () => {
      const now = await stateOf(hush);
      return now.state === 'credentials_refused' && now.reconciliation.why !== undefined && now;
    });
    expect(stopped).toMatchObject({
      lastError: { kind: 'credentials' },
      reconciliation: { state: 'running', read: 500 },
    });
    expect(stopped.reconciliation.why).toContain('401');
    await hush.ask('/v1/destinations/sender/resume', {});
    const after = await until(async () => {
      const now = await stateOf(hush);
      return now.reconciliation.state === 'finished' && now;
    });
    expect(after).toMatchObject({ state: 'in_step', reconciliation: { read: 700, drift: 0 } });
  });
});

describe('the schedule of the catalog', () => {
  test('compares at once, then every so many hours', async () => {
    const sendgrid = await startSendgrid();
    const time = { now: Date.now() };
    const hush = await startHush({
      destinations: [sender(sendgrid, { reconcileHours: 6 })],
      machineTime: () => time.now,
      settling: 0,
    });
    try {
      const finished = async () => {
        await hush.hush.reconciling.once();
        return (await stateOf(hush)).reconciliation;
      };
      const first = await until(async () => {
        const now = await finished();
        return now.state === 'finished' && now;
      });
      expect(first.nextAt).toBe(new Date(time.now + 6 * 3_600_000).toISOString());
      await happen(hush, [optOut('vanishes@example.com')]);
      sendgrid.global.delete('vanishes@example.com');
      time.now += 6 * 3_600_000 - 60_000;
      await finished();
      await hush.settle();
      expect(sendgrid.global.has('vanishes@example.com')).toBe(false);
      time.now += 60_000;
      await until(async () => {
        await finished();
        await hush.settle();
        return sendgrid.global.has('vanishes@example.com');
      });
      expect((await stateOf(hush)).reconciliation).toMatchObject({ found: { missing_there: 1 } });
    } finally {
      await hush.stop();
      await sendgrid.close();
    }
  });
});
