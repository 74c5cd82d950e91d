import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Decision, decide } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, presentAt } from '../../src/core/fold.js';
import { covers } from '../../src/core/scope.js';
import { inForce } from '../../src/core/standing.js';
import { policy } from '../support/golden.js';
import { history, question } from '../support/histories.js';

const OF_A_DENIAL = ['opted_out', 'objected', 'complained', 'gpc', 'paused'];
/** Rules that come before the denials and say nothing of them. */
const EARLIER = ['legal_notice', 'erased', 'restricted', 'undeliverable', 'service', 'minor'];

function compare(events: readonly ContactEvent[], asked: Parameters<typeof decide>[1]) {
  const state = fold(EMPTY_STATE, events);
  const at = presentAt(state, asked.at);
  const decision: Decision = decide(state, { ...asked, at }, { policy, ignoreQuietHours: true });
  const scope = { brand: asked.brand, channel: asked.channel, purpose: asked.purpose, topic: asked.topic };
  const stated = inForce(state, at).denials.some(
    ({ denial, except }) => covers(denial.scope, scope) && !except.some((lifted) => covers(lifted, scope)),
  );
  return { decision, stated };
}

describe('what is said to be in force', () => {
  test('names a denial wherever the decision denies for one', () => {
    fc.assert(
      fc.property(history, question, (events, asked) => {
        const { decision, stated } = compare(events, asked);
        if (OF_A_DENIAL.includes(decision.reason)) expect(stated).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('names none where the decision found none', () => {
    fc.assert(
      fc.property(history, question, (events, asked) => {
        // A consent that was ended for a part of its scope lifts the rest of a denial, and is said to lift nothing.
        const { decision, stated } = compare(
          events.filter(({ type }) => type !== 'consent_granted'),
          asked,
        );
        if (![...OF_A_DENIAL, ...EARLIER].includes(decision.reason)) expect(stated).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
