import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, type State } from '../../src/core/fold.js';
import { type CHANNELS, covers, meet, type PURPOSES, type Scope, wholeScope } from '../../src/core/scope.js';
import { scopesOfDenial, undoing } from '../../src/core/undo.js';
import { policy } from '../support/golden.js';
import { history, question, START, scope } from '../support/histories.js';

const context = { policy, ignoreQuietHours: true };
const DAY = 86_400_000;
/** After every event of a made-up history, consents' ends aside. */
const DENIED = START + 1000 * DAY;
const ASKED = DENIED + 10;

function event(fields: Partial<ContactEvent> & Pick<ContactEvent, 'type'>, at: number, id: string): ContactEvent {
  return { at, id, recorded: at, source: { kind: 'link', destination: 'l1' }, ...fields };
}

/** The state after the denial, and after it was taken back. */
function undone(before: State, denial: ContactEvent): { denied: State; after: State } {
  const denied = fold(before, [denial]);
  const steps = undoing(denied, scopesOfDenial(denied, denial.id), DENIED + 5);
  const events = steps.map(({ type, scope: of, until }, index) =>
    event(
      { type, scope: of, lifts: 'same_source', ...(until === undefined ? {} : { until }) },
      DENIED + 5,
      `undo${index}`,
    ),
  );
  return { denied, after: fold(denied, events) };
}

describe('the meet of two scopes', () => {
  test('covers what both cover, and nothing else', () => {
    fc.assert(
      fc.property(scope, scope, question, (a, b, asked) => {
        const [one, two] = [wholeScope(a as Scope), wholeScope(b as Scope)];
        const both = meet(one, two);
        expect(both !== undefined && covers(both, asked)).toBe(covers(one, asked) && covers(two, asked));
      }),
      { numRuns: 3000 },
    );
  });
});

describe('taking a denial back', () => {
  const type = fc.constantFrom('opted_out', 'consent_withdrawn', 'objected', 'complained', 'gpc_received', 'paused');

  test('never allows what was not allowed before', () => {
    fc.assert(
      fc.property(history, type, scope, question, (events, kind, of, asked) => {
        const before = fold(EMPTY_STATE, events);
        const denial = event(
          { type: kind, scope: of as Scope, ...(kind === 'paused' ? { until: DENIED + DAY } : {}) } as never,
          DENIED,
          'zdenial',
        );
        const { after } = undone(before, denial);
        const now = { ...asked, at: ASKED };
        if (decide(after, now, context).allowed) expect(decide(before, now, context).allowed).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });

  test('gives back all there was, where no other denial had ended a consent', () => {
    const grants = history.map((events) =>
      events.filter((one) => one.type === 'consent_granted' || one.type === 'profile'),
    );
    fc.assert(
      fc.property(grants, type, scope, question, (events, kind, of, asked) => {
        const before = fold(EMPTY_STATE, events);
        const denial = event(
          { type: kind, scope: of as Scope, ...(kind === 'paused' ? { until: DENIED + DAY } : {}) } as never,
          DENIED,
          'zdenial',
        );
        const { after } = undone(before, denial);
        const now = { ...asked, at: ASKED };
        // Of a consent that had lapsed only the reason is forgotten.
        expect(decide(after, now, context).allowed).toBe(decide(before, now, context).allowed);
      }),
      { numRuns: 3000 },
    );
  });

  const consent = (of: Partial<Scope>, fields: Partial<ContactEvent> = {}) =>
    event({ type: 'consent_granted', scope: wholeScope(of), ...fields }, START, 'consent');
  const stopAll = event({ type: 'opted_out', scope: wholeScope({ purpose: 'marketing' }) }, DENIED, 'stop');
  const ask = (state: State, channel: (typeof CHANNELS)[number], purpose: (typeof PURPOSES)[number]) =>
    decide(state, { brand: 'jmf', channel, purpose, topic: '*', at: ASKED }, context).reason;

  test('makes no consent of an opt-in: a text without consent stays without', () => {
    const { after } = undone(EMPTY_STATE, stopAll);
    expect(ask(after, 'sms', 'promotion')).toBe('consent_missing');
    expect(ask(after, 'email', 'partner_promotion')).toBe('consent_missing');
    expect(ask(after, 'email', 'promotion')).toBe('not_objected');
  });

  test('gives a consent back for what it was given, no wider', () => {
    const { after } = undone(fold(EMPTY_STATE, [consent({ channel: 'sms', purpose: 'promotion' })]), stopAll);
    expect(ask(after, 'sms', 'promotion')).toBe('consented');
    expect(ask(after, 'sms', 'sweepstakes')).toBe('consent_missing');
    expect(ask(after, 'email', 'partner_promotion')).toBe('consent_missing');
  });

  test('of a pause gives nothing: it had ended no consent', () => {
    const pause = event(
      { type: 'paused', scope: wholeScope({ channel: 'sms' }), until: DENIED + DAY },
      DENIED,
      'pause',
    );
    const { after } = undone(fold(EMPTY_STATE, [consent({ channel: 'sms', purpose: 'promotion' })]), pause);
    expect(after.atoms.filter((atom) => atom.t === 'grant' && atom.type === 'consent_granted')).toHaveLength(1);
    expect(ask(after, 'sms', 'promotion')).toBe('consented');
    expect(ask(after, 'sms', 'sweepstakes')).toBe('consent_missing');
  });

  test('does not lift a restriction by giving a consent back that is older', () => {
    const restricted = event({ type: 'restricted' }, START + DAY, 'restricted');
    const { after } = undone(fold(EMPTY_STATE, [consent({ channel: 'email' }), restricted]), stopAll);
    expect(ask(after, 'email', 'promotion')).toBe('restricted');
  });

  test('keeps the end of a consent', () => {
    const until = DENIED + 7;
    const { after } = undone(fold(EMPTY_STATE, [consent({ channel: 'sms' }, { until })]), stopAll);
    expect(ask(after, 'sms', 'promotion')).toBe('consent_expired');
  });
});
