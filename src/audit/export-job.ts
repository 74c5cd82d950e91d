import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Logger } from 'pino';
import { encodeBase32 } from '../core/base32.js';
import { DAY_MS } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import type { Verifier } from '../core/note.js';
import { TILE_WIDTH } from '../core/tile.js';
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

/**
 * Exports of a period in the background: in steps, each kept before the next begins, so that a process that dies loses one
 * step and another goes on. Pieces are gzip members of their own; one after the other they are one gzip file.
 */
export function createExportJobs(parts: {
  readonly store: AuditExports;
  readonly log: LogStores;
  readonly verifiers: () => readonly Verifier[];
  readonly clock: Pick<Clock, 'now'>;
  /** Days for which an export can be fetched. */
  readonly keepDays: number;
  readonly logger: Logger;
  /** Called when there is an export to write. */
  readonly onQueued?: () => void;
  /** Leaves to a piece. */
  readonly step?: number;
}) {
  const { store, clock, logger, step: leaves = STEP } = parts;
  let stopped = false;

  async function plan(job: AuditExport): Promise<Period> {
    if (job.first === undefined || job.end === undefined || job.size === undefined) {
      return planPeriod(parts.log, { from: job.from, to: job.to });
    }
    const checkpoint = await parts.log.checkpoints.ofSize(job.size);
    if (!checkpoint) throw new Error(`the checkpoint of size ${job.size} is gone`);
    return { from: job.from, to: job.to, first: job.first, end: job.end, checkpoint };
  }

  /** Goes on until the export is done, the lease is lost or the process ends. */
  async function run(job: AuditExport, lease: string): Promise<void> {
    const period = await plan(job);
    const { first, end, checkpoint } = period;
    const writer = createPeriodWriter({ stores: parts.log, verifiers: parts.verifiers(), period });
    let chain = job.chain ?? CHAIN_START;
    let { chunks, bytes, next = first } = job;
    let erasures = [...job.erasures];
    const until = new Date(clock.now() + (parts.keepDays + 7) * DAY_MS);

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
      if (stopped) return store.release(job.id, lease, new Date(clock.now()));
      const to = Math.min(end, next + leaves);
      const { lines, erasures: named } = await writer.leaves(next, to);
      await put(lines);
      next = to;
      erasures = [...new Set([...erasures, ...named])];
      if (!(await step())) return;
    }
    const last = await writer.erasures(erasures);
    if (!last) {
      await beginAgain(job, lease);
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
      until: new Date(clock.now() + parts.keepDays * DAY_MS),
    });
    logger.info({ export: job.id, leaves: end - first }, 'a period of the ledger was exported');
  }

  /** Its checkpoint does not have an erasure that emptied some of its leaves: all of it is written for a newer one. */
  async function beginAgain(job: AuditExport, lease: string): Promise<void> {
    const restarts = job.restarts + 1;
    if (restarts > MAX_RESTARTS) {
      await store.step(job.id, lease, { state: 'failed', fault: 'erasures_meanwhile' });
      return;
    }
    const { first, end, checkpoint } = await planPeriod(parts.log, { from: job.from, to: job.to });
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

  return {
    get: store.get,
    list: store.list,

    /** Asks for the leaves sealed from `from` to `to` (ms, exclusive). Throws HushError('invalid') for no period. */
    async begin(wanted: { from: number; to: number }, by: { id: string; name: string }): Promise<string> {
      if (!(wanted.to > wanted.from))
        throw new HushError('invalid', 'a period has a first and a last day', { remedy: 'write both as 2026-03-31' });
      const id = encodeBase32(randomBytes(10)).toLowerCase();
      await store.begin({ id, ...wanted, by: by.id, byName: by.name, at: clock.now() });
      parts.onQueued?.();
      return id;
    },

    /** The file, packed, a piece at a time. Throws HushError('not_found') when it is not there (any more). */
    async *file(job: AuditExport): AsyncGenerator<Buffer> {
      for (let n = 0; n < job.chunks; n++) {
        const bytes = await store.chunk(job.id, n);
        if (!bytes) throw new HushError('not_found', 'this export is not there any more');
        yield bytes;
      }
    },

    /** Takes exports that wait until none does. Bears being run by several workers at once. */
    async work(): Promise<void> {
      while (!stopped) {
        const lease = encodeBase32(randomBytes(8));
        const now = clock.now();
        const job = await store.take(lease, new Date(now), new Date(now + LEASE_MS));
        if (!job) return;
        try {
          await run(job, lease);
        } catch (error) {
          logger.warn({ err: error, export: job.id }, 'an export of the ledger failed; it goes on later');
          await store.release(job.id, lease, new Date(clock.now() + AFTER_A_FAULT));
        }
      }
    },

    /** Ends after the step that is under way; another process goes on. */
    stop(): void {
      stopped = true;
    },
  };
}

export type ExportJobs = ReturnType<typeof createExportJobs>;
