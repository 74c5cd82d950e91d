import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { ContactEvent, EventType } from '../../src/core/event.js';
import type { Policy } from '../../src/core/policy.js';
import type { Channel, Purpose, Scope } from '../../src/core/scope.js';

export interface GoldenEvent {
  readonly type: EventType;
  readonly at: string;
  readonly until?: string;
  readonly scope?: Partial<Scope>;
  readonly [field: string]: unknown;
}

export interface GoldenCase {
  readonly id: string;
  readonly name: string;
  readonly given: readonly GoldenEvent[];
  readonly ask: { brand: string; channel: Channel; purpose: Purpose; topic: string; at: string };
  readonly expect: Record<string, unknown>;
}

/** Our copy of the cases that `decide` must answer. */
export const goldenCases: readonly GoldenCase[] = readFileSync(
  new URL('../golden/decisions.ndjson', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as GoldenCase);

export const policy: Policy = parse(
  readFileSync(new URL('../../config/policy.yaml', import.meta.url), 'utf8'),
) as Policy;

/** A case's events as the store would hold them, recorded in their order. */
export function goldenEvents(given: readonly GoldenEvent[]): ContactEvent[] {
  return given.map(
    (event, index) =>
      ({
        source: { kind: 'api' },
        ...event,
        id: `g${String(index).padStart(3, '0')}`,
        recorded: index,
        at: Date.parse(event.at),
        ...(event.until === undefined ? {} : { until: Date.parse(event.until) }),
        ...(event.scope === undefined
          ? {}
          : { scope: { brand: '*', channel: '*', purpose: '*', topic: '*', ...event.scope } }),
      }) as ContactEvent,
  );
}
