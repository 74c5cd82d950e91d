/**
 * How fast the sealer is, and what it costs those who acknowledge: `npx tsx bench/sealing.ts [entries]`.
 * Uses MONGODB_URI, else an embedded MongoDB in a temporary folder.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { createLogSigner } from '../src/audit/log-keys.js';
import { createLogSealer } from '../src/audit/sealer.js';
import { createSealerLoop } from '../src/audit/sealer-loop.js';
import { createClock } from '../src/core/clock.js';
import { eventId, keyringFromSecret } from '../src/core/keys.js';
import { startMongo } from '../src/embedded/index.js';
import { machine } from '../src/machine.js';
import { createGroupCommit } from '../src/preferences/group-commit.js';
import { connectStore } from '../src/store/connect.js';
import { type Append, type AppendResult, createContacts } from '../src/store/contacts.js';
import { createLeaders } from '../src/store/leader.js';
import { createLedger, type LedgerEntry } from '../src/store/ledger.js';
import { createLogStores } from '../src/store/log-stores.js';

const BACKLOG = Number(process.argv[2] ?? 60_000);
/** Events a second that the log is promised to keep up with. */
const PROMISED = 1500;
const STEADY_SECONDS = 20;
const ACKNOWLEDGING_SECONDS = 6;
const TURNS = 7;
const CONNECTIONS = 64;

const folder = await mkdtemp(join(tmpdir(), 'hush-bench-'));
const embedded = process.env.MONGODB_URI ? undefined : await startMongo({ dataDir: folder, say: () => {} });
const connection = await connectStore(process.env.MONGODB_URI ?? embedded?.url ?? '', 'hush_bench_sealing');
await connection.dropDatabase();
const keyring = keyringFromSecret('only for measuring, with nothing in it', machine.randomBytes);
const ledger = createLedger(connection);
const contacts = createContacts(connection, machine);
const leaders = createLeaders(connection, machine);
const stores = createLogStores(connection, ledger, machine);
for (const model of [...ledger.models, ...contacts.models, ...leaders.models, ...stores.models])
  await model.createIndexes();
const clock = createClock(Date.now);
const signer = createLogSigner({ keyring, origin: 'bench.example/log', checkpoints: stores.checkpoints, clock });
const parts = { stores, signer, clock, machine, log: pino({ level: 'error' }) };

function entry(): LedgerEntry {
  const key = randomBytes(16);
  const recorded = clock.recorded();
  return {
    key,
    number: 1,
    event: {
      id: eventId(keyring, key),
      type: 'opted_out',
      at: Math.floor(recorded / 1024),
      recorded,
      source: { kind: 'one_click' },
      scope: { brand: 'jmf', channel: 'email', purpose: 'marketing', topic: '*' },
      sealed: randomBytes(160),
    },
  };
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const rate = (count: number, began: number) =>
  Math.round(count / ((performance.now() - began) / 1000)).toLocaleString('en');

async function backlog(): Promise<void> {
  for (let at = 0; at < BACKLOG; at += 2000)
    await ledger.insert(Array.from({ length: Math.min(2000, BACKLOG - at) }, entry));
  const sealer = createLogSealer(parts);
  const began = performance.now();
  let added = 0;
  while (added < BACKLOG) added += (await sealer.round()).added;
  console.log(`backlog: ${rate(added, began)} entries/s sealed (${added} entries)`);
}

/** Entries come at the promised rate; how old is each when the checkpoint that covers it is published? */
async function steady(): Promise<void> {
  const began = performance.now();
  const start = (await stores.leaves.reached()).size;
  const arrived: number[] = [];
  const lags: number[] = [];
  const loop = createSealerLoop({
    ...parts,
    leader: leaders.leaderFor('bench'),
    onPublished: ({ size }) => {
      for (let index = lags.length; index < size - start; index++) lags.push(performance.now() - (arrived[index] ?? 0));
    },
  });
  loop.start();
  for (let inserted = 0; inserted < PROMISED * STEADY_SECONDS; ) {
    const due =
      Math.min(PROMISED * STEADY_SECONDS, Math.floor(((performance.now() - began) / 1000) * PROMISED)) - inserted;
    if (due > 0) {
      await ledger.insert(Array.from({ length: due }, entry));
      for (let count = 0; count < due; count++) arrived.push(performance.now());
      inserted += due;
    }
    await wait(20);
  }
  while (lags.length < arrived.length) await wait(20);
  await loop.stop();
  lags.sort((a, b) => a - b);
  const at = (share: number) => Math.round(lags[Math.floor(lags.length * share)] ?? 0);
  console.log(
    `steady ${PROMISED}/s for ${STEADY_SECONDS} s: from the ledger to a published checkpoint p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(0.9999)} ms`,
  );
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[Math.floor(sorted.length / 2)]} (${sorted[0]}–${sorted.at(-1)})`;
}

/** What goes on beside the acknowledging. */
type Beside = 'nothing' | 'ledger' | 'ledger and sealer';

/**
 * Acknowledged appends while PROMISED ledger entries a second come in: as fast as 64 connections can (`pace` 0), or `pace`
 * a second. Returns the rate and the 99th percentile of an acknowledgement in ms.
 */
async function acknowledging(beside: Beside, pace: number): Promise<{ rate: number; p99: number }> {
  const sealer = createLogSealer(parts);
  while ((await sealer.round()).added > 0);
  const commit = createGroupCommit<Append, AppendResult>((appends) => contacts.append(appends));
  const loop =
    beside === 'ledger and sealer' ? createSealerLoop({ ...parts, leader: leaders.leaderFor('bench') }) : undefined;
  loop?.start();
  const began = performance.now();
  const end = began + ACKNOWLEDGING_SECONDS * 1000;
  const feeding = (async () => {
    while (beside !== 'nothing' && performance.now() < end) {
      await ledger.insert(Array.from({ length: Math.round(PROMISED / 10) }, entry));
      await wait(100);
    }
  })();
  const times: number[] = [];
  async function one(): Promise<void> {
    const { key, event } = entry();
    const asked = performance.now();
    await commit({ key, type: 'email', event });
    times.push(performance.now() - asked);
  }
  if (pace === 0) {
    const client = async () => {
      while (performance.now() < end) await one();
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, client));
  } else {
    const asked: Promise<void>[] = [];
    while (performance.now() < end) {
      const due = Math.floor(((performance.now() - began) / 1000) * pace);
      while (asked.length < due) asked.push(one());
      await wait(1);
    }
    await Promise.all(asked);
  }
  await feeding;
  await loop?.stop();
  times.sort((a, b) => a - b);
  return {
    rate: Math.round(times.length / ACKNOWLEDGING_SECONDS),
    p99: Math.round(times[Math.floor(times.length * 0.99)] ?? 0),
  };
}

try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
  await backlog();
  await steady();
  for (const pace of [0, PROMISED]) {
    // In turns: the machine is not the same from one minute to the next, and one run of each shows nothing.
    const results = new Map<Beside, { rate: number; p99: number }[]>();
    for (let turn = 0; turn < TURNS; turn++) {
      for (const beside of ['nothing', 'ledger', 'ledger and sealer'] as const) {
        results.set(beside, [...(results.get(beside) ?? []), await acknowledging(beside, pace)]);
      }
    }
    console.log(
      `acknowledging ${pace === 0 ? `as fast as ${CONNECTIONS} connections can` : `${pace}/s`}, median (least–most) of ${TURNS}:`,
    );
    for (const [beside, runs] of results) {
      const rates = spread(runs.map(({ rate }) => rate));
      console.log(`  beside ${beside}: ${rates}/s, p99 ${spread(runs.map(({ p99 }) => p99))} ms`);
    }
  }
} finally {
  await connection.dropDatabase();
  await connection.close();
  await embedded?.stop();
  await rm(folder, { recursive: true, force: true });
}
