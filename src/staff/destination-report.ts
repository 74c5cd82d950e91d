import type { Clock } from '../core/clock.js';
import { unavailable } from '../store/connect.js';
import type { Contacts } from '../store/contacts.js';
import type { DestinationStates } from '../store/destination-states.js';
import type { BoundDestination } from '../sync/desired.js';

/** What is to be known of a destination at a glance. */
export interface DestinationReport {
  readonly name: string;
  readonly adapter: string;
  readonly role: string;
  readonly state: 'in_step' | 'working' | 'waiting' | 'paused' | 'credentials_refused' | 'failing';
  readonly pending: number;
  /** s; how long the oldest waits. */
  readonly oldest: number;
  /** ms */
  readonly lastToldAt?: number;
  readonly lastError?: { readonly kind: string; readonly message: string; readonly at: number };
  /** Differences the last reconciliation found, by what they were; undefined before there was one. */
  readonly drift?: Readonly<Record<string, number>>;
  readonly bindings: readonly string[];
}

/** Figures of a reconciliation that count differences, and not how far it has come. */
const NO_DRIFT = /^(at|started|finished|pages?|read|compared|total|done|left|cursor|.*At)$/;

/** State, lag and drift of the destinations. Counts only what waits, which is rare, and never all contacts. */
export function createDestinationReports(parts: {
  readonly destinations: readonly BoundDestination[];
  readonly contacts: Contacts;
  readonly states: DestinationStates;
  readonly clock: Clock;
}) {
  const { contacts, states, clock } = parts;

  async function report(bound: BoundDestination): Promise<DestinationReport> {
    const [state, waiting] = await Promise.all([states.get(bound.name), contacts.waiting(bound.name)]);
    const now = clock.now();
    const drift =
      state.reconciliation &&
      Object.fromEntries(
        Object.entries(state.reconciliation).filter(
          (pair): pair is [string, number] => typeof pair[1] === 'number' && !NO_DRIFT.test(pair[0]),
        ),
      );
    return {
      name: bound.name,
      adapter: bound.adapter,
      role: bound.role,
      state: state.paused
        ? 'paused'
        : state.lastError?.kind === 'credentials'
          ? 'credentials_refused'
          : state.lastError
            ? 'failing'
            : waiting.count === 0
              ? 'in_step'
              : (state.waitUntil ?? 0) > now
                ? 'waiting'
                : 'working',
      pending: waiting.count,
      oldest: waiting.oldest === undefined ? 0 : Math.max(0, (now - waiting.oldest) / 1000),
      bindings: bound.bindings.map(({ name }) => name),
      ...(state.lastToldAt === undefined ? {} : { lastToldAt: state.lastToldAt }),
      ...(state.lastError ? { lastError: state.lastError } : {}),
      ...(drift ? { drift } : {}),
    };
  }

  return {
    names: parts.destinations.map(({ name }) => name),
    async all(): Promise<DestinationReport[]> {
      try {
        return await Promise.all(parts.destinations.map(report));
      } catch (error) {
        throw unavailable(error);
      }
    },
    /** Tells nothing for now; what is to be told is kept. */
    pause: (name: string): Promise<void> => states.pause(name, true),
    /** Ends a pause, and a wait after refused credentials. */
    async resume(name: string): Promise<void> {
      await states.pause(name, false);
      await states.waitUntil(name, 0);
    },
  };
}

export type DestinationReports = ReturnType<typeof createDestinationReports>;
