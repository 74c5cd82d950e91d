/**
 * Rows a second of a scrub, and what a single decision waits meanwhile: `npm run build && npx tsx bench/scrub.ts [rows]
 * [known people]`. Every tenth row is somebody who opted out. Hush runs as `npm start` runs it; the list is sent and read by
 * this process, on the same machine. Medians of three rounds. With HUSH_PROFILE=folder it leaves a CPU profile there.
 */
import { type IncomingMessage, request } from 'node:http';
import { cpus } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { KEY, knownAddress, many, median, newAddress, OFFERS, startWithKnownPeople } from './known-people.js';
import { duckdbScrub } from './peers/duckdb.js';

const ROWS = Number(process.argv[2] ?? 500_000);
const KNOWN = Number(process.argv[3] ?? 100_000);
const ROUNDS = 3;

const pieces: string[] = [];
for (let from = 0; from < ROWS; from += 1000) {
  let text = '';
  for (let n = from; n < Math.min(ROWS, from + 1000); n++)
    text += `${n},${n % 10 === 0 ? knownAddress((n / 10) % KNOWN) : newAddress(n)},"Doe, Jane ${n}"\n`;
  pieces.push(text);
}
const list = ['number,email,name\n', ...pieces];

const hush = await startWithKnownPeople(KNOWN);
const headers = { authorization: `Bearer ${KEY}` };

async function scrub(output: string) {
  const began = performance.now();
  const query = new URLSearchParams({ ...OFFERS, column: 'email', output });
  const sent = request(`${hush.url}/v1/scrub?${query}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/csv' },
  });
  const answered = new Promise<IncomingMessage>((done, failed) => sent.once('response', done).once('error', failed));
  const sending = pipeline(Readable.from(list, { highWaterMark: 8 }), sent);
  const response = await answered;
  let bytes = 0;
  for await (const chunk of response) bytes += (chunk as Buffer).length;
  await sending;
  if (response.trailers['hush-rows'] !== String(ROWS))
    throw new Error(`not whole: ${JSON.stringify(response.trailers)}`);
  return { perSecond: ROWS / ((performance.now() - began) / 1000), reasons: response.trailers['hush-reasons'], bytes };
}

/** What single decisions take (ms) until `isOver`. */
async function singleDecisions(isOver: () => boolean): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; !isOver(); n++) {
    const began = performance.now();
    const response = await fetch(`${hush.url}/v1/decisions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ contact: { email: knownAddress(n % KNOWN) }, ...OFFERS }),
    });
    await response.text();
    times.push(performance.now() - began);
    await new Promise((done) => setTimeout(done, 10));
  }
  return times.sort((a, b) => a - b);
}

try {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${many(ROWS)} rows, ${many(KNOWN)} known\n`,
  );
  console.log(
    `index: ${many(await hush.metric('hush_decision_index_entries'))} entries, ${((await hush.metric('hush_decision_index_bytes')) / KNOWN).toFixed(1)} bytes each`,
  );
  await scrub('allowed');
  const results = new Map<string, number[]>();
  const note = (name: string, perSecond: number) => results.set(name, [...(results.get(name) ?? []), perSecond]);
  const before = await hush.metric('process_resident_memory_bytes');
  let most = before;
  for (let round = 0; round < ROUNDS; round++) {
    for (const output of ['allowed', 'denied', 'annotated']) {
      const { perSecond } = await scrub(output);
      note(`Hush, ${output}`, perSecond);
      most = Math.max(most, await hush.metric('process_resident_memory_bytes'));
    }
    for (const [name, perSecond] of Object.entries(await duckdbScrub(list, KNOWN, knownAddress))) note(name, perSecond);
  }
  console.log('| what | rows a second |\n|---|--:|');
  for (const [name, values] of results) console.log(`| ${name} | ${many(median(values))} |`);
  console.log(`\nmemory ${Math.round(before / 1e6)} → ${Math.round(most / 1e6)} MB`);
  let isOver = false;
  const singles = singleDecisions(() => isOver);
  for (let round = 0; round < ROUNDS; round++) await scrub('allowed');
  isOver = true;
  const times = await singles;
  const at = (share: number) => times[Math.floor(times.length * share)]?.toFixed(1);
  console.log(
    `single decisions beside a scrub: p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${times.at(-1)?.toFixed(1)} ms of ${times.length}`,
  );
} finally {
  await hush.stop();
}
