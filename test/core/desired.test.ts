import { describe, expect, test } from '@jest/globals';
import {
  type Change,
  concernedBindings,
  desiredAt,
  desiredState,
  desiredText,
  differs,
  pendingSyncsOf,
  type SyncContact,
  type SyncTarget,
} from '../../src/core/desired.js';
import { type ContactEvent, DENIAL_TYPES } from '../../src/core/event.js';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { ALL_MARKETING, type Purpose } from '../../src/core/scope.js';
import type { PendingSync, SyncedState } from '../../src/core/sync-state.js';
import { policy } from '../support/golden.js';

const NOW = Date.UTC(2026, 2, 3);
const context = { policy, now: NOW };

const event = (fields: Partial<ContactEvent>, at = NOW - 1000): ContactEvent => ({
  id: `${fields.type} ${at}`,
  type: 'opted_out',
  at,
  recorded: at * 1024,
  source: { kind: 'api' },
  ...fields,
});

const scope = (purpose: Purpose) => ({ brand: 'jmf', channel: 'email', purpose, topic: '*' }) as const;
const mailer: SyncTarget = {
  name: 'mailer',
  bindings: [
    { name: 'offers', scope: scope('promotion') },
    { name: 'account', scope: scope('service') },
    { name: 'audience', scope: scope('retargeting') },
  ],
  destination: { accepts: ['email'] },
};
const texts: SyncTarget = {
  name: 'texts',
  bindings: [{ name: 'offers', scope: { ...scope('promotion'), channel: 'sms' } }],
  destination: { accepts: ['phone'] },
};

const contact = (fields: Partial<SyncContact> = {}): SyncContact => ({
  type: 'email',
  state: EMPTY_STATE,
  pending: [],
  pendingSyncs: [],
  synced: {},
  touched: false,
  ...fields,
});
const synced = (suppressed: Record<string, boolean>, more: Partial<SyncedState> = {}): SyncedState => ({
  version: 1,
  configuration: '',
  bindings: Object.fromEntries(
    Object.entries(suppressed).map(([name, is]) => [name, { suppressed: is, at: 1, status: 'in_force' }]),
  ),
  ...more,
});

const denied = fold(EMPTY_STATE, [event({ scope: ALL_MARKETING })]);
const DENIED = 'offers=1,account=0,audience=1';

describe('the desired state', () => {
  test('is the decision for each binding', () => {
    expect(desiredText(desiredState(EMPTY_STATE, mailer.bindings, context))).toBe('offers=0,account=0,audience=0');
    expect(desiredText(desiredState(denied, mailer.bindings, context))).toBe(DENIED);
  });

  test('counts what is accepted and not projected yet, and what was accepted by a machine whose clock is ahead', () => {
    const pending = [event({ scope: ALL_MARKETING }, NOW + 60_000)];
    expect(desiredText(desiredAt(mailer, contact({ pending }), context))).toBe(DENIED);
  });

  test('at an ad platform is the strictest of all spellings; elsewhere of a phone number only', () => {
    const restricted = contact({ state: fold(EMPTY_STATE, [event({ type: 'restricted' })]) });
    const spelled = contact({ others: [restricted] });
    const platform = { ...mailer, destination: { ...mailer.destination, matchesMailboxes: true } };
    expect(desiredText(desiredAt(mailer, spelled, context))).toBe('offers=0,account=0,audience=0');
    expect(desiredText(desiredAt(platform, spelled, context))).toBe('offers=1,account=1,audience=1');
    expect(desiredText(desiredAt(mailer, contact({ others: [{ ...restricted, type: 'phone' }] }), context))).toBe(
      'offers=1,account=1,audience=1',
    );
  });

  test('differs where one binding has something else; nothing synced is nothing suppressed', () => {
    const desired = desiredState(denied, mailer.bindings, context);
    expect(differs(desired, undefined)).toBe(true);
    expect(differs(desired, synced({ offers: true }))).toBe(true);
    expect(differs(desired, synced({ offers: true, audience: true }))).toBe(false);
    expect(differs(desired, synced({ offers: true, audience: true, account: true }))).toBe(true);
    expect(differs(desiredState(EMPTY_STATE, mailer.bindings, context), undefined)).toBe(false);
  });
});

describe('the pending syncs of a change', () => {
  const change = (fields: Partial<Change> = {}): Change => ({
    contact: contact({ pending: [event({})] }),
    state: denied,
    version: 7,
    since: NOW - 500,
    hasAddress: true,
    ...fields,
  });
  const of = (fields?: Partial<Change>) => pendingSyncsOf(change(fields), [mailer, texts], context);
  const made = { destination: 'mailer', version: 7, due: NOW, since: NOW - 500, backfill: false };
  const standing: PendingSync = { destination: 'mailer', version: 3, due: NOW + 9000, since: 10 };

  test('name each destination that has not what is desired and knows this type of contact', () => {
    expect(of()).toEqual([made]);
    expect(of({ contact: contact({ type: 'phone', pending: [event({})] }) }).map((one) => one.destination)).toEqual([
      'texts',
    ]);
    expect(of({ state: EMPTY_STATE })).toEqual([]);
    expect(of({ contact: contact({ synced: { mailer: synced({ offers: true, audience: true }) } }) })).toEqual([]);
  });

  test('without an address begin nothing, but bring one that is pending to the new version', () => {
    expect(of({ hasAddress: false })).toEqual([]);
    const pendingSyncs = [standing];
    expect(of({ hasAddress: false, contact: contact({ pendingSyncs, pending: [event({})] }) })).toEqual([
      { ...made, since: 10 },
    ]);
  });

  test('leave alone what the provider refuses, until something else is desired', () => {
    const parked = (desired: string) => ({ mailer: synced({}, { parked: { desired, why: 'refused', at: 1 } }) });
    expect(of({ contact: contact({ synced: parked(DENIED) }) })).toEqual([]);
    expect(of({ contact: contact({ synced: parked('offers=0,account=0,audience=1') }) })).toHaveLength(1);
  });

  test('are a backfill where the clock or the configuration made them; what is said meanwhile waits from then on', () => {
    expect(of({ contact: contact() })).toEqual([{ ...made, backfill: true }]);
    expect(of({ contact: contact({ touched: true }) })).toEqual([made]);
    const pendingSyncs = [{ ...standing, backfill: true }];
    expect(of({ contact: contact({ pendingSyncs }) })).toEqual([{ ...made, since: 10, backfill: true }]);
    expect(of({ contact: contact({ pendingSyncs, pending: [event({})] }) })).toEqual([made]);
    expect(of({ contact: contact({ pendingSyncs: [standing] }) })).toEqual([{ ...made, since: 10 }]);
  });
});

describe('the bindings that an event concerns', () => {
  const names = (fields: Partial<ContactEvent>) =>
    concernedBindings(event(fields), 'email', [mailer, texts]).map(({ name }) => name);

  test.each(DENIAL_TYPES.map((type) => ({ type })))('are all that a denial closes: $type', ({ type }) => {
    const denial = event({ type, scope: { ...ALL_MARKETING, purpose: '*' }, until: NOW + 1000 });
    const closed = [...desiredState(fold(EMPTY_STATE, [denial]), mailer.bindings, context)].flatMap(
      ([name, { allowed }]) => (allowed ? [] : [name]),
    );
    expect(closed.length).toBeGreaterThan(0);
    expect(names(denial)).toEqual(expect.arrayContaining(closed));
  });

  test('of an objection or a pause that names no purpose are those of marketing', () => {
    const everything = { ...ALL_MARKETING, purpose: '*' } as const;
    expect(names({ type: 'objected', scope: everything })).toEqual(['offers', 'audience']);
    expect(names({ type: 'paused', scope: everything })).toEqual(['offers', 'audience']);
    expect(names({ type: 'opted_out', scope: everything })).toEqual(['offers', 'account', 'audience']);
  });

  test('are also those that lie only in part within its scope, or that its scope lies within', () => {
    expect(names({ scope: { ...scope('promotion'), topic: 'deals' } })).toEqual(['offers']);
    expect(names({ type: 'gpc_received' })).toEqual(['audience']);
    expect(names({ type: 'complained', scope: { ...scope('retargeting'), brand: 'other' } })).toEqual([
      'offers',
      'audience',
    ]);
    expect(names({ scope: { ...ALL_MARKETING, channel: 'sms' } })).toEqual([]);
  });
});
