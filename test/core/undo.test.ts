import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decide, standingDenials } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { type DenialAtom, EMPTY_STATE, fold, type State, unfolded } from '../../src/core/fold.js';
import { type CHANNELS, covers, meet, type PURPOSES, type Scope, wholeScope } from '../../src/core/scope.js';
import { undoing } from '../../src/core/undo.js';
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
function undone(before: readonly ContactEvent[], denial: ContactEvent): { before: State; denied: State; after: State } {
  const history = unfolded([...before, denial]);
  const denials = history.atoms.filter((atom): atom is DenialAtom => atom.t === 'denial' && atom.id === denial.id);
  const events = undoing(history, denials, DENIED + 5).map(({ type, scope: of, lifts, until }, index) =>
    event({ type, scope: of, lifts, ...(until === undefined ? {} : { until }) }, DENIED + 5, `undo${index}`),
  );
  const denied = fold(fold(EMPTY_STATE, before), [denial]);
  return { before: fold(EMPTY_STATE, before), denied, after: fold(denied, events) };
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
        const denial = event(
          { type: kind, scope: of as Scope, ...(kind === 'paused' ? { until: DENIED + DAY } : {}) } as never,
          DENIED,
          'zdenial',
        );
        const { before, after } = undone(events, denial);
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
        const denial = event(
          { type: kind, scope: of as Scope, ...(kind === 'paused' ? { until: DENIED + DAY } : {}) } as never,
          DENIED,
          'zdenial',
        );
        const { before, after } = undone(events, denial);
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
    const { after } = undone([], stopAll);
    expect(ask(after, 'sms', 'promotion')).toBe('consent_missing');
    expect(ask(after, 'email', 'partner_promotion')).toBe('consent_missing');
    expect(ask(after, 'email', 'promotion')).toBe('not_objected');
  });

  test('gives a consent back for what it was given, no wider', () => {
    const { after } = undone([consent({ channel: 'sms', purpose: 'promotion' })], stopAll);
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
    const { after } = undone([consent({ channel: 'sms', purpose: 'promotion' })], pause);
    expect(after.atoms.filter((atom) => atom.t === 'grant' && atom.type === 'consent_granted')).toHaveLength(1);
    expect(ask(after, 'sms', 'promotion')).toBe('consented');
    expect(ask(after, 'sms', 'sweepstakes')).toBe('consent_missing');
  });

  test('does not lift a restriction by giving a consent back that is older', () => {
    const restricted = event({ type: 'restricted' }, START + DAY, 'restricted');
    const { after } = undone([consent({ channel: 'email' }), restricted], stopAll);
    expect(ask(after, 'email', 'promotion')).toBe('restricted');
  });

  test('keeps the end of a consent', () => {
    const until = DENIED + 7;
    const { after } = undone([consent({ channel: 'sms' }, { until })], stopAll);
    expect(ask(after, 'sms', 'promotion')).toBe('consent_expired');
  });

  test('opens again what the consent had lifted when it was given', () => {
    const old = event(
      { type: 'opted_out', scope: wholeScope({ channel: 'email' }), source: { kind: 'form' } },
      START - 5,
      'old',
    );
    const again = consent({ channel: 'email', purpose: 'marketing' });
    const { before, denied, after } = undone([old, again], stopAll);
    expect([ask(before, 'email', 'promotion'), ask(denied, 'email', 'promotion')]).toEqual(['consented', 'opted_out']);
    expect(ask(after, 'email', 'promotion')).toBe('consented');
  });

  test('gives no consent back that an earlier act of the same link had ended, lifted or not', () => {
    const first = { ...stopAll, id: 'first', at: START + DAY, recorded: START + DAY };
    const lifted = event({ type: 'opted_in', scope: wholeScope({ purpose: 'marketing' }) }, START + 2 * DAY, 'lifted');
    const { before, after } = undone([consent({ channel: 'sms' }), first, lifted], stopAll);
    expect(ask(before, 'sms', 'promotion')).toBe('consent_missing');
    expect(ask(after, 'sms', 'promotion')).toBe('consent_missing');
  });

  test('gives no consent back that another denial had ended in part: it could come to count where that was lifted', () => {
    const news = event(
      { type: 'opted_out', scope: wholeScope({ channel: 'sms', topic: 'news' }), source: { kind: 'form' } },
      START + DAY,
      'news',
    );
    const { after } = undone([consent({ channel: 'sms' }), news], stopAll);
    const later = fold(after, [
      event({ type: 'opted_in', scope: wholeScope({ channel: 'sms', topic: 'news' }) }, DENIED + 7, 'in'),
    ]);
    const asked = { brand: 'jmf', channel: 'sms', purpose: 'promotion', topic: 'news', at: ASKED } as const;
    expect(decide(later, asked, context).reason).toBe('consent_missing');
  });

  test('lifts no pause with the consent', () => {
    const pause = event(
      { type: 'paused', scope: wholeScope({}), until: DENIED + DAY, source: { kind: 'form' } },
      START + DAY,
      'pause',
    );
    const { after } = undone([consent({ channel: 'email' }), pause], stopAll);
    expect(ask(after, 'email', 'promotion')).toBe('paused');
  });
});

describe('a denial stands', () => {
  test('as far as the decision denies by it, whatever is over or was lifted', () => {
    fc.assert(
      fc.property(history, question, (events, asked) => {
        const state = fold(EMPTY_STATE, events);
        const now = { ...asked, at: ASKED };
        const decision = decide(state, now, context);
        fc.pre(['opted_out', 'objected', 'complained', 'gpc', 'paused'].includes(decision.reason));
        expect(standingDenials(state, ASKED).map(({ id }) => id)).toContain(decision.event);
      }),
      { numRuns: 5000 },
    );
  });
});
