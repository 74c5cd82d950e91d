import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, foldAsOf } from '../../src/core/fold.js';
import { policy } from '../support/golden.js';
import { history, question, START } from '../support/histories.js';
import { naiveDecision } from '../support/naive-rules.js';

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
