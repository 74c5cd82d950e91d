import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import pino from 'pino';
import { parse, stringify } from 'yaml';
import { type ComposeOptions, compose, type Installation } from '../../src/compose.js';
import { readEnvironment } from '../../src/config/environment.js';
import { databaseUri, useDatabase } from './databases.js';

export const API_KEY = 'hk_test_key_with_every_scope_0123456789';
/** What the database may take (ms) where its being slow is not what is tested: no machine is that slow. */
export const PATIENT_MS = 60_000;
const ROOT = path.resolve(import.meta.dirname, '../..');

/** A folder with the example configuration, its destinations replaced. */
export async function configFolder(
  dir: string,
  destinations: readonly object[],
  change?: (catalog: Record<string, unknown>) => void,
  changePolicy?: (policy: Record<string, unknown>) => void,
): Promise<string> {
  const folder = path.join(dir, 'config');
  await cp(path.join(ROOT, 'config'), folder, { recursive: true });
  const catalog = parse(await readFile(path.join(folder, 'catalog.yaml'), 'utf8'));
  catalog.destinations = destinations;
  change?.(catalog);
  await writeFile(path.join(folder, 'catalog.yaml'), stringify(catalog));
  if (changePolicy) {
    const policy = parse(await readFile(path.join(folder, 'policy.yaml'), 'utf8'));
    changePolicy(policy);
    await writeFile(path.join(folder, 'policy.yaml'), stringify(policy));
  }
  return folder;
}

/** A file destination for offers of JM Facets, in the test's own folder. */
export const fileDestination = {
  name: 'file',
  adapter: 'file',
  role: 'processor',
  settings: { folder: 'suppressions', format: 'ndjson' },
  bindings: [{ name: 'offers', brand: 'jmf', channel: 'email', purpose: 'promotion' }],
};

export { databaseUri } from './databases.js';

/** What is left of an installation that was ended for good. */
const AFTERWARDS = ['url', 'dir', 'namespace'];
const hasEnded = async () => undefined;

export interface HushOptions extends ComposeOptions {
  readonly destinations?: readonly object[];
  readonly env?: NodeJS.ProcessEnv;
  /** Goes on in the folder and database of an earlier one. */
  readonly from?: Pick<Hush, 'dir' | 'namespace'>;
  readonly changeCatalog?: (catalog: Record<string, unknown>) => void;
  readonly changePolicy?: (policy: Record<string, unknown>) => void;
}

export interface Hush {
  readonly url: string;
  readonly dir: string;
  readonly namespace: string;
  readonly hush: Installation;
  /** Every line logged. */
  readonly logged: string[];
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Asks the API and expects 200. */
  ask<T = Record<string, unknown>>(path: string, body?: unknown): Promise<T>;
  decide(
    contact: object,
    purpose?: string,
    more?: object,
  ): Promise<{ allowed: boolean; reason: string; receipt?: string }>;
  /** Everything projected, everything due told. */
  settle(): Promise<void>;
  stop(keep?: boolean): Promise<void>;
}

/** An installation of its own in this process: own database, own folder, free port. */
export async function startHush(options: HushOptions = {}): Promise<Hush> {
  const { destinations = [fileDestination], env = {}, from, changeCatalog, changePolicy, ...rest } = options;
  const dir = from?.dir ?? (await mkdtemp(path.join(tmpdir(), 'hush-test-')));
  const database = useDatabase(from?.namespace);
  const namespace = database.name;
  const logged: string[] = [];
  const log = pino(
    { level: 'trace' },
    new Writable({
      write(chunk, _encoding, done) {
        logged.push(String(chunk));
        done();
      },
    }),
  );
  const environment = readEnvironment({
    MONGODB_URI: databaseUri(namespace),
    REDIS_URL: process.env.REDIS_URL,
    PORT: '0',
    HUSH_SECRET: 'a secret for tests that is long enough',
    HUSH_API_KEY: API_KEY,
    HUSH_DATA_DIR: dir,
    HUSH_NAMESPACE: namespace,
    HUSH_STORE_TIMEOUT_MS: String(PATIENT_MS),
    HUSH_CONFIG_DIR: await configFolder(dir, destinations, changeCatalog, changePolicy),
    // Its change stream sees every write of every test: started by the tests that are about it.
    HUSH_DECISION_INDEX: 'off',
    ...env,
  });
  const hush = await compose(
    { ...environment, mongoUri: environment.mongoUri ?? '', redisUrl: environment.redisUrl ?? '' },
    // Its clients are ours, and nothing of theirs is on its way when it is stopped.
    { sweepMs: 300, patience: { quiet: 0 }, ...rest, log: rest.log ?? log },
  );
  const { port } = await hush.start();
  const url = `http://localhost:${port}`;
  const auth = { authorization: `Bearer ${API_KEY}` };

  const get: Hush['get'] = (to, headers = {}) =>
    fetch(url + to, { headers: { ...auth, ...headers }, redirect: 'manual' });
  const post: Hush['post'] = (to, body, headers = {}) =>
    fetch(url + to, {
      method: 'POST',
      redirect: 'manual',
      headers: { ...auth, 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  async function ask<T>(to: string, body?: unknown): Promise<T> {
    const response = body === undefined ? await get(to) : await post(to, body);
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${to}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  const started: Hush = {
    url,
    dir,
    namespace,
    hush,
    logged,
    get,
    post,
    ask,
    decide: (contact, purpose = 'promotion', more = {}) =>
      ask('/v1/decisions', { contact, brand: 'jmf', channel: 'email', purpose, ...more }),
    async settle() {
      await hush.projection.settle();
      await hush.projection.sweep();
      for (const bound of hush.destinations.values()) await hush.worker.work(bound);
    },
    async stop(keep = false) {
      const { connection } = hush.stores;
      const isElsewhere = environment.mongoUri !== databaseUri(namespace);
      if (isElsewhere && !keep) await connection.dropDatabase().catch(() => undefined);
      await hush.stop();
      await database.leave(keep);
      if (keep) return;
      await rm(dir, { recursive: true, force: true });
      // A test file's own variable holds this for as long as the process lives, and a process runs a hundred files.
      for (const name of Object.keys(started)) if (!AFTERWARDS.includes(name)) Reflect.deleteProperty(started, name);
      Object.assign(started, { stop: hasEnded });
    },
  };
  return started;
}
