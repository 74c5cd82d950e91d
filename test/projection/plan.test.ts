import { describe, expect, test } from '@jest/globals';
import type { SyncTarget } from '../../src/core/desired.js';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { keyringFromSecret } from '../../src/core/keys.js';
import { ALL_MARKETING, EVERYTHING } from '../../src/core/scope.js';
import { machine } from '../../src/machine.js';
import { createPrivateParts } from '../../src/preferences/private-part.js';
import { changedScopes, isDue, isOutdated, numbered, planProjection } from '../../src/projection/plan.js';
import { BrokenSealError } from '../../src/projection/reseal.js';
import type { Contact, StoredEvent } from '../../src/store/contacts.js';
import { policy } from '../support/golden.js';

const NOW = Date.UTC(2026, 2, 3);
const KEY = Buffer.from('0123456789abcdef0123456789abcdef', 'hex');
const privateParts = createPrivateParts(keyringFromSecret('a secret of this test, long enough', machine.randomBytes));
const mailer: SyncTarget = {
  name: 'mailer',
  bindings: [{ name: 'offers', scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' } }],
  destination: { accepts: ['email'] },
};
const context = { privateParts, policy, configuration: 'now', destinations: [mailer], now: NOW };

const sealed = (part: Parameters<typeof privateParts.sealPending>[1]) => privateParts.sealPending(KEY, part);
const address = { type: 'email', given: 'Ana@Example.com' } as const;
const event = (id: string, fields: Partial<StoredEvent> = {}): StoredEvent => ({
  id,
  type: 'opted_out',
  at: NOW - 5000,
  recorded: (NOW - 4000) * 1024,
  scope: ALL_MARKETING,
  source: { kind: 'api' },
  ...fields,
});
const contact = (fields: Partial<Contact> = {}): Contact => ({
  key: KEY,
  type: 'email',
  rev: 4,
  entries: 0,
  state: EMPTY_STATE,
  pending: [],
  overflow: 0,
  pendingSyncs: [],
  synced: {},
  keyedOnly: false,
  erasing: false,
  touched: false,
  configuration: 'now',
  ...fields,
});
/** What the ledger has: events by id, each with its number. */
const knownAt = (numbers: Record<string, number>) =>
  new Map(Object.entries(numbers).map(([id, number]) => [id, { key: KEY, number, event: event(id) }]));
const numbersOf = (entries: readonly { number: number; event: StoredEvent }[]) =>
  entries.map((entry) => `${entry.event.id} ${entry.number}`);

describe('whether a contact is due', () => {
  test('it is when something is pending, touched, another configuration’s, or its time has come', () => {
    expect(isDue(contact(), context)).toBe(false);
    expect(isDue(contact({ pending: [event('a')] }), context)).toBe(true);
    expect(isDue(contact({ overflow: 1 }), context)).toBe(true);
    expect(isDue(contact({ touched: true }), context)).toBe(true);
    expect(isOutdated(contact({ configuration: 'before' }), context)).toBe(true);
    expect(isOutdated(contact({ wakeAt: NOW }), context)).toBe(true);
    expect(isOutdated(contact({ wakeAt: NOW + 1 }), context)).toBe(false);
  });
});

describe('numbers in the ledger', () => {
  const three = [event('a'), event('b'), event('c')];

  test('go on from the last of the snapshot', () => {
    const { entries, fresh, last } = numbered({ key: KEY, entries: 7 }, three, new Map());
    expect(numbersOf(entries)).toEqual(['a 8', 'b 9', 'c 10']);
    expect(fresh).toEqual(entries);
    expect(last).toBe(10);
  });

  test('stay what an interrupted projector gave, and fill what it left free', () => {
    const known = knownAt({ b: 9 });
    const { entries, fresh, last } = numbered({ key: KEY, entries: 7 }, three, known);
    expect(numbersOf(entries)).toEqual(['a 8', 'b 9', 'c 10']);
    expect(numbersOf(fresh)).toEqual(['a 8', 'c 10']);
    expect(last).toBe(10);
  });

  test('end behind what somebody else has inserted without a gap, and before a gap', () => {
    const known = knownAt({ x: 8, y: 9, z: 11 });
    expect(numbered({ key: KEY, entries: 7 }, [], known).last).toBe(9);
    const { entries, last } = numbered({ key: KEY, entries: 7 }, [event('a')], known);
    expect(numbersOf(entries)).toEqual(['a 10']);
    expect(last).toBe(11);
  });
});

describe('the scopes of a change', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_, n) => event(`${n}`, { scope: { ...ALL_MARKETING, topic: `t${n}` } }));

  test('are those of its events, each once; everything where there are none, or too many', () => {
    expect(changedScopes([event('a'), event('b')])).toEqual([ALL_MARKETING]);
    expect(changedScopes([])).toEqual([EVERYTHING]);
    expect(changedScopes(many(10))).toHaveLength(10);
    expect(changedScopes(many(11))).toEqual([EVERYTHING]);
  });
});

describe('the plan of a contact', () => {
  test('moves what is pending into the snapshot, in order of recording, and syncs what it denies', () => {
    const late = event('late', { at: NOW - 9000, recorded: NOW * 1024 });
    const early = event('early', { sealed: sealed({ address, actor: 'kim' }) });
    const { entries, fresh, projection } = planProjection(context, contact({ pending: [late, early], entries: 2 }));
    expect(numbersOf(entries)).toEqual(['early 3', 'late 4']);
    expect(fresh).toEqual(entries);
    expect(projection).toMatchObject({
      key: KEY,
      rev: 4,
      state: fold(EMPTY_STATE, [early, late]),
      entries: 4,
      movedIds: ['early', 'late'],
      scopes: [ALL_MARKETING],
      overflow: 0,
      pendingSyncs: [{ destination: 'mailer', version: 5, due: NOW, since: NOW - 4000, backfill: false }],
      keyedOnly: false,
      erasing: false,
      changed: true,
      configuration: 'now',
    });
  });

  test('moves the private parts under a data key of the contact, and the address to the contact', () => {
    const first = event('a', { sealed: sealed({ address, actor: 'kim' }) });
    const { entries, projection } = planProjection(context, contact({ pending: [first] }));
    const dataKey = privateParts.unwrapKey(KEY, projection.dataKey ?? Buffer.alloc(0)) ?? Buffer.alloc(0);
    expect(privateParts.open(dataKey, KEY, projection.address ?? Buffer.alloc(0))).toEqual({ address });
    expect(privateParts.open(dataKey, KEY, entries[0]?.event.sealed ?? Buffer.alloc(0))).toEqual({ actor: 'kim' });
    // Another projector that meets the same event makes the same key.
    const again = planProjection(context, contact({ pending: [first] }));
    expect(privateParts.unwrapKey(KEY, again.projection.dataKey ?? Buffer.alloc(0))).toEqual(dataKey);
    // The next event goes under the key that is there, and leaves the address alone.
    const { dataKey: wrapped, address: stored } = projection;
    const next = event('b', { sealed: sealed({ address: { type: 'email', given: 'ana@example.com' }, actor: 'lou' }) });
    const known = contact({ pending: [next], ...(wrapped && stored ? { dataKey: wrapped, address: stored } : {}) });
    const second = planProjection(context, known);
    expect(second.projection).not.toHaveProperty('dataKey');
    expect(second.projection).not.toHaveProperty('address');
    expect(privateParts.open(dataKey, KEY, second.entries[0]?.event.sealed ?? Buffer.alloc(0))).toEqual({
      actor: 'lou',
    });
  });

  test('makes the data key of the seed, whichever of the events it meets', () => {
    const keySeed = privateParts.newKeySeed();
    const [a, b] = ['a', 'b'].map((id) => event(id, { sealed: sealed({ actor: id }) })) as [StoredEvent, StoredEvent];
    const keyOf = (pending: StoredEvent[]) => {
      const { dataKey } = planProjection(context, contact({ keySeed, pending })).projection;
      return dataKey && privateParts.unwrapKey(KEY, dataKey)?.toString('hex');
    };
    expect(keyOf([a])).toBeDefined();
    expect(keyOf([b])).toBe(keyOf([a]));
    expect(keyOf([b, a])).toBe(keyOf([a]));
  });

  test('makes no new data key in the place of one that does not open', () => {
    const pending = [event('a', { sealed: sealed({ actor: 'kim' }) })];
    const dataKey = privateParts.wrapKey(Buffer.alloc(16, 1), Buffer.alloc(32));
    expect(() => planProjection(context, contact({ pending, dataKey }))).toThrow(BrokenSealError);
  });

  test('takes no address and no evidence of somebody erased in, and counts what they say', () => {
    const erased = fold(EMPTY_STATE, [event('e', { type: 'erased', at: NOW - 9000 })]);
    const pending = [event('a', { sealed: sealed({ address, actor: 'kim' }) })];
    const { entries, projection } = planProjection(context, contact({ state: erased, keyedOnly: true, pending }));
    expect(entries[0]?.event).not.toHaveProperty('sealed');
    expect(projection).toMatchObject({ keyedOnly: true, erasing: false, pendingSyncs: [] });
    expect(projection.state.atoms.map(({ t }) => t)).toEqual(['denial', 'erased']);
    // Until an event ends the erasure.
    const back = event('b', { type: 'opted_in', at: NOW - 100, sealed: sealed({ address }) });
    expect(
      planProjection(context, contact({ state: erased, keyedOnly: true, pending: [back] })).projection.keyedOnly,
    ).toBe(false);
  });

  test('an erasure that is asked for again is done again, though no data key is left: the log has leaves since', () => {
    const erased = event('first', { type: 'erased', scope: EVERYTHING });
    const state = fold(EMPTY_STATE, [erased]);
    const again = event('again', { type: 'erased', scope: EVERYTHING, at: NOW - 1000 });
    const { projection } = planProjection(context, contact({ state, keyedOnly: true, pending: [again] }));
    expect(projection.erasing).toBe(true);
    // Another spelling has touched the contact before that was done.
    const touched = contact({ state: projection.state, keyedOnly: true, erasing: true, touched: true });
    expect(planProjection(context, touched).projection.erasing).toBe(true);
  });

  test('says nothing again that is in the snapshot, and keeps what another projector has numbered', () => {
    const pending = [event('old'), event('moved'), event('new')];
    const known = knownAt({ old: 2, moved: 3 });
    const { entries, fresh, projection } = planProjection(context, contact({ pending, entries: 2 }), known);
    expect(numbersOf(entries)).toEqual(['moved 3', 'new 4']);
    expect(numbersOf(fresh)).toEqual(['new 4']);
    expect(projection).toMatchObject({ entries: 4, movedIds: ['moved', 'new', 'old'].sort() });
  });

  test('of a writer’s retries counts the one that an interrupted projector has recorded', () => {
    const recorded = { ...event('moved'), at: NOW - 100, recorded: NOW * 1024 };
    const known = new Map([['moved', { key: KEY, number: 1, event: recorded }]]);
    const { projection } = planProjection(context, contact({ pending: [event('moved')] }), known);
    expect(projection.state.atoms).toEqual(fold(EMPTY_STATE, [recorded]).atoms);
  });

  test('of a writer’s retry counts the first', () => {
    const retry = event('a', { at: NOW - 10, recorded: (NOW - 10) * 1024 });
    const { entries, projection } = planProjection(context, contact({ pending: [retry, event('a')] }));
    expect(entries.map((entry) => entry.event.at)).toEqual([NOW - 5000]);
    expect(projection.movedIds).toEqual(['a']);
  });

  test('without an event changes nothing unless it is outdated or touched, and wakes when a pause ends', () => {
    const until = NOW + 60_000;
    const state = fold(EMPTY_STATE, [event('p', { type: 'paused', until })]);
    const idle = planProjection(context, contact({ state }));
    expect(idle.projection).toMatchObject({ changed: false, wakeAt: until, scopes: [EVERYTHING] });
    expect(planProjection(context, contact({ state, touched: true })).projection.changed).toBe(true);
    // Another spelling that is projected in the same round does not touch it, and what it denies counts here too.
    const other = contact({ key: Buffer.alloc(16, 9), pending: [event('theirs')] });
    expect(planProjection(context, contact({ state, others: [other] })).projection.changed).toBe(true);
    expect(planProjection(context, contact({ state, others: [{ ...other, pending: [] }] })).projection.changed).toBe(
      false,
    );
    expect(planProjection(context, contact({ state, configuration: 'before' })).projection.changed).toBe(true);
  });

  test('keeps overflow that was not read whole', () => {
    expect(planProjection(context, contact({ overflow: 3, more: true })).projection.overflow).toBeUndefined();
    expect(planProjection(context, contact({ overflow: 3, more: false })).projection.overflow).toBe(3);
  });
});
