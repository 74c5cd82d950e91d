/**
 * Time from the acknowledgement of an opt-out until a destination was told: `npx tsx bench/time-to-told.ts [seconds]`.
 * 1,000 opt-outs a minute, one by one over the API, for batch sizes 1, 50 and 1,000 at a receiver that takes 50 ms a call; then
 * the same beside a destination that is down. Starts Hush as `npm start` does, with embedded stores in a temporary folder.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { parse, stringify } from 'yaml';

const SECONDS = Number(process.argv[2] ?? 60);
const PER_MINUTE = 1000;
const SIZES = [1, 50, 1000] as const;
/** What a provider takes for a call, however many addresses it holds (ms). */
const LATENCY = 50;
const KEY = 'hk_bench_key_with_every_scope_0123456789';
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ROOT = path.resolve(import.meta.dirname, '..');
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

interface Receiver {
  readonly url: string;
  /** When each address arrived first (ms). */
  readonly told: Map<string, number>;
  calls(): number;
  close(): void;
}

async function startReceiver(answer: 200 | 503): Promise<Receiver> {
  const told = new Map<string, number>();
  let calls = 0;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      calls++;
      setTimeout(() => {
        if (answer === 200) {
          const { data } = JSON.parse(Buffer.concat(parts).toString('utf8')) as {
            data: { entries: { address: string }[] };
          };
          const now = performance.now();
          for (const { address } of data.entries) if (!told.has(address)) told.set(address, now);
        }
        response.writeHead(answer).end();
      }, LATENCY);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    told,
    calls: () => calls,
    close: () => server.close(),
  };
}

const destination = (name: string, baseUrl: string, batch: number) => ({
  name,
  adapter: 'webhook',
  role: 'processor',
  settings: { baseUrl, secret, allowPrivate: true, batch },
  bindings: [{ name: 'offers', ...OFFERS }],
});

async function startHush(destinations: readonly object[]) {
  const dir = await mkdtemp(path.join(tmpdir(), 'hush-bench-'));
  await cp(path.join(ROOT, 'config'), path.join(dir, 'config'), { recursive: true });
  const file = path.join(dir, 'config/catalog.yaml');
  await writeFile(file, stringify({ ...parse(await readFile(file, 'utf8')), destinations }));
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', path.join(ROOT, 'src/main.ts')], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      PORT: '0',
      LOG_LEVEL: 'fatal',
      HUSH_API_KEY: KEY,
      HUSH_DATA_DIR: dir,
      HUSH_CONFIG_DIR: path.join(dir, 'config'),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const url = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const ready = /hush ready on (http:\/\/\S+)/.exec(said)?.[1];
      if (ready) resolve(ready.replace('localhost', '127.0.0.1'));
    });
    child.once('exit', (code) => reject(new Error(`ended with ${code}: ${said}`)));
  });
  return {
    url,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Opts out one person after the other at a steady rate; resolves with when each was acknowledged (ms). */
async function optOuts(url: string): Promise<Map<string, number>> {
  const acknowledged = new Map<string, number>();
  const total = Math.round((SECONDS * PER_MINUTE) / 60);
  const began = performance.now();
  const open: Promise<void>[] = [];
  for (let n = 0; n < total; n++) {
    const due = began + (n * 60_000) / PER_MINUTE;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    const email = `told${n}@example.com`;
    open.push(
      fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({ events: [{ contact: { email }, type: 'opted_out', scope: OFFERS }] }),
      }).then(async (response) => {
        if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
        acknowledged.set(email, performance.now());
        await response.arrayBuffer();
      }),
    );
  }
  await Promise.all(open);
  return acknowledged;
}

const at = (sorted: readonly number[], share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);

async function measure(size: number, beside: 'alone' | 'beside one that is down'): Promise<void> {
  const receiver = await startReceiver(200);
  const down = await startReceiver(503);
  const hush = await startHush([
    destination('measured', receiver.url, size),
    ...(beside === 'alone' ? [] : [destination('down', down.url, size)]),
  ]);
  const acknowledged = await optOuts(hush.url);
  const end = performance.now() + 120_000;
  while (receiver.told.size < acknowledged.size && performance.now() < end) await new Promise((r) => setTimeout(r, 50));
  const times = [...acknowledged]
    .map(([email, time]) => (receiver.told.get(email) ?? Number.POSITIVE_INFINITY) - time)
    .sort((a, b) => a - b);
  const missing = times.filter((time) => !Number.isFinite(time)).length;
  process.stdout.write(
    `| ${size} | ${beside} | ${times.length} | ${at(times, 0.5)} ms | ${at(times, 0.99)} ms | ${at(times, 1)} ms | ${receiver.calls()} | ${missing} |\n`,
  );
  await hush.stop();
  receiver.close();
  down.close();
}

process.stdout.write(
  `${cpus().length} cores, Node ${process.versions.node}, ${PER_MINUTE} opt-outs a minute for ${SECONDS} s\n`,
);
process.stdout.write(
  '| batch | | opt-outs | p50 | p99 | longest | calls | not told |\n|--:|---|--:|--:|--:|--:|--:|--:|\n',
);
for (const size of SIZES) await measure(size, 'alone');
for (const size of [1, 50]) await measure(size, 'beside one that is down');
