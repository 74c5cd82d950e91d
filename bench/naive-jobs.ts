/**
 * What `test/journeys/convergence.test.ts` would find if jobs carried events: `npx tsx bench/naive-jobs.ts [contacts]`.
 * Every opt-out and opt-in becomes a BullMQ job with retries and backoff, sent to the same sender through the same fire. Counts the
 * contacts whose state at the sender is not the last thing they said. Here to show that the fire is hot, not to be used.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { startRedis } from '../src/embedded/index.js';
import { startChaosProxy } from '../test/support/chaos-proxy.js';
import { startSendgrid } from '../test/support/stand-ins/sendgrid.js';

const CONTACTS = Number(process.argv[2] ?? 10_000);
const DEADLINE = 1200;
const FIRE = { refused: 0.06, failedAfter: 0.06, unanswered: 0.04, late: 0.04, lateMs: 1500, limited: 0.02, lagMs: 30 };

const dir = await mkdtemp(join(tmpdir(), 'hush-naive-'));
const redis = await startRedis({ dataDir: dir, say: () => undefined });
const sender = await startSendgrid();
const proxy = await startChaosProxy(sender.url, Math.random);
const headers = { authorization: `Bearer ${sender.apiKey}`, 'content-type': 'application/json' };
const { hostname: host, port } = new URL(redis.url);
const connection = { host, port: Number(port), maxRetriesPerRequest: null };
const queue = new Queue('suppressions', { connection });

async function send(email: string, suppress: boolean): Promise<void> {
  const path = '/v3/asm/suppressions/global';
  const answer = await fetch(proxy.url + (suppress ? path : `${path}/${encodeURIComponent(email)}`), {
    method: suppress ? 'POST' : 'DELETE',
    headers,
    signal: AbortSignal.timeout(DEADLINE),
    ...(suppress ? { body: JSON.stringify({ recipient_emails: [email] }) } : {}),
  });
  await answer.text();
  if (answer.status >= 400 && answer.status !== 404) throw new Error(String(answer.status));
}

const worker = new Worker<{ email: string; suppress: boolean }>(
  'suppressions',
  ({ data }) => send(data.email, data.suppress),
  { connection, concurrency: 32 },
);
const wanted = new Map<string, boolean>();
proxy.unleash(FIRE);
const flusher = new Redis(redis.url);
try {
  const options = { attempts: 8, backoff: { type: 'exponential', delay: 200 }, removeOnComplete: true };
  for (let n = 0; n < 2.5 * CONTACTS; n += 50) {
    const jobs = Array.from({ length: 50 }, (_, index) => {
      const email = `fire${n + index < CONTACTS ? n + index : Math.floor(Math.random() * CONTACTS)}@example.com`;
      const suppress = Math.random() < 0.6;
      wanted.set(email, suppress);
      return { name: 'tell', data: { email, suppress }, opts: options };
    });
    await queue.addBulk(jobs);
    // As an operator does by mistake, and as a failover without persistence does.
    if (n > 0 && n % CONTACTS === 0) await flusher.flushall();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (;;) {
    const counts = await queue.getJobCounts('waiting', 'active', 'delayed');
    const left = (counts.waiting ?? 0) + (counts.active ?? 0) + (counts.delayed ?? 0);
    if (left === 0 && proxy.stillToLand() === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const wrong = [...wanted].filter(([email, suppress]) => sender.global.has(email) !== suppress);
  const mailed = wrong.filter(([, suppress]) => suppress).length;
  console.log(
    `${wanted.size} contacts, ${proxy.counts.requests} calls: ${wrong.length} end in the wrong state, ${mailed} of them still mailed though they said no`,
  );
} finally {
  await worker.close(true);
  await queue.close();
  flusher.disconnect();
  await proxy.close();
  await sender.close();
  await redis.stop();
  await rm(dir, { recursive: true, force: true });
}
