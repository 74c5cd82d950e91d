import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DecisionIndex } from './preferences/decision-index.js';

const FAST = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
const SLOW = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 86_400];

/** What is measured of an installation. Labels are names from the catalog and fixed words, never anything of a person. */
export function createMetrics(parts: {
  readonly destinations: readonly string[];
  readonly waiting: (destination: string) => Promise<{ count: number; oldest?: number }>;
  readonly backlog: () => Promise<{ count: number; oldest?: number }>;
  /** Rights requests that are open, and those of them past their deadline. */
  readonly requests: () => Promise<{ open: number; late: number }>;
  /** Root keys that this process lacks. */
  readonly missingKeys: () => number;
  /** Whether Redis answers. */
  readonly isRedisUp: () => boolean;
  readonly index: () => Pick<ReturnType<DecisionIndex['status']>, 'phase' | 'entries' | 'bytes' | 'loadedInMs'>;
  readonly now: () => number;
}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const acknowledged = new Histogram({
    name: 'hush_acknowledgement_seconds',
    help: 'From the arrival of an opt-out to its durable acknowledgement',
    labelNames: ['through'],
    buckets: FAST,
    registers,
  });
  const suppressed = new Histogram({
    name: 'hush_time_to_suppress_seconds',
    help: 'From the acknowledgement of a change to its acceptance by a destination',
    labelNames: ['destination'],
    buckets: SLOW,
    registers,
  });
  const projection = new Histogram({
    name: 'hush_projection_lag_seconds',
    help: 'Age of the oldest event of a projection round',
    buckets: FAST,
    registers,
  });
  const decisions = new Counter({
    name: 'hush_decisions_total',
    help: 'Answers by reason',
    labelNames: ['allowed', 'reason'],
    registers,
  });
  const faults = new Counter({
    name: 'hush_destination_faults_total',
    help: 'Calls to destinations that failed, by kind',
    labelNames: ['destination', 'fault'],
    registers,
  });
  const reports = new Counter({
    name: 'hush_reports_total',
    help: 'What outside systems, returned mail (mail) and texts (sms) reported, by kind',
    labelNames: ['destination', 'kind'],
    registers,
  });
  const drift = new Counter({
    name: 'hush_reconciliation_findings_total',
    help: 'Contacts compared with what a destination holds, by what was found',
    labelNames: ['destination', 'finding'],
    registers,
  });
  const refusals = new Counter({
    name: 'hush_refused_total',
    help: 'Requests refused, by reason',
    labelNames: ['reason'],
    registers,
  });
  const requestAlerts = new Counter({
    name: 'hush_request_alerts_total',
    help: 'Alerts about deadlines of rights requests, by kind',
    labelNames: ['kind'],
    registers,
  });
  const requestsOpen = new Gauge({
    name: 'hush_requests_open',
    help: 'Rights requests that are not answered',
    registers,
  });
  const requestsLate = new Gauge({
    name: 'hush_requests_late',
    help: 'Of these, past their deadline: anything but 0 needs somebody now',
    registers,
  });
  const pending = new Gauge({
    name: 'hush_destination_pending',
    help: 'Contacts a destination is still to be told about',
    labelNames: ['destination'],
    registers,
  });
  const oldest = new Gauge({
    name: 'hush_destination_oldest_seconds',
    help: 'How long the oldest of them waits',
    labelNames: ['destination'],
    registers,
  });
  const unprojected = new Gauge({
    name: 'hush_projection_backlog',
    help: 'Contacts with events that are not in the ledger yet',
    registers,
  });

  const redisUp = new Gauge({
    name: 'hush_redis_up',
    help: '1 while Redis answers this process, 0 while it is away',
    registers,
  });
  const missingKeys = new Gauge({
    name: 'hush_missing_keys',
    help: 'Root keys that records are sealed under and that this process lacks',
    registers,
  });
  const unopened = new Gauge({
    name: 'hush_unopened_contacts',
    help: 'Contacts that wait because this process lacks their root key',
    registers,
  });

  const staleness = new Histogram({
    name: 'hush_decision_index_staleness_seconds',
    help: 'From the writing of a change until the decision index heard of it',
    buckets: FAST,
    registers,
  });
  const indexed = new Gauge({
    name: 'hush_decision_index_entries',
    help: 'Contacts and groups of spellings in the decision index',
    registers,
  });
  const indexBytes = new Gauge({
    name: 'hush_decision_index_bytes',
    help: 'Memory of their table',
    registers,
  });
  const indexLoad = new Gauge({
    name: 'hush_decision_index_load_seconds',
    help: 'How long the last loading of the decision index took',
    registers,
  });
  const indexCurrent = new Gauge({
    name: 'hush_decision_index_current',
    help: '1 while the decision index answers, 0 while the store does: off, loading or stale',
    registers,
  });

  return {
    unopened: (contacts: number) => unopened.set(contacts),
    acknowledged: (through: 'one_click' | 'api' | 'page', seconds: number) =>
      acknowledged.observe({ through }, seconds),
    synced: (destination: string, seconds: readonly number[]) => {
      for (const value of seconds) suppressed.observe({ destination }, value);
    },
    projected: (lagMs: number) => projection.observe(lagMs / 1000),
    decided: ({ allowed, reason }: { allowed: boolean; reason: string }, count: number) =>
      decisions.inc({ allowed: String(allowed), reason }, count),
    indexHeard: (ageMs: number) => staleness.observe(ageMs / 1000),
    fault: (destination: string, fault: string) => faults.inc({ destination, fault }),
    reported: (destination: string, kind: string, count: number) => reports.inc({ destination, kind }, count),
    found: (destination: string, counts: Readonly<Record<string, number>>) => {
      for (const [finding, count] of Object.entries(counts)) drift.inc({ destination, finding }, count);
    },
    refused: (reason: string) => refusals.inc({ reason }),
    alerted: (kind: string) => requestAlerts.inc({ kind }),
    contentType: registry.contentType,

    /** Prometheus text format. What waits is counted now; a store that is away leaves those gauges as they were. */
    async text(): Promise<string> {
      missingKeys.set(parts.missingKeys());
      redisUp.set(parts.isRedisUp() ? 1 : 0);
      const index = parts.index();
      indexed.set(index.entries);
      indexBytes.set(index.bytes);
      indexLoad.set((index.loadedInMs ?? 0) / 1000);
      indexCurrent.set(index.phase === 'current' ? 1 : 0);
      await Promise.allSettled([
        ...parts.destinations.map(async (destination) => {
          const waiting = await parts.waiting(destination);
          pending.set({ destination }, waiting.count);
          oldest.set(
            { destination },
            waiting.oldest === undefined ? 0 : Math.max(0, (parts.now() - waiting.oldest) / 1000),
          );
        }),
        parts.backlog().then(({ count }) => unprojected.set(count)),
        parts.requests().then(({ open, late }) => {
          requestsOpen.set(open);
          requestsLate.set(late);
        }),
      ]);
      return registry.metrics();
    },
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
