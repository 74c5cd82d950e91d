import type { Logger } from 'pino';
import { utcDay } from '../core/calendar.js';
import type { Clock } from '../core/clock.js';
import { recordedAt } from '../core/clock.js';
import type { EventType } from '../core/event.js';
import type { Keyring } from '../core/keys.js';
import type { Machine } from '../core/machine.js';
import { addressOf } from '../preferences/contact-address.js';
import type { PrivateParts } from '../preferences/private-part.js';
import { createScheduler } from '../scheduler.js';
import type { TrailStore } from '../store/audit-trail.js';
import type { Contacts } from '../store/contacts.js';
import type { Leader } from '../store/leader.js';
import type { LedgerEntry } from '../store/ledger.js';
import type { LogStores } from '../store/log-stores.js';
import type { StaffApprovals } from '../store/staff-approvals.js';
import type { StaffLookup } from '../store/staff-lookup.js';
import type { StaffStatistics } from '../store/staff-statistics.js';
import { nameAndCodeHash } from './name-and-code.js';
import { bucketOf } from './time-to-suppress.js';

/** Leaves taken at once. */
const BATCH = 256;
const FOLLOW_EVERY_MS = 2000;
/** What destinations were told is written down this often (ms). */
const FLUSH = 5000;

const DENIES: ReadonlySet<EventType> = new Set<EventType>([
  'opted_out',
  'consent_withdrawn',
  'objected',
  'complained',
  'gpc_received',
]);
const GRANTS: ReadonlySet<EventType> = new Set<EventType>(['opted_in', 'consent_granted']);

/** Entries by day: how many denials and grants came through which kind of source. */
export function countByDay(entries: readonly LedgerEntry[]) {
  const counted = new Map<string, { denials: Record<string, number>; grants: Record<string, number> }>();
  for (const { event } of entries) {
    const kind = DENIES.has(event.type) ? 'denials' : GRANTS.has(event.type) ? 'grants' : undefined;
    if (!kind) continue;
    const day = utcDay(recordedAt(event.recorded));
    const counts = counted.get(day) ?? { denials: {}, grants: {} };
    counts[kind][event.source.kind] = (counts[kind][event.source.kind] ?? 0) + 1;
    counted.set(day, counts);
  }
  return counted;
}

/**
 * Follows the ledger by the leaves of its log, which are numbered without a gap: a time as the cursor would miss what is
 * recorded late. Keeps the daily counters, and the index by name and postal code; forgets what the console knows of those
 * who were erased.
 */
export function createLedgerFollower(parts: {
  readonly log: LogStores;
  readonly contacts: Contacts;
  readonly statistics: StaffStatistics;
  readonly lookup: StaffLookup;
  readonly approvals: StaffApprovals;
  readonly trail: TrailStore;
  /** What further parts keep of contacts: forgets it of those who were erased. */
  readonly forget?: readonly ((contacts: readonly Buffer[]) => Promise<void>)[];
  readonly privateParts: PrivateParts;
  readonly keyring: Keyring;
  readonly leader: Leader;
  readonly clock: Clock;
  readonly machine: Machine;
  readonly logger: Logger;
  readonly intervalMs?: number;
}) {
  const { contacts, statistics, lookup, privateParts, keyring, leader, clock, machine, logger } = parts;
  const loop = createScheduler({
    machine,
    log: logger,
    everyMs: parts.intervalMs ?? FOLLOW_EVERY_MS,
    leader,
    tasks: { 'following the ledger': round },
  });
  let synced = new Map<string, Record<string, number>>();
  let flushedAt = 0;

  async function index(entries: readonly LedgerEntry[]): Promise<void> {
    const keys = [...new Map(entries.map(({ key }) => [key.toString('hex'), key])).values()];
    const types = await contacts.find(keys, { type: 1 });
    const postal = keys.filter((key) => types.get(key.toString('hex'))?.type === 'postal');
    if (postal.length > 0) {
      const found = [...(await contacts.find(postal)).values()];
      await lookup.remember(
        found.flatMap((contact) => {
          const address = contact.keyedOnly || contact.erasing ? undefined : addressOf(privateParts, contact);
          const hash = address && nameAndCodeHash(keyring, postalFrom(address.given));
          return hash ? [{ hash, contact: contact.key }] : [];
        }),
      );
    }
    const erased = entries.filter(({ event }) => event.type === 'erased').map(({ key }) => key);
    await lookup.forget(erased);
    await parts.approvals.forget(erased);
    await parts.trail.forgetNotes(erased);
    for (const forget of parts.forget ?? []) await forget(erased);
  }

  async function follow(): Promise<void> {
    const { leaves, queue } = parts.log;
    for (;;) {
      const from = await statistics.next();
      const { size } = await leaves.reached();
      if (from >= size || loop.isStopped()) return;
      const rows = await leaves.range(from, Math.min(size, from + BATCH));
      const bodies = await queue.bodies(rows.filter((row) => row.empties === undefined));
      const entries = [...bodies.values()];
      await index(entries);
      if (!(await statistics.add(from, from + rows.length, countByDay(entries)))) return;
      if (!(await leader.hold())) return;
    }
  }

  async function flush(): Promise<void> {
    flushedAt = machine.elapsed();
    const counted = synced;
    synced = new Map();
    for (const [name, buckets] of counted) {
      await statistics.told(utcDay(clock.now()), name, buckets).catch((error: unknown) => {
        logger.warn({ err: error }, 'times to suppress could not be counted');
      });
    }
  }

  async function round(): Promise<void> {
    if (synced.size > 0 && machine.elapsed() - flushedAt > FLUSH) await flush();
    if (await leader.hold()) await follow();
  }

  return {
    once: loop.runOnce,
    start: loop.start,
    flush,

    /** Counts how long (s) it took until a destination knew. */
    synced(destination: string, seconds: readonly number[]): void {
      const buckets = synced.get(destination) ?? {};
      for (const value of seconds) {
        const bucket = bucketOf(value);
        buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      }
      synced.set(destination, buckets);
    },

    async stop(): Promise<void> {
      await loop.stop();
      await flush();
    },
  };
}

function postalFrom(address: string): { name?: string; postalCode: string } {
  const { name, postalCode } = JSON.parse(address) as { name?: unknown; postalCode?: unknown };
  return { postalCode: String(postalCode ?? ''), ...(typeof name === 'string' ? { name } : {}) };
}

export type LedgerFollower = ReturnType<typeof createLedgerFollower>;
