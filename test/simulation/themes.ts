import fc from 'fast-check';
import { type Act, type Fault, HORIZON_MS } from './acts.js';
import { POINTS } from './installation.js';

const integer = (min: number, max: number) => fc.integer({ min, max });
const oneOf = fc.constantFrom;

/** Of what kind a scenario is: what happens in it and how often, to whom, and when. */
export interface Theme {
  /** How often each act and each fault is chosen, in parts of all. */
  readonly acts: Partial<Readonly<Record<Act['kind'], number>>>;
  readonly faults: Partial<Readonly<Record<Fault['kind'], number>>>;
  /** Indexes into `POINTS`. */
  readonly contact: fc.Arbitrary<number>;
  /** ms */
  readonly at: fc.Arbitrary<number>;
  /** ms; of faults, where they come at other times. */
  readonly faultsAt?: fc.Arbitrary<number>;
  /** Writes are opt-outs of one topic each, so that each event decides something by itself. */
  readonly onTopics?: boolean;
  readonly most: { readonly acts: number; readonly faults: number };
}

/** Often at the same moment as something else, or a little later. */
const anyTime = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(integer(0, 6), integer(0, 40)).map(([second, ms]) => second * 1000 + ms) },
  { weight: 1, arbitrary: integer(0, HORIZON_MS) },
);
/** Within a few seconds, several times at nearly the same moment. */
const crowded = fc.tuple(integer(0, 8), integer(0, 60)).map(([third, ms]) => third * 350 + ms);
/** The first two more often than others: what happens to one contact at once is what goes wrong. */
const anybody = fc.oneof(
  { weight: 3, arbitrary: integer(0, 1) },
  { weight: 2, arbitrary: integer(0, POINTS.length - 1) },
);
const GENERAL: Theme = {
  acts: {
    one_click: 6,
    stop_all: 2,
    opt_in: 4,
    consent: 1,
    undo: 2,
    erase: 1,
    pause: 1,
    write: 4,
    join: 2,
    ask: 6,
    request_lift: 1,
    confirm_lift: 1,
    import: 1,
    unsubscribe_there: 1,
    reconcile: 1,
  },
  faults: {
    kill: 4,
    pause: 3,
    cut_off: 2,
    disk: 1,
    fail_over: 3,
    network: 3,
    provider: 4,
    clock: 1,
    forget_jobs: 1,
    rotate: 1,
    reconfigure: 1,
  },
  contact: anybody,
  at: anyTime,
  most: { acts: 24, faults: 7 },
};

/** Few kinds at a time, and close together: what needs several of one kind would hardly ever come about in a mixture of all. */
export const THEMES: readonly { readonly weight: number; readonly theme: Theme }[] = [
  { weight: 4, theme: GENERAL },
  // One contact of whom everybody says something at once.
  {
    weight: 2,
    theme: {
      acts: { write: 12, opt_in: 1, ask: 2 },
      faults: { network: 3, pause: 2, kill: 2, fail_over: 1 },
      contact: oneOf(0, 0, 0, 1),
      at: fc.tuple(integer(0, 5), integer(0, 25)).map(([third, ms]) => third * 350 + ms),
      onTopics: true,
      most: { acts: 26, faults: 3 },
    },
  },
  // The database is away from some, and the journal has to do.
  {
    weight: 2,
    theme: {
      acts: { one_click: 6, stop_all: 2, opt_in: 2, write: 2, ask: 5 },
      faults: { cut_off: 6, kill: 4, network: 2, fail_over: 3, disk: 2, pause: 1 },
      contact: oneOf(0, 1, 2, 4),
      at: crowded,
      most: { acts: 20, faults: 6 },
    },
  },
  // A second person confirms what somebody has changed meanwhile.
  {
    weight: 1,
    theme: {
      acts: { one_click: 4, request_lift: 3, confirm_lift: 3, ask: 3, opt_in: 1, write: 1 },
      faults: { pause: 2, network: 2, kill: 1, clock: 1 },
      contact: oneOf(0, 0, 2),
      at: anyTime,
      most: { acts: 14, faults: 3 },
    },
  },
  // Back and forth at providers that do not answer, or late, or do things again.
  {
    weight: 3,
    theme: {
      acts: { one_click: 6, opt_in: 6, undo: 1, unsubscribe_there: 2, reconcile: 1 },
      faults: { provider: 12, pause: 2, kill: 2, forget_jobs: 1, reconfigure: 1 },
      contact: oneOf(0, 0, 0, 2, 3),
      at: crowded,
      faultsAt: fc.oneof({ weight: 3, arbitrary: integer(0, 300) }, { weight: 1, arbitrary: integer(0, 2500) }),
      most: { acts: 18, faults: 6 },
    },
  },
  // Data keys while the roots change.
  {
    weight: 2,
    theme: {
      acts: { write: 4, one_click: 4, import: 1, opt_in: 1, erase: 1 },
      faults: { rotate: 5, kill: 2, pause: 1, network: 1 },
      contact: integer(0, 5),
      at: crowded,
      most: { acts: 20, faults: 4 },
    },
  },
  // Somebody is erased while their denial is still on its way.
  {
    weight: 1,
    theme: {
      acts: { one_click: 4, erase: 3, opt_in: 2, write: 1, ask: 1 },
      faults: { provider: 4, kill: 2, pause: 2, network: 1, forget_jobs: 1 },
      contact: oneOf(0, 0, 2, 3),
      at: anyTime,
      most: { acts: 12, faults: 5 },
    },
  },
  // Persons of several contacts, whose denials have to reach all of them.
  {
    weight: 1,
    theme: {
      acts: { join: 4, stop_all: 4, one_click: 1, opt_in: 1, ask: 3 },
      faults: { kill: 5, fail_over: 2, cut_off: 2, network: 1 },
      contact: oneOf(0, 1, 5),
      at: crowded,
      most: { acts: 12, faults: 5 },
    },
  },
];
