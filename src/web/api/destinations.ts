import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { Machine } from '../../core/machine.js';
import type { Configurations } from '../../store/configurations.js';
import { BATCH_TIMEOUT_MS, withTimeout } from '../../store/connect.js';
import type { BoundDestination } from '../../sync/destination.js';
import type { DestinationReports } from '../../sync/destination-report.js';
import type { ReconciliationProgress } from '../../sync/reconciliation-progress.js';
import { iso } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';

const counts = z.record(z.string(), z.number());

const reconciliationSchema = z
  .object({
    state: z.enum(['never', 'asked_for', 'running', 'finished']),
    dryRun: z.boolean().optional(),
    by: z.enum(['schedule', 'api', 'staff', 'cli']).optional(),
    startedAt: z.string().optional(),
    finishedAt: z.string().optional(),
    phase: z.enum(['reading', 'comparing', 'asserting', 'done']).optional(),
    binding: z.string().optional(),
    read: z.number().optional(),
    compared: z.number().optional(),
    expected: z.number().optional(),
    share: z.number().optional(),
    found: counts.optional(),
    bindings: z.record(z.string(), counts).optional(),
    drift: z.number().optional(),
    why: z.string().optional(),
    dueAt: z.string().optional(),
    nextAt: z.string().optional(),
    last: z.object({ finishedAt: z.string(), found: counts, drift: z.number() }).optional(),
  })
  .openapi('Reconciliation', {
    description:
      'How far the comparison with the destination’s own list has come. `found` counts contacts: `missing_there`, `unknown_here` and `still_there` are drift, and repaired.',
  });

const destinationSchema = z
  .object({
    name: z.string(),
    adapter: z.string(),
    state: z.enum(['in_step', 'working', 'waiting', 'paused', 'credentials_refused', 'failing']),
    pending: z.number(),
    oldestSeconds: z.number(),
    lastToldAt: z.string().optional(),
    lastError: z.object({}).loose().optional(),
    backfill: z.object({ total: z.number(), done: z.number() }).optional(),
    reconciliation: reconciliationSchema,
    bindings: z.array(z.object({}).loose()),
  })
  .openapi('Destination');

function shown(progress: ReconciliationProgress) {
  const { startedAt, finishedAt, dueAt, nextAt, last, ...rest } = progress;
  const times = { startedAt, finishedAt, dueAt, nextAt };
  return {
    ...rest,
    ...Object.fromEntries(
      Object.entries(times).flatMap(([name, time]) => (time === undefined ? [] : [[name, iso(time)]])),
    ),
    ...(last ? { last: { ...last, finishedAt: iso(last.finishedAt) } } : {}),
  };
}

const reconcileBody = z.strictObject({ dryRun: z.boolean().default(false) });

interface DestinationParts {
  readonly reports: DestinationReports;
  readonly destinations: readonly BoundDestination[];
  readonly configurations: Configurations;
  readonly machine: Pick<Machine, 'after'>;
}

function destinationOf(parts: Pick<DestinationParts, 'destinations'>, name: string | undefined): BoundDestination {
  const found = parts.destinations.find((item) => item.name === name);
  if (!found) {
    throw new HushError('not_found', 'there is no such destination', {
      remedy: `use one of ${parts.destinations.map((item) => item.name).join(', ')}`,
    });
  }
  return found;
}

async function destinationJson({ reports }: Pick<DestinationParts, 'reports'>, bound: BoundDestination) {
  const report = await reports.of(bound);
  return {
    name: report.name,
    adapter: report.adapter,
    state: report.state,
    pending: report.pending,
    oldestSeconds: Math.round(report.oldest),
    ...(report.lastToldAt === undefined ? {} : { lastToldAt: iso(report.lastToldAt) }),
    ...(report.lastError ? { lastError: { ...report.lastError, at: iso(report.lastError.at) } } : {}),
    ...(report.backfill ? { backfill: report.backfill } : {}),
    reconciliation: shown(report.reconciliation),
    bindings: report.bindings.map(({ name, scope }) => ({ name, scope })),
  };
}

async function listDestinations(
  parts: Pick<DestinationParts, 'configurations' | 'destinations' | 'machine' | 'reports'>,
) {
  const [current, destinations] = await withTimeout(
    parts.machine,
    Promise.all([
      parts.configurations.current(),
      Promise.all(parts.destinations.map((bound) => destinationJson(parts, bound))),
    ]),
    BATCH_TIMEOUT_MS,
  );
  return {
    destinations,
    evaluation: current
      ? {
          configuration: current.hash,
          since: iso(current.since.getTime()),
          ...(current.total === undefined ? {} : { total: current.total, left: current.left ?? 0 }),
          ...(current.finished ? { finished: iso(current.finished.getTime()) } : {}),
        }
      : {},
  };
}

async function reconcile(
  parts: Pick<DestinationParts, 'reports' | 'destinations'>,
  { params, body }: ApiRequest<z.infer<typeof reconcileBody>>,
) {
  const { reports } = parts;
  const bound = destinationOf(parts, params.name);
  await reports.reconcile(bound.name, { dryRun: body.dryRun, by: 'api' });
  return destinationJson(parts, bound);
}

export function destinationRoutes(routes: ApiRoutes, parts: DestinationParts): void {
  const { reports } = parts;

  routes.add({
    method: 'get',
    path: '/destinations',
    operationId: 'listDestinations',
    tag: 'Destinations',
    summary: 'What each destination knows, and what it is still to be told',
    description:
      '`evaluation` shows how far a change of catalog or policy has been applied; a new binding is backfilled by it, and `backfill` shows how far each destination is with it.',
    scope: 'destinations',
    answer: z.object({ destinations: z.array(destinationSchema), evaluation: z.object({}).loose() }),
    handle: () => listDestinations(parts),
  });

  for (const action of ['pause', 'resume'] as const) {
    routes.add({
      method: 'post',
      path: `/destinations/:name/${action}`,
      operationId: `${action}Destination`,
      tag: 'Destinations',
      summary: action === 'pause' ? 'Tell this destination nothing for now' : 'Go on telling it',
      description:
        action === 'pause'
          ? 'What is to be told is kept and counted. Decisions are not touched. A backfill and a reconciliation stop where they are.'
          : 'Ends a pause, and a wait after refused credentials or a rate limit. A backfill and a reconciliation go on where they were.',
      scope: 'destinations',
      answer: destinationSchema,
      async handle({ params }) {
        const bound = destinationOf(parts, params.name);
        await reports[action](bound.name);
        return destinationJson(parts, bound);
      },
    });
  }

  routes.add({
    method: 'post',
    path: '/destinations/:name/reconcile',
    operationId: 'reconcileDestination',
    tag: 'Destinations',
    summary: 'Compare what this destination holds with what it was told',
    description:
      'Reads its list back in pages and repairs both ways: what is missing there is told again, what is unknown here becomes an opt-out. Where nothing can be read back, denials are said again. `dryRun` counts and changes nothing. A worker takes it up within seconds; GET /v1/destinations shows its progress. One that is under way is finished first.',
    scope: 'destinations',
    body: reconcileBody,
    answer: destinationSchema,
    handle: (call) => reconcile(parts, call),
  });
}
