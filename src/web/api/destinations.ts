import { z } from 'zod';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Configurations } from '../../store/configurations.js';
import type { Contacts } from '../../store/contacts.js';
import type { DestinationStates } from '../../store/destination-states.js';
import type { BoundDestination } from '../../sync/desired.js';
import { iso } from './requests.js';
import type { ApiRoutes } from './route.js';

const destinationSchema = z.object({
  name: z.string(),
  adapter: z.string(),
  state: z.enum(['in_step', 'working', 'waiting', 'paused', 'credentials_refused', 'failing']),
  pending: z.number(),
  oldestSeconds: z.number(),
  lastToldAt: z.string().optional(),
  lastError: z.object({}).loose().optional(),
  reconciliation: z.object({}).loose().optional(),
  bindings: z.array(z.object({}).loose()),
});

export function destinationRoutes(
  routes: ApiRoutes,
  parts: {
    readonly contacts: Contacts;
    readonly states: DestinationStates;
    readonly destinations: readonly BoundDestination[];
    readonly configurations: Configurations;
    readonly clock: Clock;
    readonly wake: (destination: string) => void;
  },
): void {
  const { contacts, states, clock } = parts;

  function named(name: string | undefined): BoundDestination {
    const found = parts.destinations.find((item) => item.name === name);
    if (!found) {
      throw new HushError('not_found', 'there is no such destination', {
        remedy: `use one of ${parts.destinations.map((item) => item.name).join(', ')}`,
      });
    }
    return found;
  }

  async function describe(bound: BoundDestination) {
    const [state, waiting] = await Promise.all([states.get(bound.name), contacts.waiting(bound.name)]);
    const now = clock.now();
    const held = (state.waitUntil ?? 0) > now;
    const status = state.paused
      ? 'paused'
      : state.lastError?.kind === 'credentials'
        ? 'credentials_refused'
        : state.lastError
          ? 'failing'
          : waiting.count === 0
            ? 'in_step'
            : held
              ? 'waiting'
              : 'working';
    return {
      name: bound.name,
      adapter: bound.adapter,
      state: status,
      pending: waiting.count,
      oldestSeconds: waiting.oldest === undefined ? 0 : Math.max(0, Math.round((now - waiting.oldest) / 1000)),
      ...(state.lastToldAt === undefined ? {} : { lastToldAt: iso(state.lastToldAt) }),
      ...(state.lastError ? { lastError: { ...state.lastError, at: iso(state.lastError.at) } } : {}),
      ...(state.reconciliation ? { reconciliation: state.reconciliation } : {}),
      bindings: bound.bindings.map(({ name, scope }) => ({ name, scope })),
    };
  }

  routes.add({
    method: 'get',
    path: '/destinations',
    summary: 'What each destination knows, and what it is still to be told',
    description:
      '`evaluation` shows how far a change of catalog or policy has been applied; a new binding is backfilled by it.',
    scope: 'destinations',
    answer: z.object({ destinations: z.array(destinationSchema), evaluation: z.object({}).loose() }),
    async handle() {
      const current = await parts.configurations.current();
      return {
        destinations: await Promise.all(parts.destinations.map(describe)),
        evaluation: current
          ? {
              configuration: current.hash,
              since: iso(current.since.getTime()),
              ...(current.total === undefined ? {} : { total: current.total, left: current.left ?? 0 }),
              ...(current.finished ? { finished: iso(current.finished.getTime()) } : {}),
            }
          : {},
      };
    },
  });

  for (const [action, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    routes.add({
      method: 'post',
      path: `/destinations/:name/${action}`,
      summary: paused ? 'Tell this destination nothing for now' : 'Go on telling it',
      description: paused
        ? 'What is to be told is kept and counted. Decisions are not touched.'
        : 'Ends a pause, and a wait after refused credentials or a rate limit.',
      scope: 'destinations',
      answer: destinationSchema,
      async handle({ params }) {
        const bound = named(params.name);
        await states.pause(bound.name, paused);
        if (!paused) {
          await states.waitUntil(bound.name, 0);
          parts.wake(bound.name);
        }
        return describe(bound);
      },
    });
  }
}
