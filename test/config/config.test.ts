import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { configurationHash, contrast, readCatalog } from '../../src/config/catalog.js';
import { readEnvironment } from '../../src/config/environment.js';
import { readPolicy } from '../../src/config/policy.js';
import { ConfigError } from '../../src/config/yaml-file.js';
import { keyringFromSecret } from '../../src/core/keys.js';
import { startRedis } from '../../src/embedded/index.js';
import { machine } from '../../src/machine.js';
import { createLinks } from '../../src/preferences/links.js';
import { checkRedis } from '../../src/queues.js';
import { program } from '../support/process.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const example = (name: string) => readFile(path.join(ROOT, 'config', name), 'utf8');
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'hush-config-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function faultOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

/** The example with one text replaced; the line on which that text was. */
async function changed(name: string, from: string | RegExp, to: string): Promise<{ file: string; line: number }> {
  const text = await example(name);
  const at = typeof from === 'string' ? text.indexOf(from) : text.search(from);
  expect(at).toBeGreaterThanOrEqual(0);
  const file = path.join(dir, name);
  await writeFile(file, text.replace(from, to));
  return { file, line: text.slice(0, at).split('\n').length };
}

describe('a fault of the catalog names file, line and remedy', () => {
  test.each<[string, string | RegExp, string, RegExp]>([
    [
      'a colour that cannot be read',
      "color: '#0b5d66'",
      "color: '#8fd3da'",
      /contrast of 1\.\d; WCAG 1\.4\.3 asks for 4\.5: choose a darker colour/,
    ],
    ['no colour', "color: '#0b5d66'", 'color: teal', /write a colour as #rrggbb/],
    ['a list instead of a colour', "color: '#0b5d66'", 'color: [teal]', /received array; write a string/],
    ['a code used twice', 'code: 2', 'code: 1', /1 is used twice; give each its own/],
    ['a code that no token can hold', 'code: 2', 'code: 256', /whole number from 1 to 255/],
    [
      'a brand that is not there',
      'brands: [jmf, shipping]',
      'brands: [jmf, shiping]',
      /there is no brand shiping; add it/,
    ],
    ['a channel that is not there', 'channels: [email, sms]', 'channels: [email, fax]', /write one of email, sms/],
    [
      'a misspelt field',
      'legalName: JM',
      'leaglName: JM',
      /unknown: leaglName; remove it or check its spelling|missing; write a string/,
    ],
    ['a postal address that is empty', /postal: 24[^\n]*/, "postal: ''", /15 USC 7704/],
    ['no YAML', 'languages: [en, es, fr, de]', 'languages: [en, es, fr, de]]', /not valid YAML: .* Correct that line/],
    [
      'an environment that lacks a name',
      /\$\{HUSH_INBOUND_DOMAIN[^}]*\}/,
      '$' + '{HUSH_NOT_SET}',
      /needs the environment to have HUSH_NOT_SET\. Set them, or write/,
    ],
    [
      'a binding to no brand',
      'jmf-offers-by-email, brand: jmf',
      'jmf-offers-by-email, brand: acme',
      /there is no brand acme/,
    ],
  ])('%s', async (_name, from, to, says) => {
    const { file, line } = await changed('catalog.yaml', from, to);
    const message = faultOf(() => readCatalog(file, {}));
    expect(message).toMatch(says);
    const lines = message.split('\n').map((item) => Number(/catalog\.yaml:(\d+): /.exec(item)?.[1]));
    expect(lines.some((found) => Math.abs(found - line) <= 1)).toBe(true);
    expect(message).not.toMatch(/\bat .*:\d+:\d+|ZodError/);
  });

  test('a file that is not there says how to name the folder', () => {
    expect(faultOf(() => readCatalog(path.join(dir, 'none.yaml')))).toMatch(
      /none\.yaml: cannot be read\. Create it, or set HUSH_CONFIG_DIR/,
    );
  });

  test('contrast is that of WCAG', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
    expect(contrast('#ffffff', '#777777')).toBe(contrast('#777777', '#ffffff'));
  });
});

describe('a fault of the policy names file, line and remedy', () => {
  test.each<[string, string | RegExp, string, RegExp]>([
    ['a jurisdiction in small letters', "'NO', GB", 'no, GB', /write an ISO 3166 code such as US or US-CA/],
    ['a channel that is not there', 'channels: [sms]', 'channels: [fax]', /write one of/],
    ['a rule for signals that we do not know', 'afterConsent: ask', 'afterConsent: never', /write one of ask, honour/],
    ['a zone that is not there', 'America/New_York', 'America/New_Yorck', /IANA time zone/],
    ['hours beyond the day', 'from: 8, to: 20', 'from: 8, to: 25', /24|hour/],
    ['records kept too short', /requestRecordMonths: \d+/, 'requestRecordMonths: 12', /11 CCR 7101/],
  ])('%s', async (_name, from, to, says) => {
    const { file } = await changed('policy.yaml', from, to);
    const message = faultOf(() => readPolicy(file));
    expect(message).toMatch(says);
    expect(message).toMatch(/policy\.yaml:\d+: /);
  });
});

describe('retired, never removed', () => {
  const point = { type: 'email', normalised: 'ana@example.com', given: 'ana@example.com' } as const;
  test('a token of a brand and topic that were retired, under a key that was replaced, works as before', async () => {
    const catalog = readCatalog(path.join(ROOT, 'config/catalog.yaml'), {});
    const first = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
    const url = () => 'https://x.example';
    const { oneClickUrl } = createLinks({ keyring: first, catalog, publicUrl: url }).forMail({
      point,
      brand: 'shipping',
      channel: 'email',
      purpose: 'promotion',
      topic: 'tips',
      campaign: '',
    });
    const token = oneClickUrl.split('/u/')[1] ?? '';
    const retired = {
      ...catalog,
      brands: catalog.brands.map((brand) => ({ ...brand, retired: brand.id === 'shipping' })),
      topics: catalog.topics.map((topic) => ({ ...topic, retired: topic.id === 'tips' })),
    };
    const rotated = { ...first, current: 2, roots: new Map([...first.roots, [2, Buffer.alloc(32, 2)]]) };
    const inTenYears = Date.now() + 10 * 365 * 86_400_000;
    const link = createLinks({ keyring: rotated, catalog: retired, publicUrl: url }).read(token, inTenYears);
    expect(link?.scope).toEqual({ brand: 'shipping', channel: 'email', purpose: 'promotion', topic: 'tips' });
    // And a changed catalog is noticed: every contact is evaluated again.
    expect(configurationHash(retired, {})).not.toBe(configurationHash(catalog, {}));
  });
});

describe('in production', () => {
  const all = {
    NODE_ENV: 'production',
    HUSH_SECRET: 'x'.repeat(48),
    MONGODB_URI: 'mongodb://host/hush?replicaSet=rs0',
    REDIS_URL: 'redis://host:6379',
    PUBLIC_URL: 'https://preferences.example.com/',
    SMTP_URL: 'smtps://host:465',
  };
  test('everything set starts, without a default', () => {
    expect(readEnvironment(all)).toMatchObject({
      production: true,
      publicUrl: 'https://preferences.example.com',
      defaulted: [],
    });
  });
  test.each(['HUSH_SECRET', 'MONGODB_URI', 'REDIS_URL', 'PUBLIC_URL', 'SMTP_URL'])(
    '%s missing is one line that says what to set',
    (name) => {
      const message = faultOf(() => readEnvironment({ ...all, [name]: '' }));
      expect(message).toMatch(new RegExp(`^Set ${name === 'HUSH_SECRET' ? 'HUSH_SECRETS_FILE' : name}: .+\\.$`));
      expect(message).not.toContain('\n');
    },
  );
  test.each<[string, string, RegExp]>([
    ['HUSH_SECRET', 'short', /HUSH_SECRET is too short\. Use at least 32/],
    ['PORT', '70000', /PORT=70000 is not a port\. Write a number/],
    ['PORT', 'http', /is not a port/],
    ['PUBLIC_URL', 'https://x.example/path', /is not an origin\. Write it as https:\/\/host/],
    ['HUSH_ROLE', 'everything', /HUSH_ROLE=everything is unknown\. Write all, web or worker/],
    ['HUSH_SECRETS_FILE', '/nowhere/secrets', /cannot be read\. Give the file to the user/],
  ])('%s=%s says what to write', (name, value, says) => {
    expect(faultOf(() => readEnvironment({ ...all, [name]: value }))).toMatch(says);
  });
  test('the program itself refuses to start, in one line and without a stack', async () => {
    const start = promisify(execFile)(process.execPath, [program('main')], {
      cwd: ROOT,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'production' },
    });
    await expect(start).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^Set HUSH_SECRETS_FILE: [^\n]+\n$/),
    });
  });
});

describe('the file of secrets', () => {
  const text = 'a long random text of a test';
  const read = async (content: string) => {
    const file = path.join(dir, 'secrets.json');
    await writeFile(file, content);
    return () => readEnvironment({ HUSH_SECRETS_FILE: file });
  };
  test('holds a lookup key, keys by id and which is current', async () => {
    const { keyring } = (await read(JSON.stringify({ lookup: text, current: 2, roots: { 1: text, 2: `${text}2` } })))();
    expect([keyring.current, [...keyring.roots.keys()]]).toEqual([2, [1, 2]]);
  });
  test.each([
    `{"lookup": "${text}"`,
    JSON.stringify({ lookup: text, current: 2, roots: { 1: text } }),
    JSON.stringify({ lookup: text, current: 1, roots: { 1: text, 300: text } }),
    JSON.stringify({ lookup: text, current: 1, roots: { '01': text, 1: text } }),
    JSON.stringify({ lookup: 'short', current: 1, roots: { 1: text } }),
    '[]',
  ])('%s is refused, and no secret is in the message', async (content) => {
    const message = faultOf(await read(content));
    expect(message).toMatch(/must hold \{"lookup"/);
    expect(message).not.toContain(text);
  });
});

test('a Redis that throws jobs away under pressure is refused, with the command that mends it', async () => {
  const store = await startRedis({ dataDir: path.join(dir, 'data'), say: () => undefined });
  const redis = new Redis(store.url);
  try {
    await checkRedis(store.url);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(checkRedis(store.url)).rejects.toThrow(
      /allkeys-lru and would drop jobs\. Run: redis-cli config set maxmemory-policy noeviction/,
    );
  } finally {
    redis.disconnect();
    await store.stop();
  }
});
