import { describe, expect, test } from '@jest/globals';
import { decide, type Query } from '../../src/core/decide.js';
import { endsErasure, eventEndsErasure } from '../../src/core/erasure.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, unfolded } from '../../src/core/fold.js';
import type { Policy } from '../../src/core/policy.js';
import { carriedOver } from '../../src/core/replacement.js';

const ERASED_AT = 1000;
const event = (fields: Partial<ContactEvent>, at: number): ContactEvent => ({
  id: `${fields.type} ${at}`,
  type: 'opted_in',
  at,
  recorded: at * 1024,
  source: { kind: 'api' },
  ...fields,
});

const ending: Partial<ContactEvent>[] = [
  { type: 'opted_in' },
  { type: 'opted_in', lifts: 'any' },
  { type: 'consent_granted' },
  { type: 'profile', relationship: 'customer' },
];
const idle: Partial<ContactEvent>[] = [
  { type: 'opted_in', lifts: 'none' },
  { type: 'consent_granted', lifts: 'same_source' },
  { type: 'profile', relationship: 'prospect' },
  { type: 'profile', minor: false, language: 'de' },
  { type: 'opted_out' },
  { type: 'restriction_lifted' },
  { type: 'reachable', channel: 'email' },
  { type: 'cadence_set', cadence: 'weekly' },
];

describe.each(ending)('%j', (fields) => {
  test('ends an erasure before it, and none at the same time or later', () => {
    expect(eventEndsErasure(event(fields, ERASED_AT + 1), ERASED_AT)).toBe(true);
    expect(eventEndsErasure(event(fields, ERASED_AT), ERASED_AT)).toBe(false);
    expect(eventEndsErasure(event(fields, ERASED_AT - 1), ERASED_AT)).toBe(false);
  });
});

test.each(idle)('%j ends no erasure', (fields) => {
  expect(eventEndsErasure(event(fields, ERASED_AT + 1), ERASED_AT)).toBe(false);
});

test('decisions and replacements go by it, as far as it reaches', () => {
  const policy = {
    consent: [],
    callingHours: [],
    unknownZones: [],
    registryRelationship: { purchase: 18, inquiry: 3 },
    defaultJurisdiction: 'US',
  } as unknown as Policy;
  const query: Query = { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*', at: 5000 };
  const erased = event({ type: 'erased' }, ERASED_AT);
  for (const fields of [...ending, ...idle]) {
    const after = event(fields, ERASED_AT + 1);
    const state = fold(EMPTY_STATE, [erased, after]);
    const grants = unfolded([after]).atoms.some((atom) => atom.t === 'grant' && endsErasure(atom, ERASED_AT));
    expect([fields, decide(state, query, { policy }).reason === 'erased']).toEqual([fields, !grants]);
    const carried = carriedOver(state, EMPTY_STATE, 5000).some(({ since }) => since === ERASED_AT);
    expect([fields, carried]).toEqual([fields, !grants]);
    const service = decide(state, { ...query, purpose: 'service' }, { policy }).reason === 'erased';
    expect([fields, service]).toEqual([fields, !eventEndsErasure(after, ERASED_AT)]);
  }
});
