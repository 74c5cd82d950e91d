/**
 * A scrub and an import of many rows, and how much memory the program takes meanwhile: `npx tsx bench/lists.ts [rows] [known]`.
 * Starts Hush as `npm start` does and sends from this process, so both share the machine. Of a scrub every tenth row is
 * somebody who opted out; of an import a quarter as many rows are recorded, all of them new.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const ROWS = Number(process.argv[2] ?? 200_000);
const KNOWN = Number(process.argv[3] ?? 20_000);
const KEY = 'hk_bench_key_with_every_scope_0123456789';
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };
const ROOT = resolve(import.meta.dirname, '..');

const folder = await mkdtemp(join(tmpdir(), 'hush-bench-'));
const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'src/main.ts')], {
  cwd: ROOT,
  env: {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    PORT: '0',
    LOG_LEVEL: 'warn',
    HUSH_DATA_DIR: folder,
    HUSH_API_KEY: KEY,
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const gone = new Promise((done) => child.once('exit', done));
const url = await new Promise<string>((done, failed) => {
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
    const ready = /hush ready on (http:\/\/\S+)/.exec(said)?.[1];
    if (ready) done(ready.replace('localhost', '127.0.0.1'));
  });
  child.once('exit', (code) => failed(new Error(`ended with ${code}: ${said}`)));
});

/** MB of memory that the program has, from /proc; 0 where there is none. */
function memory(): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}

function* list(rows: number): Generator<string> {
  yield 'number,email,name\n';
  for (let from = 0; from < rows; from += 1000) {
    let text = '';
    for (let n = from; n < Math.min(rows, from + 1000); n++) {
      // Every tenth is known: he opted out.
      const email = n % 10 === 0 ? `out${(n / 10) % KNOWN}@example.com` : `new${n}@example.com`;
      text += `${n},${email},"Doe, Jane ${n}"\n`;
    }
    yield text;
  }
}

/** Sends a list and reads the answer meanwhile; seconds it took, and the most memory. */
async function send(path: string, source: Iterable<string>) {
  const before = memory();
  let most = before;
  const watching = setInterval(() => {
    most = Math.max(most, memory());
  }, 100);
  const began = performance.now();
  const sent = request(url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'text/csv' },
  });
  const answered = new Promise<IncomingMessage>((done, failed) => sent.once('response', done).once('error', failed));
  const sending = pipeline(Readable.from(source), sent);
  const response = await answered;
  let bytes = 0;
  let last = '';
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    last = String(chunk).slice(-400);
  }
  await sending;
  clearInterval(watching);
  const seconds = (performance.now() - began) / 1000;
  return { status: response.statusCode, trailers: response.trailers, bytes, last, seconds, before, most };
}

try {
  for (let from = 0; from < KNOWN; from += 1000) {
    const events = Array.from({ length: 1000 }, (_, n) => ({
      contact: { email: `out${from + n}@example.com` },
      type: 'opted_out',
      scope: OFFERS,
      source: { kind: 'api' },
    }));
    const response = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ events }),
    });
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  }
  for (const output of ['allowed', 'annotated', 'allowed']) {
    const query = new URLSearchParams({ ...OFFERS, column: 'email', output });
    const { seconds, before, most, trailers, bytes } = await send(`/v1/scrub?${query}`, list(ROWS));
    console.log(
      `scrub, ${output}: ${ROWS} rows in ${seconds.toFixed(1)} s, ${Math.round(ROWS / seconds)} a second, ${Math.round(bytes / 1e6)} MB out, memory ${Math.round(before)} → at most ${Math.round(most)} MB; ${trailers['hush-reasons']}`,
    );
  }
  function* optOuts(rows: number): Generator<string> {
    yield 'email,at\n';
    for (let n = 0; n < rows; n++) yield `legacy${n}@example.com,2019-03-01\n`;
  }
  for (const query of ['dry_run=true', 'list=legacy', 'list=legacy']) {
    const { seconds, before, most, last } = await send(`/v1/imports?${query}`, optOuts(ROWS / 4));
    const { rows, accepted, repeated } = JSON.parse(last) as { rows: number; accepted: number; repeated: number };
    console.log(
      `import, ${query}: ${rows} rows (${accepted} accepted, ${repeated} repeated) in ${seconds.toFixed(1)} s, ${Math.round(rows / seconds)} a second, memory ${Math.round(before)} → at most ${Math.round(most)} MB`,
    );
  }
} finally {
  child.kill('SIGTERM');
  await gone;
  await rm(folder, { recursive: true, force: true });
}
