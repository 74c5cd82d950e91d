/**
 * One-click acknowledgements and decisions a second, beside a bare Express route and one that makes one write a request:
 * `npx tsx bench/acknowledging.ts [seconds]`. Starts Hush as `npm start` does (both roles, embedded MongoDB and Redis in a
 * temporary folder) and measures it from another process, in turns with the others so that all see the same machine. After
 * each turn Hush projects, seals and tells what it took before the next begins.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import autocannon from 'autocannon';
import { startMongo } from '../src/embedded/index.js';

const SECONDS = Number(process.argv[2] ?? 8);
const CONNECTIONS = [1, 16, 64] as const;
/** Different people, as a campaign has: each link is posted to about once. */
const PEOPLE = 20_000;
const KEY = 'hk_bench_key_with_every_scope_0123456789';
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ROOT = resolve(import.meta.dirname, '..');

interface Program {
  readonly url: string;
  stop(): Promise<void>;
}

async function start(file: string, env: NodeJS.ProcessEnv): Promise<Program> {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', join(ROOT, file)], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((done, failed) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /hush ready on (http:\/\/\S+)/.exec(said)?.[1];
      if (ready) done(ready.replace('localhost', '127.0.0.1'));
    });
    child.once('exit', (code) => failed(new Error(`${file} ended with ${code}: ${said}`)));
  });
  return {
    url,
    async stop() {
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await gone;
    },
  };
}

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
}

async function measure(
  connections: number,
  url: string,
  request: () => Partial<autocannon.Request>,
  seconds = SECONDS,
): Promise<Measured> {
  const result = await autocannon({
    url,
    connections,
    duration: seconds,
    requests: [{ setupRequest: (base) => ({ ...base, ...request() }) }],
  });
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
  };
}

const folder = await mkdtemp(join(tmpdir(), 'hush-bench-'));
const hush = await start('src/main.ts', {
  PORT: '0',
  LOG_LEVEL: 'warn',
  HUSH_DATA_DIR: folder,
  HUSH_API_KEY: KEY,
  HUSH_FILE_DESTINATION: join(folder, 'suppressions'),
});
const mongo = await startMongo({ dataDir: join(folder, 'bare'), say: () => undefined });
const bare = await start('bench/bare-express.ts', { MONGODB_URI: mongo.url });
const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
const ask = async (path: string, body: unknown) => {
  const response = await fetch(hush.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json() as Promise<Record<string, unknown>>;
};

try {
  const paths: string[] = [];
  for (let from = 0; from < PEOPLE; from += 1000) {
    const links = Array.from({ length: 1000 }, (_, n) => ({
      contact: { email: `p${from + n}@example.com` },
      ...OFFERS,
    }));
    const answer = (await ask('/v1/links', { links })) as unknown as { links: { oneClickUrl: string }[] };
    paths.push(...answer.links.map(({ oneClickUrl }) => new URL(oneClickUrl).pathname));
  }
  let next = 0;
  const click = () => ({
    method: 'POST' as const,
    path: paths[next++ % paths.length] ?? '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'List-Unsubscribe=One-Click',
  });
  /** What was taken is told: the next turn begins with a machine at rest. */
  const settled = async () => {
    for (let quiet = 0; quiet < 4; ) {
      const response = await fetch(`${hush.url}/v1/destinations`, { headers });
      const { destinations } = (await response.json()) as { destinations: { pending: number }[] };
      quiet = destinations.some(({ pending }) => pending > 0) ? 0 : quiet + 1;
      await new Promise((done) => setTimeout(done, 500));
    }
  };
  await measure(16, hush.url, click, 3);
  await settled();
  await measure(16, bare.url, click, 2);
  const row = (name: string, connections: number, m: Measured) =>
    console.log(
      `| ${name} | ${connections} | ${Math.round(m.perSecond).toLocaleString('en')} | ${m.p50} | ${m.p99} | ${m.failed} |`,
    );
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${SECONDS} s each\n`);
  console.log('| what | connections | a second | p50 ms | p99 ms | failed |\n|---|--:|--:|--:|--:|--:|');
  const write = () => ({ ...click(), path: `/w/${next}` });
  for (const connections of CONNECTIONS) {
    row('one-click, acknowledged', connections, await measure(connections, hush.url, click));
    await settled();
    row('Express, one write a request', connections, await measure(connections, bare.url, write));
    row('Express, no write', connections, await measure(connections, bare.url, click));
  }
  let asked = 0;
  for (const connections of CONNECTIONS) {
    const decide = () => ({
      method: 'POST' as const,
      path: '/v1/decisions',
      // A copy: the load generator writes the length of the body into it.
      headers: { ...headers },
      body: JSON.stringify({ contact: { email: `p${asked++ % (2 * PEOPLE)}@example.com` }, ...OFFERS }),
    });
    row('decision, one a request', connections, await measure(connections, hush.url, decide));
  }
  const contacts = Array.from({ length: 10_000 }, (_, n) => ({ email: `p${n * 4}@example.com` }));
  const times: number[] = [];
  for (let round = 0; round < 12; round++) {
    const began = performance.now();
    await ask('/v1/decisions/batch', { ...OFFERS, contacts });
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)] ?? 0;
  console.log(
    `\nbatch of 10,000 decisions, half of them of contacts we know: median ${Math.round(median)} ms, slowest ${Math.round(times.at(-1) ?? 0)} ms, ${Math.round(1e7 / median).toLocaleString('en')} decisions a second`,
  );
} finally {
  await hush.stop();
  await bare.stop();
  await mongo.stop();
  await rm(folder, { recursive: true, force: true });
}
