/**
 * Decisions a second of batches of 10,000, half of them of people we know, as JSON and as NDJSON: `npm run build && npx tsx
 * bench/batch.ts [known people]`. Beside them, in turns, Redis and MongoDB asked about the same addresses, each told the same hash: normalised
 * and hashed by this process as the program does it one by one. Medians of three rounds. With HUSH_PROFILE=folder Hush leaves a CPU profile there.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { startRedis } from '../src/embedded/index.js';
import { KEY, keyOf, knownAddress, many, median, newAddress, OFFERS, startWithKnownPeople } from './known-people.js';

const KNOWN = Number(process.argv[2] ?? 100_000);
const SIZE = 10_000;
const ROUNDS = 3;
/** Batches of one round. */
const BATCHES = 10;

const hush = await startWithKnownPeople(KNOWN);
const folder = await mkdtemp(join(tmpdir(), 'hush-bench-redis-'));
const embedded = await startRedis({ dataDir: folder, say: () => undefined });
const redis = new Redis(embedded.url);
const mongo = new MongoClient(hush.mongoUrl);
for (let from = 0; from < KNOWN; from += 10_000) {
  await redis.sadd(
    'known',
    ...Array.from({ length: Math.min(10_000, KNOWN - from) }, (_, n) => keyOf(knownAddress(from + n))),
  );
}

const addresses = (batch: number) =>
  Array.from({ length: SIZE }, (_, n) =>
    n % 2 === 0 ? knownAddress((batch * SIZE + n) % KNOWN) : newAddress(batch * SIZE + n),
  );
const post = async (type: string, body: string) => {
  const response = await fetch(`${hush.url}/v1/decisions/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': type },
    body,
  });
  const bytes = await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`${response.status} ${Buffer.from(bytes)}`);
  return bytes.byteLength;
};
const asJson = (list: readonly string[]) => JSON.stringify({ ...OFFERS, contacts: list.map((email) => ({ email })) });
const asLines = (list: readonly string[]) =>
  list.map((email) => JSON.stringify({ contact: { email }, ...OFFERS })).join('\n');
const known = mongo.db('hush').collection<{ _id: Buffer }>('contacts');
const ways: Record<string, (list: readonly string[], json: string, lines: string) => Promise<unknown>> = {
  'Hush, JSON': (_list, json) => post('application/json', json),
  'Hush, NDJSON': (_list, _json, lines) => post('application/x-ndjson', lines),
  'Redis SMISMEMBER, hashed one by one': (list) => redis.smismember('known', ...list.map(keyOf)),
  'MongoDB $in, hashed one by one': (list) =>
    known.find({ _id: { $in: list.map(keyOf) } }, { projection: { _id: 1 } }).toArray(),
};

try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${many(KNOWN)} known`);
  const seconds = await hush.metric('hush_decision_index_load_seconds');
  const bytes = await hush.metric('hush_decision_index_bytes');
  console.log(`index: ${(bytes / KNOWN).toFixed(1)} bytes a contact, loaded in ${seconds.toFixed(1)} s\n`);
  const rates = new Map<string, number[]>();
  const times = new Map<string, number[]>();
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, ask] of Object.entries(ways)) {
      let busy = 0;
      for (let batch = 0; batch < BATCHES; batch++) {
        const list = addresses(round * BATCHES + batch);
        const [json, lines] = [asJson(list), asLines(list)];
        const began = performance.now();
        await ask(list, json, lines);
        const took = performance.now() - began;
        busy += took;
        if (round > 0) times.set(name, [...(times.get(name) ?? []), took]);
      }
      // The first round warms up.
      if (round > 0) rates.set(name, [...(rates.get(name) ?? []), (BATCHES * SIZE * 1000) / busy]);
    }
  }
  console.log('| what | decisions a second | a batch, median ms | slowest ms |\n|---|--:|--:|--:|');
  for (const [name, values] of rates) {
    const took = times.get(name) ?? [];
    console.log(`| ${name} | ${many(median(values))} | ${median(took).toFixed(1)} | ${Math.max(...took).toFixed(1)} |`);
  }
} finally {
  await mongo.close();
  redis.disconnect();
  await embedded.stop();
  await hush.stop();
  await rm(folder, { recursive: true, force: true });
}
