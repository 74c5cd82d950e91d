/**
 * Pages of recipients a second, beside listmonk's page for the same: `npx tsx bench/pages.ts [seconds]`. Builds Hush and
 * starts it as `npm start` does (both roles, embedded MongoDB and Redis in a temporary folder), and listmonk on PostgreSQL
 * where the machine has them (bench/peers/listmonk.ts). Measured in turns, three rounds, so that all see the same machine;
 * printed are the medians. With HUSH_PROFILE=folder Hush writes a CPU profile of the whole run there; with
 * HUSH_BEFORE=folder, a built checkout of another version, that version is measured in the same run.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import autocannon from 'autocannon';
import { startListmonk } from './peers/listmonk.js';
import { type Program, ROOT, startProgram } from './program.js';

const SECONDS = Number(process.argv[2] ?? 6);
const CONNECTIONS = [1, 16, 64] as const;
const ROUNDS = 3;
/** Every second one is known, by one opt-out of a topic. */
const PEOPLE = 1000;
const KEY = 'hk_bench_key_with_every_scope_0123456789';
const OFFERS = { brand: 'jmf', channel: 'email', purpose: 'promotion' };

interface Target {
  readonly name: string;
  readonly program: Program;
  readonly paths: readonly string[];
}

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly failed: number;
  readonly bytes: number;
  /** Milliseconds of processor that the program took for a page; its database is not in it. */
  readonly processor: number | undefined;
}

async function measure({ program, paths }: Target, connections: number, seconds: number): Promise<Measured> {
  let next = 0;
  const before = await program.processorSeconds();
  const result = await autocannon({
    url: program.url,
    connections,
    duration: seconds,
    requests: [{ setupRequest: (base) => ({ ...base, path: paths[next++ % paths.length] ?? '/' }) }],
  });
  const after = await program.processorSeconds();
  const served = result['2xx'];
  return {
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
    failed: result.non2xx + result.errors + result.timeouts,
    bytes: result.throughput.total / Math.max(1, result.requests.total),
    processor:
      before === undefined || after === undefined ? undefined : (1000 * (after - before)) / Math.max(1, served),
  };
}

async function ask(hush: Program, path: string, body: unknown): Promise<unknown> {
  const response = await fetch(hush.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** The pages of Hush that are measured, for people of whom it knows every second one. */
async function hushTargets(name: string, hush: Program): Promise<Target[]> {
  const people = Array.from({ length: PEOPLE }, (_, n) => ({ email: `p${n}@example.com` }));
  const events = people
    .filter((_, n) => n % 2 === 0)
    .map((contact) => ({ contact, type: 'opted_out', scope: { ...OFFERS, topic: 'tips' }, source: { kind: 'api' } }));
  for (let from = 0; from < events.length; from += 100)
    await ask(hush, '/v1/events', { events: events.slice(from, from + 100) });
  const { links } = (await ask(hush, '/v1/links', {
    links: people.map((contact) => ({ contact, ...OFFERS })),
  })) as { links: { oneClickUrl: string; preferencesUrl: string }[] };
  const pathsOf = (of: 'oneClickUrl' | 'preferencesUrl') => links.map((link) => new URL(link[of]).pathname);
  return [
    { name: `${name}, preference page \`/p\``, program: hush, paths: pathsOf('preferencesUrl') },
    { name: `${name}, unsubscribe page \`/u\``, program: hush, paths: pathsOf('oneClickUrl') },
    { name: `${name}, form for a link \`/preferences\``, program: hush, paths: ['/preferences'] },
  ];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function row(
  name: string,
  connections: number,
  rounds: readonly Measured[],
  peer: readonly Measured[] | undefined,
): string {
  const of = (pick: (measured: Measured) => number | undefined) => median(rounds.map((round) => pick(round) ?? 0));
  const perSecond = of((round) => round.perSecond);
  const ratio = peer ? (perSecond / median(peer.map((round) => round.perSecond))).toFixed(2) : '–';
  const cells = [
    name,
    connections,
    Math.round(perSecond).toLocaleString('en'),
    of(({ p50 }) => p50),
    of(({ p99 }) => p99),
    of(({ processor }) => processor).toFixed(2),
    `${(of(({ bytes }) => bytes) / 1000).toFixed(1)} kB`,
    rounds.reduce((sum, { failed }) => sum + failed, 0),
    ratio,
  ];
  return `| ${cells.join(' | ')} |`;
}

/** Hush as `npm start` runs it, from a checkout that is built. */
function startHush(checkout: string, data: string, nodeOptions: readonly string[] = []): Promise<Program> {
  return startProgram(process.execPath, [...nodeOptions, '--enable-source-maps', join(checkout, 'dist/main.js')], {
    cwd: checkout,
    env: { PORT: '0', LOG_LEVEL: 'warn', HUSH_DATA_DIR: data, HUSH_API_KEY: KEY },
    ready: /hush ready on (http:\/\/\S+)/,
  });
}

await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT });
const folder = await mkdtemp(join(tmpdir(), 'hush-bench-'));
const { HUSH_PROFILE: profile, HUSH_BEFORE: before } = process.env;
const programs: Program[] = [];
try {
  const listmonk = await startListmonk(folder, PEOPLE);
  if (listmonk) programs.push(listmonk);
  const old = before === undefined ? undefined : await startHush(before, join(folder, 'before'));
  if (old) programs.push(old);
  const hush = await startHush(
    ROOT,
    join(folder, 'now'),
    profile === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', profile],
  );
  programs.push(hush);
  const peer = listmonk && { name: 'listmonk, subscription page', program: listmonk, paths: listmonk.pages };
  const targets: Target[] = [
    ...(peer ? [peer] : []),
    ...(old ? await hushTargets('Hush before', old) : []),
    ...(await hushTargets('Hush', hush)),
  ];
  for (const target of targets) await measure(target, 16, 3);
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)},`);
  console.log(`medians of ${ROUNDS} rounds of ${SECONDS} s\n`);
  console.log('| page | connections | a second | p50 ms | p99 ms | processor ms | size | failed | of listmonk |');
  console.log('|---|--:|--:|--:|--:|--:|--:|--:|--:|');
  for (const connections of CONNECTIONS) {
    const rounds = new Map<Target, Measured[]>(targets.map((target) => [target, []]));
    for (let round = 0; round < ROUNDS; round++)
      for (const [target, measured] of rounds) measured.push(await measure(target, connections, SECONDS));
    const peerRounds = peer && rounds.get(peer);
    for (const [{ name }, measured] of rounds) console.log(row(name, connections, measured, peerRounds));
  }
} finally {
  for (const program of programs) await program.stop();
  await rm(folder, { recursive: true, force: true });
}
