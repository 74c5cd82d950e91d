import fc from 'fast-check';
import { POINTS, PROVIDERS } from './installation.js';
import type { Mood } from './provider.js';

/** What somebody does, `at` ms after the beginning. `contact` is an index into `POINTS`. */
export type Act = { readonly at: number } & (
  | {
      readonly kind: 'one_click' | 'stop_all' | 'opt_in' | 'consent' | 'undo' | 'erase';
      readonly contact: number;
      readonly brand: Brand;
    }
  | { readonly kind: 'pause'; readonly contact: number; readonly brand: Brand; readonly forMs: number }
  /** A writer sends an event under an id of its own until it is acknowledged; `copies` of it at once. */
  | {
      readonly kind: 'write';
      readonly contact: number;
      readonly brand: Brand;
      readonly type: WrittenType;
      readonly copies: number;
      readonly late: number;
    }
  | { readonly kind: 'join'; readonly contact: number; readonly other: number }
  | { readonly kind: 'ask'; readonly contact: number; readonly question: number }
  | { readonly kind: 'request_lift'; readonly contact: number; readonly brand: Brand }
  | { readonly kind: 'confirm_lift' }
  | { readonly kind: 'import'; readonly contacts: readonly number[]; readonly list: number }
  | { readonly kind: 'unsubscribe_there'; readonly contact: number; readonly binding: string }
  | { readonly kind: 'reconcile' }
);
export type Brand = 'jmf' | 'shipping' | '*';
export type WrittenType = 'opted_out' | 'opted_in' | 'objected' | 'complained';

/** What goes wrong, `at` ms after the beginning. `process` is counted among all, webs first. */
export type Fault = { readonly at: number } & (
  | { readonly kind: 'kill'; readonly process: number; readonly downMs: number }
  | { readonly kind: 'pause'; readonly process: number; readonly forMs: number }
  | { readonly kind: 'fail_over'; readonly downMs: number }
  | {
      readonly kind: 'network';
      readonly loss: number;
      readonly slowness: number;
      readonly slow: number;
      readonly lag: number;
      readonly forMs: number;
    }
  | { readonly kind: 'provider'; readonly provider: number; readonly mood: Mood; readonly forMs: number }
  | { readonly kind: 'clock'; readonly process: number; readonly byMs: number }
  | { readonly kind: 'forget_jobs'; readonly forMs: number }
  /**
   * One process after the other is started again: with the new root known, then with the new root in use. Carelessly: with the
   * new root in use at once, which the others do not know yet.
   */
  | { readonly kind: 'rotate'; readonly carelessly?: boolean }
  /** The catalog has one binding more: the same for one process after the other. */
  | { readonly kind: 'reconfigure' }
);

/** All that one run is made of. The same scenario runs in the same way. */
export interface Scenario {
  /** Decides how long everything takes, and what the providers' and the network's chances come to. */
  readonly chance: number;
  readonly webs: number;
  readonly workers: number;
  readonly acts: readonly Act[];
  readonly faults: readonly Fault[];
}

/** ms of the part in which things happen and go wrong. */
export const HORIZON_MS = 7000;

const integer = (min: number, max: number) => fc.integer({ min, max });
/** Often at the same moment as something else, or a little later. */
const at = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(integer(0, 6), integer(0, 40)).map(([second, ms]) => second * 1000 + ms) },
  { weight: 1, arbitrary: integer(0, HORIZON_MS) },
);
/** The first two more often than others: what happens to one contact at once is what goes wrong. */
const contact = fc.oneof(
  { weight: 3, arbitrary: integer(0, 1) },
  { weight: 2, arbitrary: integer(0, POINTS.length - 1) },
);
const brand = fc.constantFrom<Brand>('jmf', 'jmf', 'shipping', '*');
const bindings = PROVIDERS.flatMap(({ reads, bindings: list }) => (reads ? list.map(({ name }) => name) : []));

const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ at, kind: fc.constant('one_click' as const), contact, brand }) },
  { weight: 2, arbitrary: fc.record({ at, kind: fc.constant('stop_all' as const), contact, brand }) },
  { weight: 4, arbitrary: fc.record({ at, kind: fc.constant('opt_in' as const), contact, brand }) },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('consent' as const), contact, brand }) },
  { weight: 2, arbitrary: fc.record({ at, kind: fc.constant('undo' as const), contact, brand }) },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('erase' as const), contact, brand }) },
  {
    weight: 1,
    arbitrary: fc.record({ at, kind: fc.constant('pause' as const), contact, brand, forMs: integer(1000, 20_000) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      at,
      kind: fc.constant('write' as const),
      contact,
      brand,
      type: fc.constantFrom<WrittenType>('opted_out', 'opted_out', 'opted_in', 'objected', 'complained'),
      copies: fc.constantFrom(1, 1, 2, 3),
      late: fc.constantFrom(0, 0, 500, 5000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ at, kind: fc.constant('join' as const), contact, other: contact }) },
  { weight: 6, arbitrary: fc.record({ at, kind: fc.constant('ask' as const), contact, question: integer(0, 3) }) },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('request_lift' as const), contact, brand }) },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('confirm_lift' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      at,
      kind: fc.constant('import' as const),
      contacts: fc.array(contact, { minLength: 1, maxLength: 4 }),
      list: integer(0, 1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      at,
      kind: fc.constant('unsubscribe_there' as const),
      contact: integer(0, 4),
      binding: fc.constantFrom(...bindings),
    }),
  },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('reconcile' as const) }) },
);

const chance = fc.constantFrom(0, 0, 0.1, 0.4);
const mood = fc.record({
  silent: chance,
  late: chance,
  twice: fc.constantFrom(0, 0.2),
  down: chance,
  rateLimited: fc.constantFrom(0, 0.1),
});
const process = integer(0, 3);
const forMs = integer(200, 5000);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ at, kind: fc.constant('kill' as const), process, downMs: integer(0, 3000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      at,
      kind: fc.constant('pause' as const),
      process,
      forMs: fc.oneof(integer(50, 1500), integer(1500, 8000)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ at, kind: fc.constant('fail_over' as const), downMs: integer(100, 4000) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      at,
      kind: fc.constant('network' as const),
      loss: fc.constantFrom(0, 0.02, 0.1, 0.3),
      slowness: fc.constantFrom(0.02, 0.2),
      slow: fc.constantFrom(60, 60, 2500),
      lag: fc.constantFrom(4, 40, 2500),
      forMs,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      at,
      kind: fc.constant('provider' as const),
      provider: integer(0, PROVIDERS.length - 1),
      mood,
      forMs,
    }),
  },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('clock' as const), process, byMs: integer(-300, 300) }) },
  { weight: 1, arbitrary: fc.record({ at, kind: fc.constant('forget_jobs' as const), forMs }) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.record({ at, kind: fc.constant('rotate' as const), carelessly: fc.boolean() }),
      fc.record({ at, kind: fc.constant('reconfigure' as const) }),
    ),
  },
);

export const scenario: fc.Arbitrary<Scenario> = fc.record({
  chance: fc.noShrink(fc.nat()),
  webs: fc.constantFrom(1, 2, 2),
  workers: fc.constantFrom(1, 2, 2),
  acts: fc.array(act, { minLength: 1, maxLength: 24 }),
  faults: fc.array(fault, { maxLength: 7 }),
});
