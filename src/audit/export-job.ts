import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from 'pino';
import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import type { Machine } from '../core/machine.js';
import type { Verifier } from '../core/note.js';
import { TILE_WIDTH } from '../core/tile.js';
import { oneAtATime } from '../one-at-a-time.js';
import type { AuditExport, AuditExports } from '../store/audit-exports.js';
import type { LogStores } from '../store/log-stores.js';
import { CHAIN_START, chained, createPeriodWriter, type Period, planPeriod } from './export.js';

/** Leaves to a piece: a megabyte of lines, half of that packed. */
const STEP = 4 * TILE_WIDTH;
/** Longer than any step lasts. */
const LEASE_MS = 60_000;
const AFTER_A_FAULT = 30_000;
/** An export is begun again when somebody is erased meanwhile; more often than this is no coincidence. */
const MAX_RESTARTS = 20;

const pack = promisify<Buffer, Buffer>(gzip);

interface ExportJobsParts {
  readonly store: AuditExports;
  readonly log: LogStores;
  readonly verifiers: () => readonly Verifier[];
  readonly clock: Pick<Clock, 'now'>;
  /** Days for which an export can be fetched. */
  readonly keepDays: number;
  readonly machine: Machine;
  readonly logger: Logger;
  /** Called when there is an export to write. */
  readonly onQueued?: () => void;
  /** Leaves to a piece. */
  readonly step?: number;
}

interface ExportJobsContext extends ExportJobsParts {
  readonly leaves: number;
  readonly state: {
    stopped: boolean;
  };
}

async function periodOf(context: ExportJobsContext, job: AuditExport): Promise<Period> {
  if (job.first === undefined || job.end === undefined || job.size === undefined) {
    return planPeriod(context.log, { from: job.from, to: job.to });
  }
  const checkpoint = await context.log.checkpoints.ofSize(job.size);
  if (!checkpoint) throw new Error(`the checkpoint of size ${job.size} is gone`);
  return { from: job.from, to: job.to, first: job.first, end: job.end, checkpoint };
}

/** Goes on until the export is done, the lease is lost or the process ends. */
async function writeExport(context: ExportJobsContext, job: AuditExport, lease: string): Promise<void> {
  const { clock, store, leaves, logger } = context;
  const period = await periodOf(context, job);
  const { first, end, checkpoint } = period;
  const writer = createPeriodWriter({ stores: context.log, verifiers: context.verifiers(), period });
  let chain = job.chain ?? CHAIN_START;
  let { chunks, bytes, next = first } = job;
  let erasures = [...job.erasures];
  const until = new Date(clock.now() + (context.keepDays + 7) * DAY_MS);

  async function put(lines: readonly string[]): Promise<void> {
    for (const line of lines) chain = chained(chain, line);
    const packed = await pack(Buffer.from(`${lines.join('\n')}\n`));
    await store.keepChunk(job.id, chunks, packed, until);
    chunks++;
    bytes += packed.length;
  }
  const step = () =>
    store.step(job.id, lease, {
      first,
      end,
      size: checkpoint.size,
      next,
      chain,
      erasures,
      chunks,
      bytes,
      due: new Date(clock.now() + LEASE_MS),
    });

  if (chunks === 0) {
    await put([writer.header()]);
    if (!(await step())) return;
  }
  while (next < end) {
    if (context.state.stopped) return store.release(job.id, lease, new Date(clock.now()));
    const to = Math.min(end, next + leaves);
    const { lines, erasures: named } = await writer.leaves(next, to);
    await put(lines);
    next = to;
    erasures = [...new Set([...erasures, ...named])];
    if (!(await step())) return;
  }
  const last = await writer.erasures(erasures);
  if (!last) {
    await beginAgain(context, job, lease);
    return;
  }
  for (const line of last) chain = chained(chain, line);
  const lines = [...last, writer.end(chain)];
  const packed = await pack(Buffer.from(`${lines.join('\n')}\n`));
  await store.keepChunk(job.id, chunks, packed, until);
  await store.step(job.id, lease, {
    state: 'ready',
    chunks: chunks + 1,
    bytes: bytes + packed.length,
    readyAt: new Date(clock.now()),
    until: new Date(clock.now() + context.keepDays * DAY_MS),
  });
  logger.info({ export: job.id, leaves: end - first }, 'a period of the ledger was exported');
}

/** Its checkpoint does not have an erasure that emptied some of its leaves: all of it is written for a newer one. */
async function beginAgain(context: ExportJobsContext, job: AuditExport, lease: string): Promise<void> {
  const { store, clock } = context;
  const restarts = job.restarts + 1;
  if (restarts > MAX_RESTARTS) {
    await store.step(job.id, lease, { state: 'failed', fault: 'erasures_meanwhile' });
    return;
  }
  const { first, end, checkpoint } = await planPeriod(context.log, { from: job.from, to: job.to });
  await store.step(job.id, lease, {
    first,
    end,
    size: checkpoint.size,
    next: first,
    chain: CHAIN_START,
    erasures: [],
    chunks: 0,
    bytes: 0,
    restarts,
    due: new Date(clock.now() + 1000),
  });
}

/** Asks for the leaves sealed from `from` to `to` (ms, exclusive). Throws HushError('invalid') for no period. */
async function begin(
  context: ExportJobsContext,
  wanted: { from: number; to: number },
  by: { id: string; name: string },
): Promise<string> {
  if (!(wanted.to > wanted.from))
    throw new HushError('invalid', 'a period has a first and a last day', { remedy: 'write both as 2026-03-31' });
  const id = encodeBase32(context.machine.randomBytes(10)).toLowerCase();
  await context.store.begin({ id, ...wanted, by: by.id, byName: by.name, at: context.clock.now() });
  context.onQueued?.();
  return id;
}

/** The file, packed, a piece at a time. Throws HushError('not_found') when it is not there (any more). */
async function* file(context: ExportJobsContext, job: AuditExport): AsyncGenerator<Buffer> {
  for (let n = 0; n < job.chunks; n++) {
    const bytes = await context.store.chunk(job.id, n);
    if (!bytes) throw new HushError('not_found', 'this export is not there any more');
    yield bytes;
  }
}

/** Takes exports that wait until none does. Bears being run by several workers at once. */
async function work(context: ExportJobsContext): Promise<void> {
  const { clock, store, logger } = context;
  while (!context.state.stopped) {
    const lease = encodeBase32(context.machine.randomBytes(8));
    const now = clock.now();
    const job = await store.take(lease, new Date(now), new Date(now + LEASE_MS));
    if (!job) return;
    try {
      await writeExport(context, job, lease);
    } catch (error) {
      logger.warn({ err: error, export: job.id }, 'an export of the ledger failed; it goes on later');
      await store.release(job.id, lease, new Date(clock.now() + AFTER_A_FAULT));
    }
  }
}

/** Ends after the step that is under way; another process goes on. */
function stop(context: ExportJobsContext): void {
  context.state.stopped = true;
}

/**
 * Exports of a period in the background: in steps, each kept before the next begins, so that a process that dies loses one
 * step and another goes on. Pieces are gzip members of their own; one after the other they are one gzip file.
 */
export function createExportJobs(parts: ExportJobsParts) {
  const leaves = parts.step ?? STEP;
  const state: ExportJobsContext['state'] = { stopped: false };
  const context: ExportJobsContext = { ...parts, leaves, state };
  return {
    get: parts.store.get,
    list: parts.store.list,
    begin: (wanted: { from: number; to: number }, by: { id: string; name: string }) => begin(context, wanted, by),
    file: (job: AuditExport) => file(context, job),
    work: oneAtATime(() => work(context)),
    stop: () => stop(context),
  };
}

export type ExportJobs = ReturnType<typeof createExportJobs>;
