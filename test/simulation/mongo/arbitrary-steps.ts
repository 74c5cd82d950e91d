import fc from 'fast-check';
import type { Connection } from 'mongoose';
import type { Machine } from '../../../src/core/machine.js';
import { machine } from '../../../src/machine.js';
import { createChanges } from '../../../src/store/changes.js';
import { createContacts } from '../../../src/store/contacts.js';
import { createLeaders } from '../../../src/store/leader.js';
import { createLedger } from '../../../src/store/ledger.js';
import { createLogStores } from '../../../src/store/log-stores.js';
import { createPersons } from '../../../src/store/persons.js';
import { createStaffStatistics } from '../../../src/store/staff-statistics.js';
import { keyOf, optOut, pendingSync, projection } from '../../store/contact-setting.js';

/** ms */
export const NOW = 1_000_000;
/** Two processes at the same moment: what is written at `now` is the same in both. */
const still: Machine = { ...machine, now: () => NOW };

export type Stores = ReturnType<typeof storesOn>;
export function storesOn(connection: Connection) {
  const ledger = createLedger(connection);
  return {
    contacts: createContacts(connection, still),
    ledger,
    log: createLogStores(connection, ledger, still),
    changes: createChanges(connection),
    leaders: createLeaders(connection, still),
    persons: createPersons(connection, still),
    statistics: createStaffStatistics(connection),
  };
}

/** One call of a function of a store. */
export type Step = (stores: Stores) => Promise<unknown>;

const contact = fc.integer({ min: 1, max: 3 });
const eventId = fc.integer({ min: 1, max: 4 }).map((n) => `e_${n}`);
const destination = fc.constantFrom('crm', 'mail');
const owner = fc.constantFrom('w1', 'w2');
const version = fc.integer({ min: 0, max: 3 });
const time = fc.integer({ min: 0, max: 4 }).map((n) => n * 1000);
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const synced = fc.record(
  {
    version,
    configuration: fc.constantFrom('one', 'two'),
    bindings: fc.constant({}),
    parked: fc.record({ desired: fc.constant('d'), why: fc.constant('w'), at: time }),
  },
  { requiredKeys: ['version', 'configuration', 'bindings'] },
);
const settlement = fc.record(
  {
    key: contact.map(keyOf),
    synced,
    clearVersion: version,
    pendingSync: fc.record(
      {
        release: fc.boolean(),
        due: time,
        failures: version,
        attempted: fc.constantFrom('a', 'b'),
        reassert: fc.boolean(),
        uncertainBindings: fc.subarray(['x', 'y']),
      },
      { requiredKeys: ['release'] },
    ),
  },
  { requiredKeys: ['key', 'pendingSync'] },
);
const byKey = <T>(map: ReadonlyMap<string, T>) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));

const onContacts: fc.Arbitrary<Step> = fc.oneof(
  fc.array(fc.tuple(contact, eventId), { minLength: 1, maxLength: 4 }).map(
    (list): Step =>
      ({ contacts }) =>
        contacts.append(list.map(([n, id]) => optOut(n, id))),
  ),
  fc.array(fc.tuple(contact, eventId), { minLength: 1, maxLength: 3 }).map(
    (list): Step =>
      ({ contacts }) =>
        contacts.appendOverflow(list.map(([n, id]) => optOut(n, id))),
  ),
  fc
    .record({
      n: contact,
      rev: version,
      entries: version,
      movedIds: fc.array(eventId, { maxLength: 3 }),
      overflow: optional(fc.integer({ min: 0, max: 2 })),
      destinations: fc.subarray(['crm', 'mail']),
      version,
      erasing: fc.boolean(),
      changed: fc.boolean(),
      wakeAt: optional(time),
    })
    .map(
      ({ n, destinations, version: at, wakeAt, ...more }): Step =>
        ({ contacts }) =>
          contacts.project([
            projection(n, {
              ...more,
              ...(wakeAt === undefined ? {} : { wakeAt }),
              pendingSyncs: destinations.map((one) => pendingSync(one, at)),
            }),
          ]),
    ),
  fc.tuple(destination, owner, time, time).map(
    ([to, by, now, until]): Step =>
      async ({ contacts }) =>
        byKey(new Map((await contacts.lease(to, by, now, until, 10)).map((one) => [one.key.toString('hex'), one]))),
  ),
  fc.tuple(destination, owner, settlement).map(
    ([to, by, one]): Step =>
      ({ contacts }) =>
        contacts.settle(to, by, [one]),
  ),
  fc
    .tuple(
      destination,
      fc.subarray(['x', 'y'], { minLength: 1 }),
      fc.array(contact, { minLength: 1, maxLength: 3 }),
      time,
    )
    .map(
      ([to, bindings, list, now]): Step =>
        ({ contacts }) =>
          contacts.markPending(to, bindings, list.map(keyOf), now),
    ),
  fc.tuple(contact, fc.constantFrom('p1', 'p2'), fc.subarray(['p1', 'p2'])).map(
    ([n, person, merged]): Step =>
      ({ contacts }) =>
        contacts.setPerson({ key: keyOf(n), type: 'email' }, person, merged),
  ),
  fc.tuple(contact, optional(fc.constantFrom('g1', 'g2'))).map(
    ([n, aliasGroup]): Step =>
      ({ contacts }) =>
        contacts.setAliasGroups([{ key: keyOf(n), aliasGroup }]),
  ),
  contact.map(
    (n): Step =>
      ({ contacts }) =>
        contacts.touch([keyOf(n)]),
  ),
  contact.map(
    (n): Step =>
      ({ contacts }) =>
        contacts.leaveToOfficer([keyOf(n)]),
  ),
  contact.map(
    (n): Step =>
      ({ contacts }) =>
        contacts.destroyData(keyOf(n), Buffer.alloc(17, 1)),
  ),
  fc.array(contact).map(
    (list): Step =>
      async ({ contacts }) =>
        (await contacts.abandonPendingSyncs(list.map(keyOf))).sort(),
  ),
  contact.map(
    (n): Step =>
      ({ contacts }) =>
        contacts.numbered([{ key: keyOf(n), feed: 1 }]),
  ),
  fc.array(eventId).map(
    (ids): Step =>
      ({ contacts }) =>
        contacts.dropOverflow(keyOf(1), ids),
  ),
  fc.constant<Step>(({ contacts }) => contacts.adoptOverflow()),
);

const readings: fc.Arbitrary<Step> = fc.oneof(
  fc.array(contact).map(
    (list): Step =>
      async ({ contacts }) =>
        byKey(await contacts.find(list.map(keyOf))),
  ),
  fc.constant<Step>(async ({ contacts }) =>
    (await contacts.unnumbered(10)).map(({ key }) => key.toString('hex')).sort(),
  ),
  fc.constant<Step>(async ({ contacts }) => (await contacts.erasingKeys(10)).map((key) => key.toString('hex')).sort()),
  fc.constant<Step>(async ({ contacts }) =>
    (await contacts.outdated('two', 10)).map((key) => key.toString('hex')).sort(),
  ),
  fc.constant<Step>(({ contacts }) => contacts.backlog()),
  fc.constant<Step>(async ({ contacts }) => contacts.awake(4000, 10)),
  fc.constant<Step>(({ contacts }) => contacts.page(keyOf(1), 10)),
  destination.map(
    (to): Step =>
      ({ contacts }) =>
        contacts.waiting(to),
  ),
  fc.tuple(destination, time).map(
    ([to, now]): Step =>
      ({ contacts }) =>
        contacts.isDue(to, now),
  ),
  fc.tuple(contact, version).map(
    ([n, entries]): Step =>
      async ({ ledger }) =>
        byKey(await ledger.beyond([{ key: keyOf(n), entries }])),
  ),
  contact.map(
    (n): Step =>
      ({ ledger }) =>
        ledger.ofContact(keyOf(n)),
  ),
);

const others: fc.Arbitrary<Step> = fc.oneof(
  fc.array(fc.tuple(contact, version, eventId), { minLength: 1, maxLength: 3 }).map(
    (list): Step =>
      async ({ ledger }) =>
        [
          ...(await ledger.insert(
            list.map(([n, number, id]) => ({ key: keyOf(n), number, event: optOut(n, id).event })),
          )),
        ].sort(),
  ),
  fc.constant<Step>(async ({ log }) => {
    const found = await log.queue.unsealed(100);
    await log.queue.settle(found.slice(0, 1).map(({ row }) => row));
    return found.length;
  }),
  fc.constant<Step>(({ log }) => log.queue.catchUp()),
  contact.map(
    (n): Step =>
      ({ log }) =>
        log.queue.isWaiting(keyOf(n)),
  ),
  contact.map(
    (n): Step =>
      ({ log }) =>
        log.queue.requestForget(keyOf(n)),
  ),
  fc.constant<Step>(({ log }) => log.queue.seemsBehind()),
  fc.tuple(owner, fc.constantFrom(0, 3_600_000)).map(
    ([by, ms]): Step =>
      ({ leaders }) =>
        leaders.leaderFor('one', ms, by).hold(),
  ),
  owner.map(
    (by): Step =>
      ({ leaders }) =>
        leaders.leaderFor('one', 1000, by).release(),
  ),
  fc.tuple(version, fc.constantFrom('0a', '0b')).map(
    ([number, epoch]): Step =>
      ({ changes }) =>
        changes.publish({ number, epoch }),
  ),
  fc.tuple(version, contact).map(
    ([number, n]): Step =>
      ({ changes }) =>
        changes.add({ number, epoch: '0a' }, [
          { key: keyOf(n), version: 1, at: new Date(NOW), scopes: [] },
          { key: keyOf(n), version: 2, at: new Date(NOW), scopes: [] },
        ]),
  ),
  version.map(
    (number): Step =>
      ({ changes }) =>
        changes.after({ number, epoch: '0a' }, 2),
  ),
  fc.tuple(fc.constantFrom('p1', 'p2'), contact).map(
    ([person, n]): Step =>
      ({ persons }) =>
        persons.addMembers(person, [{ key: keyOf(n), type: 'email' }]),
  ),
  fc.tuple(fc.constantFrom('p1', 'p2'), eventId).map(
    ([person, id]): Step =>
      ({ persons }) =>
        persons.append(person, optOut(1, id).event),
  ),
  fc.tuple(version, version).map(
    ([from, to]): Step =>
      ({ statistics }) =>
        statistics.add(from, to, new Map([['2026-03-03', { denials: { api: 1 }, grants: {} }]])),
  ),
);

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: onContacts },
  { weight: 1, arbitrary: readings },
  { weight: 1, arbitrary: others },
);
