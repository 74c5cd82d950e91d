import fc from 'fast-check';
import type { Act, Brand, Fault, Scenario, WrittenType } from './acts.js';
import { PROVIDERS } from './installation.js';
import type { Mood } from './provider.js';
import { THEMES, type Theme } from './themes.js';

const integer = (min: number, max: number) => fc.integer({ min, max });
const oneOf = fc.constantFrom;

const bindings = PROVIDERS.flatMap(({ reads, bindings: list }) => (reads ? list.map(({ name }) => name) : []));

function actsOf({ acts, contact, at, onTopics }: Theme): fc.Arbitrary<Act> {
  const brand = oneOf<Brand>('jmf', 'jmf', 'shipping', '*');
  const said = <Kind extends Act['kind']>(kind: Kind) => fc.record({ at, kind: fc.constant(kind), contact, brand });
  const all: Readonly<Record<Act['kind'], fc.Arbitrary<Act>>> = {
    one_click: said('one_click'),
    stop_all: said('stop_all'),
    opt_in: said('opt_in'),
    consent: said('consent'),
    undo: said('undo'),
    erase: said('erase'),
    request_lift: said('request_lift'),
    pause: fc.record({ at, kind: fc.constant('pause'), contact, brand, forMs: integer(1000, 20_000) }),
    write: fc.record({
      at,
      kind: fc.constant('write'),
      contact,
      brand,
      type: onTopics
        ? fc.constant('opted_out')
        : oneOf<WrittenType>('opted_out', 'opted_out', 'opted_in', 'objected', 'complained'),
      topic: onTopics ? integer(1, 15) : oneOf(0, 0, 1, 2, 3),
      copies: oneOf(1, 1, 2, 3),
      late: oneOf(0, 0, 500, 5000),
    }),
    join: fc.record({ at, kind: fc.constant('join'), contact, other: contact }),
    ask: fc.record({ at, kind: fc.constant('ask'), contact, question: integer(0, 3) }),
    confirm_lift: fc.record({ at, kind: fc.constant('confirm_lift') }),
    import: fc.record({
      at,
      kind: fc.constant('import'),
      contacts: fc.array(contact, { minLength: 1, maxLength: 4 }),
      list: integer(0, 1),
    }),
    unsubscribe_there: fc.record({
      at,
      kind: fc.constant('unsubscribe_there'),
      contact: contact.map((one) => Math.min(one, 4)),
      binding: oneOf(...bindings),
      complains: fc.boolean(),
    }),
    reconcile: fc.record({ at, kind: fc.constant('reconcile') }),
  };
  return chosen(all, acts);
}

const chance = oneOf(0, 0, 0.1, 0.4);
const mood: fc.Arbitrary<Mood> = fc.record({
  silent: chance,
  late: chance,
  twice: oneOf(0, 0.2, 0.6),
  down: chance,
  rateLimited: oneOf(0, 0.1),
});

function faultsOf({ faults, at: actsAt, faultsAt }: Theme): fc.Arbitrary<Fault> {
  const at = faultsAt ?? actsAt;
  const process = integer(0, 3);
  const forMs = integer(200, 5000);
  const all: Readonly<Record<Fault['kind'], fc.Arbitrary<Fault>>> = {
    kill: fc.record({ at, kind: fc.constant('kill'), process, downMs: integer(0, 3000) }),
    pause: fc.record({
      at,
      kind: fc.constant('pause'),
      process,
      forMs: fc.oneof(integer(50, 1500), integer(1500, 8000)),
    }),
    cut_off: fc.record({ at, kind: fc.constant('cut_off'), process, forMs }),
    disk: fc.record({ at, kind: fc.constant('disk'), chance: oneOf(0.1, 0.5), forMs }),
    fail_over: fc.record({ at, kind: fc.constant('fail_over'), downMs: integer(100, 4000) }),
    network: fc.record({
      at,
      kind: fc.constant('network'),
      loss: oneOf(0, 0.02, 0.1, 0.3),
      slowness: oneOf(0.02, 0.2),
      slow: oneOf(60, 60, 2500),
      lag: oneOf(4, 40, 2500),
      forMs,
    }),
    provider: fc.record({
      at,
      kind: fc.constant('provider'),
      provider: integer(0, PROVIDERS.length - 1),
      mood,
      forMs,
    }),
    clock: fc.record({ at, kind: fc.constant('clock'), process, byMs: integer(-300, 300) }),
    forget_jobs: fc.record({ at, kind: fc.constant('forget_jobs'), forMs }),
    rotate: fc.record({ at, kind: fc.constant('rotate'), carelessly: fc.boolean() }),
    reconfigure: fc.record({ at, kind: fc.constant('reconfigure') }),
  };
  return chosen(all, faults);
}

/** One of those that have a weight. */
function chosen<Kind extends string, Item>(
  all: Readonly<Record<Kind, fc.Arbitrary<Item>>>,
  weights: Partial<Readonly<Record<Kind, number>>>,
): fc.Arbitrary<Item> {
  const kinds = Object.keys(all) as Kind[];
  const options: fc.WeightedArbitrary<Item>[] = kinds.flatMap((kind) => {
    const weight = weights[kind];
    return weight === undefined ? [] : [{ weight, arbitrary: all[kind] }];
  });
  return fc.oneof(...options);
}

export function scenariosOf(theme: Theme): fc.Arbitrary<Scenario> {
  return fc.record({
    chance: fc.noShrink(fc.nat()),
    webs: oneOf(1, 2, 2),
    workers: oneOf(1, 2, 2),
    acts: fc.array(actsOf(theme), { minLength: 1, maxLength: theme.most.acts }),
    faults: fc.array(faultsOf(theme), { maxLength: theme.most.faults }),
  });
}

export const scenario: fc.Arbitrary<Scenario> = fc.oneof(
  ...THEMES.map(({ weight, theme }) => ({ weight, arbitrary: scenariosOf(theme) })),
);
