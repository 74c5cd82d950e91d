import { describe, expect, test } from '@jest/globals';
import type { PendingSync, SyncedState } from '../../src/core/sync-state.js';
import type { Contact } from '../../src/store/contacts.js';
import { findingOfAbsent, findingOfListed } from '../../src/sync/compare.js';
import type { ReadBackEntry } from '../../src/sync/destination.js';
import { hubspot } from '../../src/sync/destinations/hubspot.js';
import { klaviyo } from '../../src/sync/destinations/klaviyo.js';
import { listmonk } from '../../src/sync/destinations/listmonk.js';
import { mailchimp } from '../../src/sync/destinations/mailchimp.js';
import { isOurEntry } from '../../src/sync/entry-origin.js';
import { bind, build } from './destinations/conformance.js';

const NOON = Date.UTC(2026, 4, 1, 12);
const MINUTE = 60_000;
const entry = (at?: number, kind: ReadBackEntry['kind'] = 'unsubscribed'): ReadBackEntry => ({
  address: 'a@example.com',
  kind,
  ...(at === undefined ? {} : { at }),
});
const synced = (suppressed: boolean, at: number, more: object = {}) => ({
  suppressed,
  at,
  status: 'in_force' as const,
  ...more,
});

describe('an entry at a provider', () => {
  test.each<[string, ReadBackEntry, ReturnType<typeof synced> | undefined, number | undefined, boolean, boolean]>([
    ['we suppressed', entry(NOON), synced(true, NOON), undefined, false, true],
    ['without a time, where we suppressed', entry(), synced(true, NOON), undefined, false, true],
    ['where we never suppressed', entry(NOON), undefined, undefined, false, false],
    ['where a lost call may have suppressed', entry(NOON), undefined, undefined, true, true],
    ['where we lifted', entry(NOON), synced(false, NOON - MINUTE), undefined, false, false],
    ['after a lift whose answer was lost', entry(NOON + 60 * MINUTE), synced(true, NOON - MINUTE), NOON, true, false],
    ['from before a lift whose answer was lost', entry(NOON - MINUTE), synced(true, NOON - MINUTE), NOON, true, true],
    ['that is a bounce', entry(NOON + 60 * MINUTE, 'bounced'), synced(true, NOON), undefined, true, false],
    [
      'that is a complaint of the time of our call (Amazon SES)',
      entry(NOON + 3000, 'complained'),
      synced(true, NOON),
      undefined,
      false,
      true,
    ],
    ['that is a complaint without a time', entry(undefined, 'complained'), synced(true, NOON), undefined, true, false],
  ])('%s', (_name, found, was, liftedAt, isUncertain, ours) => {
    expect(isOurEntry(found, was, liftedAt, isUncertain)).toBe(ours);
  });
});

describe('a comparison', () => {
  const contact = (
    binding?: ReturnType<typeof synced>,
    more: Partial<Contact> = {},
    parked?: SyncedState['parked'],
  ): Contact =>
    ({
      key: Buffer.alloc(16),
      type: 'email',
      pending: [],
      pendingSyncs: [],
      address: Buffer.alloc(1),
      synced: binding
        ? { there: { bindings: { offers: binding }, version: 1, configuration: '', ...(parked ? { parked } : {}) } }
        : {},
      ...more,
    }) as unknown as Contact;
  const pending = (uncertainBindings: string[] = []): PendingSync => ({
    destination: 'there',
    version: 1,
    due: 0,
    since: 0,
    uncertainBindings,
  });
  const about = { destination: 'there', binding: 'offers', settledBefore: NOON, liftsNothing: false };
  const yes = { allowed: true, reason: 'not_objected' } as const;
  const no = { allowed: false, reason: 'opted_out' } as const;
  const early = NOON - 60 * MINUTE;

  test.each([
    ['nobody has heard of', undefined, yes, entry(NOON), 'unknown_here'],
    ['allowed here and never told', contact(), yes, entry(NOON), 'unknown_here'],
    ['denied here', contact(), no, entry(NOON), 'in_step'],
    ['that is being lifted', contact(synced(true, early), { pendingSyncs: [pending()] }), yes, entry(early), 'waiting'],
    [
      'that is told something of another list',
      contact(undefined, { pendingSyncs: [pending()] }),
      yes,
      entry(NOON),
      'unknown_here',
    ],
    ['in doubt', contact(synced(false, early), { pendingSyncs: [pending(['offers'])] }), yes, entry(NOON), 'waiting'],
    ['told a moment ago', contact(synced(false, NOON + 1)), yes, entry(NOON), 'waiting'],
    [
      'whose job is not done',
      contact({ ...synced(true, early), status: 'accepted' as never }),
      no,
      entry(early),
      'waiting',
    ],
    ['lifted, and listed since', contact(synced(false, early)), yes, entry(NOON), 'unknown_here'],
    ['lifted, and listed since nobody knows when', contact(synced(false, early)), yes, entry(), 'unknown_here'],
    [
      'lifted, and listed from long before',
      contact(synced(false, early)),
      yes,
      entry(early - 60 * MINUTE),
      'still_there',
    ],
    [
      'whose lift was refused',
      contact(synced(true, early), {}, { desired: '', why: '', at: 0 }),
      yes,
      entry(early),
      'parked',
    ],
  ] as const)('of a listed contact %s', (_name, who, decision, found, finding) => {
    expect(findingOfListed(found, who, decision, about)).toBe(finding);
  });

  test.each([
    ['of no time', entry(), 'cannot_lift'],
    ['from before', entry(early - 60 * MINUTE), 'cannot_lift'],
    ['from after', entry(NOON), 'unknown_here'],
  ] as const)('of a lifted contact %s, where a lift does nothing', (_name, found, finding) => {
    expect(findingOfListed(found, contact(synced(false, early)), yes, { ...about, liftsNothing: true })).toBe(finding);
  });

  test.each([
    ['suppressed', contact(synced(true, early)), 'missing_there'],
    ['lifted', contact(synced(false, early)), undefined],
    ['erased', contact(synced(true, early), { address: undefined } as never), 'keyed_only'],
    ['refused there', contact(synced(true, early), {}, { desired: '', why: '', at: 0 }), 'parked'],
    ['suppressed a moment ago', contact(synced(true, NOON + 1)), 'waiting'],
    ['about which something was just said', contact(synced(true, early), { pending: [{}] } as never), 'waiting'],
  ] as const)('of a contact that is not listed and was %s', (_name, who, finding) => {
    expect(findingOfAbsent(who, about)).toBe(finding);
  });
});

test('adapters say where a lift does nothing', () => {
  const nothing = (adapter: Parameters<typeof build>[0], settings: object, target: Record<string, unknown>) => {
    const binding = bind(target);
    return build(adapter, settings, [binding]).liftsNothing?.(binding);
  };
  const here = { baseUrl: 'http://listmonk:9000', username: 'x', token: 'x' };
  expect(nothing(listmonk as never, here, { lists: [3], onLift: 'leave' })).toBe(true);
  expect(nothing(listmonk as never, here, { lists: [3] })).toBe(false);
  expect(nothing(klaviyo as never, { apiKey: 'pk_x' }, { list: 'AbC123' })).toBe(true);
  expect(nothing(klaviyo as never, { apiKey: 'pk_x' }, { global: true })).toBe(false);
  expect(
    nothing(
      mailchimp as never,
      { apiKey: '0123456789abcdef0123456789abcdef-us1' },
      { list: 'a1b2c3', onLift: 'leave' },
    ),
  ).toBe(true);
  expect(nothing(hubspot as never, { accessToken: 'pat-x' }, { all: true })).toBe(true);
});
