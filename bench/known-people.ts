/** Hush as `npm start` runs it, on a database in which many people have opted out already. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import { configurationHash, readCatalog } from '../src/config/catalog.js';
import { readPolicy } from '../src/config/policy.js';
import { normaliseContact } from '../src/core/contact-point.js';
import type { ContactEvent } from '../src/core/event.js';
import { EMPTY_STATE, fold } from '../src/core/fold.js';
import { contactKeyBytes, eventId, keyringFromSecret } from '../src/core/keys.js';
import { startMongo } from '../src/embedded/index.js';
import { machine } from '../src/machine.js';
import { type Program, ROOT, startProgram } from './program.js';

export const KEY = 'hk_bench_key_with_every_scope_0123456789';
export const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' } as const;
const SECRET = 'a secret of the bench that is long enough';
const NAMESPACE = 'hush';
export const keyring = keyringFromSecret(SECRET, machine.randomBytes);
/** Of the n-th person who opted out, and of the n-th whom nobody knows. */
export const knownAddress = (n: number): string => `known.person${n}@example.com`;
export const newAddress = (n: number): string => `new.person${n}@example.org`;
export const keyOf = (email: string): Buffer => contactKeyBytes(keyring, normaliseContact({ email }));

/** A contact as it is stored once its opt-out is projected. */
function contactOf(n: number, configuration: string) {
  const key = keyOf(knownAddress(n));
  const at = Date.UTC(2025, 0, 1) + n * 1000;
  const event: ContactEvent = {
    id: eventId(keyring, key),
    type: 'opted_out',
    scope: {
      brand: OFFERS.brand,
      channel: OFFERS.channel,
      purpose: n % 2 === 0 ? OFFERS.purpose : 'marketing',
      topic: '*',
    },
    at,
    recorded: at,
    source: { kind: 'one_click' },
  };
  return {
    _id: key,
    type: 'email',
    rev: 1,
    entries: 1,
    state: fold(EMPTY_STATE, [event]),
    pending: [],
    overflow: 0,
    keyedOnly: true,
    configuration,
    firstSeen: new Date(at),
  };
}

export interface KnownPeople extends Program {
  readonly mongoUrl: string;
  /** What `/metrics` says of one metric. */
  metric(name: string): Promise<number>;
}

/** @param profile folder for a CPU profile of Hush, if any */
export async function startWithKnownPeople(count: number, profile = process.env.HUSH_PROFILE): Promise<KnownPeople> {
  const folder = await mkdtemp(join(tmpdir(), 'hush-bench-'));
  const mongo = await startMongo({ dataDir: join(folder, 'data'), say: () => undefined });
  const client = new MongoClient(mongo.url);
  const contacts = client.db(NAMESPACE).collection<{ _id: Buffer }>('contacts');
  const config = join(ROOT, 'config');
  const configuration = configurationHash(
    readCatalog(join(config, 'catalog.yaml')),
    readPolicy(join(config, 'policy.yaml')),
  );
  for (let from = 0; from < count; from += 5000) {
    const rows = Array.from({ length: Math.min(5000, count - from) }, (_, n) => contactOf(from + n, configuration));
    await contacts.insertMany(rows, { ordered: false, writeConcern: { w: 1 } });
  }
  const uri = new URL(mongo.url.replace(/^mongodb:/, 'http:'));
  uri.pathname = `/${NAMESPACE}`;
  const program = await startProgram(
    process.execPath,
    [...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []), join(ROOT, 'dist/main.js')],
    {
      env: {
        PORT: '0',
        LOG_LEVEL: 'warn',
        MONGODB_URI: uri.href.replace(/^http:/, 'mongodb:'),
        HUSH_NAMESPACE: NAMESPACE,
        HUSH_ROLE: process.env.HUSH_ROLE ?? 'all',
        HUSH_SECRET: SECRET,
        HUSH_DATA_DIR: join(folder, 'hush'),
        HUSH_API_KEY: KEY,
      },
      ready: /hush ready on (http:\/\/\S+)/,
    },
  );
  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`${program.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  };
  const began = performance.now();
  while ((await metric('hush_decision_index_current')) === 0 && performance.now() - began < 60_000) {
    await new Promise((done) => setTimeout(done, 50));
  }
  return {
    ...program,
    mongoUrl: mongo.url,
    metric,
    async stop() {
      await program.stop();
      await client.close();
      await mongo.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export const many = (value: number): string => Math.round(value).toLocaleString('en');
