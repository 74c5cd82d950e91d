import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, foldAsOf } from '../../src/core/fold.js';
import { CHANNELS, PURPOSES } from '../../src/core/scope.js';
import { policy } from '../support/golden.js';
import { naiveDecision } from '../support/naive-rules.js';

const DAY = 86_400_000;
const START = Date.parse('2025-01-01T00:00:00Z');
/** Few distinct times, so that equal ones are common. */
const time = fc.integer({ min: 0, max: 40 }).map((n) => START + n * 20 * DAY);

const scope = fc.record({
  brand: fc.constantFrom('*', '*', 'jmf', 'shipping'),
  channel: fc.constantFrom('*', '*', 'email', 'sms', 'voice', 'ads' as const),
  purpose: fc.constantFrom('*', 'marketing', 'marketing', 'promotion', 'retargeting', 'service' as const),
  topic: fc.constantFrom('*', '*', 'news', 'tips'),
});
const source = fc.constantFrom(
  { kind: 'api' },
  { kind: 'one_click' },
  { kind: 'webhook', destination: 'sendgrid' },
  { kind: 'webhook', destination: 'ses' },
);
const lifts = fc.constantFrom(undefined, 'any', 'same_source', 'none');
const later = fc.option(time, { nil: undefined });

const body = fc.oneof(
  fc.record({ type: fc.constantFrom('opted_out', 'consent_withdrawn', 'objected'), scope }),
  fc.record({ type: fc.constantFrom('opted_out', 'opted_in'), scope, lifts }),
  fc.record({ type: fc.constant('consent_granted'), scope, lifts, until: later }),
  fc.record({ type: fc.constant('paused'), scope, until: time }),
  fc.record({ type: fc.constantFrom('complained', 'gpc_received', 'restricted', 'restriction_lifted', 'erased') }),
  fc.record({ type: fc.constant('bounced'), kind: fc.constantFrom('hard', 'soft') }),
  fc.record({ type: fc.constantFrom('unreachable', 'reachable'), channel: fc.constantFrom('email', 'voice') }),
  fc.record({
    type: fc.constantFrom('registry_listed', 'registry_unlisted'),
    registry: fc.constantFrom('us-national', 'us-wi'),
  }),
  fc.record({
    type: fc.constant('profile'),
    relationship: fc.constantFrom(undefined, 'customer', 'recipient', 'prospect', 'former'),
    jurisdiction: fc.constantFrom(undefined, 'DE', 'CA-ON', 'US-WI'),
    minor: fc.constantFrom(undefined, undefined, true, false),
    implied: fc.constantFrom(undefined, 'purchase', 'inquiry'),
  }),
);

const history = fc.array(fc.record({ body, at: time, source }), { maxLength: 14 }).map((list) =>
  list.map(({ body: fields, at, source: from }, index): ContactEvent => {
    const present = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    return {
      ...present,
      at,
      source: from,
      id: `e${String(index).padStart(2, '0')}`,
      recorded: index,
    } as unknown as ContactEvent;
  }),
);
const question = fc.record({
  brand: fc.constantFrom('jmf', 'shipping'),
  channel: fc.constantFrom(...CHANNELS),
  purpose: fc.constantFrom(...PURPOSES),
  topic: fc.constantFrom('*', 'news', 'tips'),
  at: time,
});
const context = { policy, ignoreQuietHours: true };

describe('fold', () => {
  test('and decide give what the rules of the policy give, read word by word', () => {
    fc.assert(
      fc.property(history, question, (events, asked) => {
        expect(decide(foldAsOf(events, asked.at), asked, context).reason).toBe(naiveDecision(events, asked, policy));
      }),
      { numRuns: 3000 },
    );
  });

  test('does not depend on the order of arrival or on duplicates, wherever the snapshot was taken', () => {
    fc.assert(
      fc.property(history, fc.array(fc.nat()), fc.nat(), (events, order, cut) => {
        const shuffled = events
          .map((event, index) => ({ event, key: order[index] ?? index }))
          .sort((a, b) => a.key - b.key)
          .map(({ event }) => event);
        const split = shuffled.length === 0 ? 0 : cut % shuffled.length;
        const whole = fold(EMPTY_STATE, events);
        const parts = fold(fold(EMPTY_STATE, shuffled.slice(0, split)), [
          ...shuffled.slice(split),
          ...shuffled.slice(0, split),
        ]);
        expect(parts).toEqual(whole);
      }),
      { numRuns: 1000 },
    );
  });

  test('drops nothing that a later or late-arriving event could make matter', () => {
    fc.assert(
      fc.property(history, history, question, (before, lateOrLater, asked) => {
        const late = lateOrLater.map(
          (event, index): ContactEvent => ({ ...event, id: `z${index}`, recorded: 100 + index }),
        );
        const state = fold(fold(EMPTY_STATE, before), late);
        fc.pre(asked.at >= state.horizon);
        expect(decide(state, asked, context).reason).toBe(naiveDecision([...before, ...late], asked, policy));
      }),
      { numRuns: 3000 },
    );
  });

  test('stays small however often the same thing is said', () => {
    const events = Array.from(
      { length: 20_000 },
      (_, index): ContactEvent => ({
        id: `e${index}`,
        type: index % 2 ? 'opted_in' : 'opted_out',
        at: START + index,
        recorded: index,
        source: { kind: 'one_click' },
        scope: { brand: 'jmf', channel: 'email', purpose: 'promotion', topic: '*' },
      }),
    );
    expect(fold(EMPTY_STATE, events).atoms).toHaveLength(2);
  });
});
