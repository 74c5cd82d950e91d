import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createExportJobs } from '../../src/audit/export-job.js';
import { createForget } from '../../src/audit/proofs.js';
import { verifyExport } from '../../src/audit/verify-export.js';
import { machine } from '../../src/machine.js';
import { type AuditExports, createAuditExports } from '../../src/store/audit-exports.js';
import { type Installation, openInstallation, silent } from './installation.js';

const DAY = 86_400_000;
let hush: Installation;
let store: AuditExports;
let folder: string;
const auditor = { id: 'auditor', name: 'Ada Auditor' };

beforeEach(async () => {
  hush = await openInstallation();
  // The database removes what has expired by its own clock, within a minute.
  hush.time.now = Date.now();
  store = createAuditExports(hush.connection);
  for (const model of store.models) await model.createIndexes();
  folder = await mkdtemp(join(tmpdir(), 'hush-export-'));
  const sealer = hush.sealer();
  await sealer.round();
  await hush.record(600);
  await sealer.round();
});
afterEach(async () => {
  await hush.close();
  await rm(folder, { recursive: true, force: true });
});

const jobsOn = (over: AuditExports = store) =>
  createExportJobs({
    store: over,
    log: hush.stores,
    verifiers: () => hush.signer.verifiers,
    clock: hush.clock,
    machine,
    keepDays: 7,
    logger: silent,
    step: 256,
  });
const period = () => ({ from: hush.time.now - DAY, to: hush.time.now + DAY });

async function check(jobs: ReturnType<typeof jobsOn>, id: string) {
  const job = await jobs.get(id);
  if (!job) throw new Error('no export');
  const chunks: Buffer[] = [];
  for await (const chunk of jobs.file(job)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  expect(bytes.length).toBe(job.bytes);
  const file = join(folder, `${id}.ndjson.gz`);
  await writeFile(file, bytes);
  const lines = gunzipSync(bytes).toString('utf8').trimEnd().split('\n');
  return { report: await verifyExport(file, { verifiers: hush.signer.verifiers }), lines, job };
}

test('a period is written in pieces that are one file, and it checks', async () => {
  const jobs = jobsOn();
  hush.time.now += 1000;
  const id = await jobs.begin(period(), auditor);
  expect((await jobs.get(id))?.state).toBe('waiting');
  await jobs.work();
  const { report, lines, job } = await check(jobs, id);
  expect(report).toMatchObject({ ok: true, size: 600, entries: 600, selfSigned: false });
  expect(lines.length).toBe(602);
  expect(job).toMatchObject({ state: 'ready', chunks: 5, until: hush.time.now + 7 * DAY });
});

test.each([0, 1, 2, 3])('a process that dies after step %i loses that step only: another goes on', async (dies) => {
  let steps = 0;
  const dying: AuditExports = {
    ...store,
    async step(...args) {
      if (steps++ >= dies) throw new Error('died');
      return store.step(...args);
    },
    // Dead: it cannot even give the lease back.
    release: async () => undefined,
  };
  hush.time.now += 1000;
  const id = await jobsOn(dying).begin(period(), auditor);
  await jobsOn(dying).work();
  expect((await store.get(id))?.state).toBe('running');
  let written = 0;
  const counting: AuditExports = {
    ...store,
    async keepChunk(...args) {
      written++;
      return store.keepChunk(...args);
    },
  };
  await jobsOn(counting).work();
  expect(written).toBe(0);
  hush.time.now += 61_000;
  await jobsOn(counting).work();
  // Header, three steps of leaves, the end.
  expect(written).toBe(5 - dies);
  const { report } = await check(jobsOn(), id);
  expect(report).toMatchObject({ ok: true, entries: 600 });
});

test('one that is told to stop goes on elsewhere at once', async () => {
  const first = jobsOn({
    ...store,
    async step(...args) {
      first.stop();
      return store.step(...args);
    },
  });
  hush.time.now += 1000;
  const id = await first.begin(period(), auditor);
  await first.work();
  const stopped = await store.get(id);
  expect(stopped?.state).toBe('running');
  // What is recorded meanwhile is no part of it: it goes on with the plan that it began with.
  await hush.record(300);
  await hush.sealer().round();
  await jobsOn().work();
  const { report, job } = await check(jobsOn(), id);
  expect(report).toMatchObject({ ok: true, entries: 600 });
  expect([job.size, job.end]).toEqual([stopped?.size, stopped?.end]);
});

test('an erasure while it is written has it begun again, for a checkpoint that has the erasure', async () => {
  const [victim] = await hush.stores.leaves.range(599, 600);
  let erased = false;
  const jobs = jobsOn({
    ...store,
    async keepChunk(...args) {
      await store.keepChunk(...args);
      if (erased || !victim) return;
      erased = true;
      await createForget({ stores: hush.stores })(victim.contact);
      await hush.sealer().round();
    },
  });
  hush.time.now += 1000;
  const id = await jobs.begin({ from: hush.time.now - DAY, to: hush.time.now }, auditor);
  await jobs.work();
  expect((await store.get(id))?.restarts).toBe(1);
  hush.time.now += 2000;
  await jobs.work();
  const { report, job } = await check(jobs, id);
  expect(report).toMatchObject({ ok: true, size: 600, entries: 599, emptied: 1 });
  expect(job.size).toBe(601);
});

test('no period is refused; what time took away says so', async () => {
  const jobs = jobsOn();
  await expect(jobs.begin({ from: 2, to: 2 }, auditor)).rejects.toMatchObject({ kind: 'invalid' });
  hush.time.now += 1000;
  const id = await jobs.begin(period(), auditor);
  await jobs.work();
  await hush.connection.collection('audit_export_chunks').deleteMany({});
  await expect(check(jobs, id)).rejects.toMatchObject({ kind: 'not_found' });
});
