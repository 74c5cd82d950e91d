import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { startMongo, startRedis } from '../../src/embedded/index.js';
import { until } from '../support/until.js';

let dataDir: string;
const said: string[] = [];
const say = (line: string) => said.push(line);

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'hush-embedded-'));
});
afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

async function withMongo<T>(use: (client: MongoClient, port: string) => Promise<T>): Promise<T> {
  const store = await startMongo({ dataDir, say });
  const client = await new MongoClient(store.url).connect();
  try {
    return await use(client, new URL(store.url).port);
  } finally {
    await client.close();
    await store.stop();
  }
}

async function withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
  const store = await startRedis({ dataDir, say });
  const redis = new Redis(store.url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
    await store.stop();
  }
}

test('MongoDB acknowledges by its journal and keeps its data across a restart, also on another port', async () => {
  const port = await withMongo(async (client, first) => {
    const things = client
      .db()
      .collection<{ _id: number }>('things', { writeConcern: { w: 'majority', journal: true } });
    await things.insertOne({ _id: 1 });
    const { config } = await client.db('admin').command({ replSetGetConfig: 1 });
    expect(config.writeConcernMajorityJournalDefault).toBe(true);
    return first;
  });
  const remembered = join(dataDir, 'mongodb', 'made-by.json');
  const made = JSON.parse(await readFile(remembered, 'utf8'));
  expect(String(made.port)).toBe(port);
  // With no port remembered it takes any that is free, and the replica set has to move there.
  await writeFile(remembered, JSON.stringify({ ...made, port: 0 }));
  await withMongo(async (client, second) => {
    expect(second).not.toBe(port);
    expect(await client.db().collection('things').countDocuments()).toBe(1);
  });
});

test('Redis never evicts and keeps its data across a restart', async () => {
  await withRedis(async (redis) => {
    expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
    await redis.set('thing', 'kept');
  });
  await withRedis(async (redis) => {
    expect(await redis.get('thing')).toBe('kept');
  });
});

test('no server survives kill -9 of its parent, and the data opens again at once', async () => {
  const { parent, pids } = await holdStores();
  expect(pids.map(isGone)).toEqual([false, false]);
  parent.kill('SIGKILL');
  await withMongo(async (client) => {
    expect(await client.db().command({ ping: 1 })).toMatchObject({ ok: 1 });
  });
  await until(() => pids.every(isGone));
});

test('Ctrl-C reaches only the parent, which still has its stores while it shuts down', async () => {
  const { parent, pids } = await holdStores();
  const answer = line(parent);
  // What a terminal does: the signal goes to the whole process group.
  process.kill(-(parent.pid ?? Number.NaN), 'SIGINT');
  expect(await answer).toBe('alive 2');
  await until(() => pids.every(isGone));
});

test('a directory that a living process uses is refused', async () => {
  const store = await startRedis({ dataDir, say });
  try {
    await expect(startRedis({ dataDir, say })).rejects.toThrow(/in use by process \d+: stop that one first/);
  } finally {
    await store.stop();
  }
});

async function holdStores(): Promise<{ parent: ChildProcess; pids: number[] }> {
  const script = join(import.meta.dirname, 'hold-stores.ts');
  const parent = spawn(process.execPath, ['--import', 'tsx', script, dataDir], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { parent, pids: (await line(parent)).split(' ').map(Number) };
}

async function line(parent: ChildProcess): Promise<string> {
  const [text] = await once(parent.stdout ?? parent, 'data');
  return String(text).trim();
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
