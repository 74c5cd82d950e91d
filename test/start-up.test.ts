import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { compose } from '../src/compose.js';
import { readEnvironment } from '../src/config/environment.js';
import { ConfigError } from '../src/config/yaml-file.js';
import { checkRedis } from '../src/queues.js';
import { configFolder, databaseUri, fileDestination, startHush } from './support/hush.js';
import { until } from './support/until.js';

let dir: string;
let config: string;
/** A port that is taken, by something that speaks no protocol of ours. */
let mute: Server;
let mutePort: number;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hush-start-'));
  config = await configFolder(dir, [fileDestination]);
  mute = createServer((socket) => socket.on('error', () => undefined));
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const address = mute.address();
  mutePort = typeof address === 'object' ? (address?.port ?? 0) : 0;
});
afterAll(async () => {
  mute.close();
  await rm(dir, { recursive: true, force: true });
});

const secretsFile = async (content: object): Promise<string> => {
  const file = path.join(dir, `secrets-${randomBytes(4).toString('hex')}.json`);
  await writeFile(file, JSON.stringify(content), { mode: 0o600 });
  return file;
};

/** An environment in which everything is well, but for what a test sets otherwise. */
function environmentWith(change: NodeJS.ProcessEnv, namespace = `start${randomBytes(5).toString('hex')}`) {
  return {
    MONGODB_URI: databaseUri(namespace),
    REDIS_URL: process.env.REDIS_URL,
    PORT: '0',
    HUSH_SECRET: 'a secret for tests that is long enough',
    HUSH_DATA_DIR: path.join(dir, 'data'),
    HUSH_NAMESPACE: namespace,
    HUSH_CONFIG_DIR: config,
    ...change,
  };
}

/** The one line with which a start is refused; `started` where it is not. */
async function refusal(change: NodeJS.ProcessEnv, namespace?: string): Promise<string> {
  try {
    const environment = readEnvironment(environmentWith(change, namespace));
    const hush = await compose({
      ...environment,
      mongoUri: environment.mongoUri ?? '',
      redisUrl: environment.redisUrl ?? '',
    });
    try {
      await hush.start();
    } finally {
      await hush.stores.connection.dropDatabase();
      await hush.stop();
    }
    return 'started';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('every variable, with what it cannot mean, is refused in one line that names it and says what to write', () => {
  const file = () => path.join(config, 'catalog.yaml');
  const cases: readonly (readonly [string, NodeJS.ProcessEnv | (() => NodeJS.ProcessEnv), RegExp])[] = [
    ['NODE_ENV', { NODE_ENV: 'prod' }, /Write production, development or test/],
    ['PORT', { PORT: 'http' }, /Write a number/],
    ['PORT', () => ({ PORT: String(mutePort) }), /in use/],
    ['PUBLIC_URL', { PUBLIC_URL: 'preferences.example.com' }, /Write it as https:\/\/host/],
    ['PUBLIC_URL', { PUBLIC_URL: 'https://' }, /Write it as https:\/\/host/],
    ['MONGODB_URI', { MONGODB_URI: 'garbage' }, /Write it as mongodb:\/\//],
    ['MONGODB_URI', { MONGODB_URI: 'mongodb://' }, /Write it as mongodb:\/\//],
    ['MONGODB_URI', { MONGODB_URI: 'mongodb://h/x?replicaSett=rs0' }, /replicasett.*Write it as mongodb:\/\//],
    ['MONGODB_URI', { MONGODB_URI: 'mongodb://pa@ss:w/ord@h/x' }, /Write it as mongodb:\/\//],
    ['MONGODB_URI', { MONGODB_URI: 'mongodb://user:hidden@127.0.0.1:1/x' }, /127\.0\.0\.1:1\. Start MongoDB there/],
    ['MONGODB_URI', { MONGODB_URI: 'mongodb+srv://nowhere.invalid/x' }, /nowhere\.invalid\. Start MongoDB there/],
    ['MONGODB_URI', () => ({ MONGODB_URI: `mongodb://127.0.0.1:${mutePort}/x` }), /Start MongoDB there/],
    [
      'MONGODB_URI',
      () => ({ MONGODB_URI: databaseUri('x').replace(/replicaSet=\w+/, 'replicaSet=other') }),
      /replicaSet= names its set/,
    ],
    ['REDIS_URL', { REDIS_URL: 'garbage' }, /Write it as redis:\/\//],
    ['REDIS_URL', { REDIS_URL: 'http://127.0.0.1:6379' }, /Write it as redis:\/\//],
    ['REDIS_URL', { REDIS_URL: 'redis://:hidden@127.0.0.1:1' }, /127\.0\.0\.1:1 \(ECONNREFUSED\)\. Start it there/],
    ['REDIS_URL', { REDIS_URL: 'redis://nowhere.invalid' }, /nowhere\.invalid.*Start it there/],
    ['REDIS_URL', () => ({ REDIS_URL: `redis://127.0.0.1:${mutePort}` }), /Start it there/],
    ['SMTP_URL', { SMTP_URL: 'mail.example.com' }, /Write smtps:\/\//],
    ['SMTP_URL', { SMTP_URL: 'https://mail.example.com' }, /Write smtps:\/\//],
    ['HUSH_SECRETS_FILE', { HUSH_SECRETS_FILE: '/nowhere/secrets' }, /Give the file to the user/],
    ['HUSH_SECRETS_FILE', () => ({ HUSH_SECRETS_FILE: file() }), /must hold \{"lookup"/],
    ['HUSH_API_KEY', { HUSH_API_KEY: 'two words' }, /without blanks/],
    ['HUSH_ROLE', { HUSH_ROLE: 'everything' }, /Write all, web or worker/],
    ['HUSH_DATA_DIR', () => ({ HUSH_DATA_DIR: file() }), /Name a folder/],
    ['HUSH_CONFIG_DIR', { HUSH_CONFIG_DIR: '/nowhere' }, /set HUSH_CONFIG_DIR to the folder/],
    ['HUSH_JOURNAL_DIR', () => ({ HUSH_JOURNAL_DIR: file() }), /Name a folder/],
    ['HUSH_JOURNAL_DIR', { HUSH_JOURNAL_DIR: '/dev/null/journal' }, /Name a folder/],
    ['HUSH_TRUST_PROXY', { HUSH_TRUST_PROXY: 'yes please' }, /Write how many/],
    ['HUSH_TRUST_PROXY', { HUSH_TRUST_PROXY: '10.0.0.0/99' }, /Write how many/],
    ['HUSH_NAMESPACE', { HUSH_NAMESPACE: 'a.b/c' }, /Write letters/],
    ['INBOUND_SMTP_PORT', { INBOUND_SMTP_PORT: '-1' }, /Write a number/],
    ['INBOUND_SMTP_PORT', () => ({ INBOUND_SMTP_PORT: String(mutePort) }), /in use/],
    ['INBOUND_SMTP_TLS_KEY', { INBOUND_SMTP_TLS_KEY: '/k' }, /or neither/],
    [
      'INBOUND_SMTP_TLS_KEY',
      { INBOUND_SMTP_PORT: '0', INBOUND_SMTP_TLS_KEY: '/nowhere', INBOUND_SMTP_TLS_CERT: '/nowhere' },
      /Give both files/,
    ],
    [
      'INBOUND_SMTP_TLS_KEY',
      () => ({ INBOUND_SMTP_PORT: '0', INBOUND_SMTP_TLS_KEY: file(), INBOUND_SMTP_TLS_CERT: file() }),
      /Name the two PEM files/,
    ],
    ['HUSH_SMS_NUMBERS', { HUSH_SMS_AUTH_TOKEN: 'x' }, /or neither/],
    ['HUSH_SMS_NUMBERS', { HUSH_SMS_AUTH_TOKEN: 'x', HUSH_SMS_NUMBERS: 'garbage' }, /Write pairs/],
    ['HUSH_SMS_NUMBERS', { HUSH_SMS_AUTH_TOKEN: 'x', HUSH_SMS_NUMBERS: 'ours=jmf' }, /Write pairs/],
    ['HUSH_OIDC_ISSUER', { HUSH_OIDC_ISSUER: 'login.example.com', HUSH_OIDC_CLIENT_ID: 'x' }, /Write the issuer/],
    ['HUSH_OIDC_ISSUER', { HUSH_OIDC_CLIENT_ID: 'x' }, /Set HUSH_OIDC_ISSUER/],
    ['HUSH_OIDC_CLIENT_ID', { HUSH_OIDC_ISSUER: 'https://login.example.com' }, /Set HUSH_OIDC_CLIENT_ID/],
    ['HUSH_OIDC_ROLES', { HUSH_OIDC_ROLES: 'garbage' }, /Write pairs/],
    ['HUSH_OIDC_ROLES', { HUSH_OIDC_ROLES: 'staff=king' }, /Write agent, supervisor/],
    ['HUSH_CUSTOMER_SYSTEM', { HUSH_CUSTOMER_SYSTEM: 'a:b c' }, /Write letters/],
    ['HUSH_WITNESSES', { HUSH_WITNESSES: 'garbage' }, /Write its submission prefix/],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }, /Write fatal, error/],
  ];
  test.each(cases)('%s %p', async (name, change, says) => {
    const message = await refusal(typeof change === 'function' ? change() : change);
    expect(message).toMatch(says);
    expect(message).toContain(name);
    expect(message).not.toMatch(/\n|hidden|pa@ss/);
  });

  test('and with nothing wrong, it starts', async () => {
    expect(await refusal({})).toBe('started');
  });
});

describe('in production', () => {
  const all = {
    NODE_ENV: 'production',
    HUSH_SECRET: 'x'.repeat(48),
    MONGODB_URI: 'mongodb://host/hush?replicaSet=rs0',
    REDIS_URL: 'redis://host:6379',
    PUBLIC_URL: 'https://preferences.example.com',
    SMTP_URL: 'smtps://host:465',
  };
  test.each([
    ['PUBLIC_URL', 'http://preferences.example.com', /is not https.*Write https:\/\/preferences\.example\.com/],
    ['HUSH_SECRET', 'x'.repeat(31), /too short/],
    ['HUSH_SECRET', 'development only: never use this secret for real people', /everybody knows/],
    ['HUSH_API_KEY', 'test', /too short.*hush keys create/],
    ['HUSH_OIDC_ISSUER', 'http://login.example.com', /not an https URL/],
  ])('%s=%s is refused', (name, value, says) => {
    expect(() => readEnvironment({ ...all, [name]: value })).toThrow(says);
  });

  test('what works and should not stay so is said once each, by name, and no secret is repeated', async () => {
    const secret = 'of 19 characters …';
    const file = await secretsFile({ lookup: secret, current: 2, roots: { 1: 'x'.repeat(40), 2: secret } });
    await chmod(file, 0o644);
    const key = `hk_${'y'.repeat(30)}`;
    const { warnings } = readEnvironment({
      ...all,
      PUBLIC_URL: 'http://127.0.0.1:3000',
      HUSH_SECRETS_FILE: file,
      HUSH_API_KEY: key,
      INBOUND_SMTP_TLS_KEY: file,
      INBOUND_SMTP_TLS_CERT: file,
    });
    expect(warnings).toHaveLength(6);
    expect(warnings.join('\n')).toMatch(
      /^HUSH_SECRET is not used.*\nHUSH_SECRETS_FILE: lookup, root 2 has fewer.*\nHUSH_SECRETS_FILE=.* can be read by everybody.*chmod o-rwx.*\nPUBLIC_URL=.*\nINBOUND_SMTP_TLS_KEY=.*|HUSH_API_KEY/,
    );
    for (const name of ['HUSH_SECRET ', 'HUSH_SECRETS_FILE', 'PUBLIC_URL', 'INBOUND_SMTP_TLS_KEY', 'HUSH_API_KEY']) {
      expect(warnings.filter((line) => line.startsWith(name)).length).toBeGreaterThan(0);
    }
    expect(warnings.join('\n')).not.toContain(secret);
    expect(warnings.join('\n')).not.toContain(key);
    await chmod(file, 0o640);
    expect(readEnvironment({ ...all, HUSH_SECRETS_FILE: file, HUSH_SECRET: '' }).warnings).toHaveLength(1);
    expect(readEnvironment(all).warnings).toEqual([]);
  });

  test('warnings are logged at the start', async () => {
    const file = await secretsFile({ lookup: 'x'.repeat(20), current: 1, roots: { 1: 'x'.repeat(40) } });
    const hush = await startHush({
      env: {
        NODE_ENV: 'production',
        PUBLIC_URL: 'https://x.example',
        SMTP_URL: 'smtp://127.0.0.1:9',
        HUSH_SECRETS_FILE: file,
      },
    });
    try {
      const lines = hush.logged.filter((line) => line.includes('HUSH_SECRETS_FILE: lookup has fewer'));
      expect(lines).toHaveLength(1);
      expect(hush.logged.filter((line) => line.includes('HUSH_API_KEY makes a key'))).toHaveLength(1);
    } finally {
      await hush.stop();
    }
  });

  test('a MongoDB without a replica set is refused, with what to start it with', async () => {
    const admin = new MongoClient(process.env.MONGODB_URI ?? '');
    const { argv } = await admin.db('admin').command({ getCmdLineOpts: 1 });
    await admin.close();
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await new Promise((resolve) => free.close(resolve));
    const dbpath = await mkdtemp(path.join(dir, 'standalone-'));
    const alone: ChildProcess = spawn(
      argv[0],
      ['--dbpath', dbpath, '--port', String(port), '--bind_ip', '127.0.0.1', '--nounixsocket'],
      { stdio: 'ignore' },
    );
    try {
      const uri = `mongodb://127.0.0.1:${port}/hush`;
      await until(async () => {
        const client = new MongoClient(uri, { serverSelectionTimeoutMS: 300 });
        return client
          .db('admin')
          .command({ ping: 1 })
          .then(
            () => true,
            () => false,
          )
          .finally(() => client.close());
      });
      const production = { NODE_ENV: 'production', PUBLIC_URL: 'https://x.example', SMTP_URL: 'smtp://127.0.0.1:9' };
      const message = await refusal({ ...production, MONGODB_URI: uri });
      expect(message).toMatch(/^MONGODB_URI: MongoDB at 127\.0\.0\.1:\d+ runs alone.*--replSet.*replicaSet=[^\n]*$/);
      expect(await refusal({ MONGODB_URI: uri })).toBe('started');
    } finally {
      const gone = new Promise((resolve) => alone.once('exit', resolve));
      alone.kill('SIGKILL');
      await gone;
    }
  });
});

test('a Redis that wants a password says so', async () => {
  const admin = new Redis(process.env.REDIS_URL ?? '');
  try {
    await admin.call('ACL', 'SETUSER', 'start-up', 'on', '>right', '~*', '+@all');
    const { port } = new URL(process.env.REDIS_URL ?? '');
    await expect(checkRedis(`redis://start-up:wrong@127.0.0.1:${port}`)).rejects.toThrow(
      /^REDIS_URL: Redis at 127\.0\.0\.1:\d+ refuses our password/,
    );
  } finally {
    await admin.call('ACL', 'DELUSER', 'start-up');
    admin.disconnect();
  }
});

describe('secrets', () => {
  const lookup = 'a lookup secret of a test, long enough';
  const root = (n: number) => `root ${n} of a test, which is long enough too`;
  const ring = async (parts: { lookup?: string; current?: number; roots: Record<number, string> }) => ({
    HUSH_SECRET: undefined,
    HUSH_SECRETS_FILE: await secretsFile({ lookup, current: 1, ...parts }),
  });
  const first = () => ring({ roots: { 1: root(1) } });

  test('other ones on the same database are refused, and leave nothing; the former ones start as before', async () => {
    const namespace = `start${randomBytes(5).toString('hex')}`;
    const run = async (env: NodeJS.ProcessEnv) => {
      const environment = readEnvironment(environmentWith(env, namespace));
      const hush = await compose({
        ...environment,
        mongoUri: databaseUri(namespace),
        redisUrl: environment.redisUrl ?? '',
      });
      return { hush, record: await hush.stores.installation.read() };
    };
    const { hush, record } = await run(await first());
    try {
      const otherLookup = await ring({ lookup: `${lookup}!`, roots: { 1: root(1) } });
      expect(await refused(run(otherLookup))).toMatch(
        /^HUSH_SECRETS_FILE: the lookup secret is not the one that this database was made with[^\n]*Put the former secret back[^\n]*$/,
      );
      const otherRoot = await ring({ current: 2, roots: { 1: root(9), 2: root(2) } });
      expect(await refused(run(otherRoot))).toMatch(/^HUSH_SECRETS_FILE: root 1 is not the one[^\n]*new key id\.$/);
      expect(await refused(run({ HUSH_SECRET: 'another secret, of 32 letters and more' }))).toMatch(/^HUSH_SECRET: /);
      expect(await hush.stores.installation.read()).toEqual(record);
      const rotated = await run(await ring({ current: 2, roots: { 1: root(1), 2: root(2) } }));
      expect(Object.keys(rotated.record?.roots ?? {})).toEqual(['1', '2']);
      expect(JSON.stringify(rotated.record)).not.toContain('root 1 of');
      await rotated.hush.stop();
    } finally {
      await hush.stores.connection.dropDatabase();
      await hush.stop();
    }
  });

  test('of processes that start at the same moment with different secrets, all that stay have the same', async () => {
    const hush = await startHush();
    try {
      const { installation } = hush.hush.stores;
      await hush.hush.stores.connection.collection('installation').deleteMany({});
      const secrets = Array.from({ length: 12 }, (_, n) => ({
        lookup: `lookup ${n % 3}`,
        roots: { 1: `root ${n % 2}`, [n + 2]: 'new' },
      }));
      const records = await Promise.all(secrets.map((one) => installation.register(one)));
      const last = await installation.read();
      const matching = secrets.filter((one) => one.lookup === last?.lookup && one.roots[1] === last.roots['1']);
      expect(matching.length).toBeGreaterThan(0);
      expect(new Set(records.map(({ id }) => id)).size).toBe(1);
      // Who does not match has registered nothing.
      expect(Object.keys(last?.roots ?? {}).length).toBe(matching.length + 1);
    } finally {
      await hush.stop();
    }
  });
});

async function refused(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'started',
    (error: unknown) => (error instanceof ConfigError ? error.message : String(error)),
  );
}
