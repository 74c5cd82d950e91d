import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { DenialAtom } from '../../src/core/atoms.js';
import { decide } from '../../src/core/decide.js';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold, type State, unfolded } from '../../src/core/fold.js';
import { type CHANNELS, covers, meet, type PURPOSES, type Scope, wholeScope } from '../../src/core/scope.js';
import { standingDenials } from '../../src/core/standing.js';
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

/** The events that take acts back, as they are recorded. */
function takenBack(history: readonly ContactEvent[], acts: readonly string[], at = DENIED + 5): ContactEvent[] {
  const denials = unfolded(history).atoms.filter(
    (atom): atom is DenialAtom => atom.t === 'denial' && acts.includes(atom.id),
  );
  return undoing(history, denials, at).steps.map(({ type, scope: of, lifts, liftsAt, until }, index) =>
    event({ type, scope: of, lifts, liftsAt, ...(until === undefined ? {} : { until }) }, at, `undo${at}-${index}`),
  );
}

/** The state after the denial, and after it was taken back. */
function undone(before: readonly ContactEvent[], denial: ContactEvent): { before: State; denied: State; after: State } {
  const denied = fold(fold(EMPTY_STATE, before), [denial]);
  return {
    before: fold(EMPTY_STATE, before),
    denied,
    after: fold(denied, takenBack([...before, denial], [denial.id])),
  };
}

const ask = (state: State, channel: (typeof CHANNELS)[number], purpose: (typeof PURPOSES)[number]) =>
  decide(state, { brand: 'jmf', channel, purpose, topic: '*', at: ASKED }, context).reason;

describe('the meet of two scopes', () => {
  test('covers what both cover, and nothing else', () => {
    fc.assert(
      fc.property(scope, scope, question, (a, b, asked) => {
        const [one, two] = [wholeScope(a as Scope), wholeScope(b as Scope)];
        const both = meet(one, two);
        expect(both !== undefined && covers(both, asked)).toBe(covers(one, asked) && covers(two, asked));
      }),
      { numRuns: 2000 },
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
      { numRuns: 2500 },
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
      { numRuns: 2000 },
    );
  });

  const consent = (of: Partial<Scope>, fields: Partial<ContactEvent> = {}) =>
    event({ type: 'consent_granted', scope: wholeScope(of), ...fields }, START, 'consent');
  const stopAll = event({ type: 'opted_out', scope: wholeScope({ purpose: 'marketing' }) }, DENIED, 'stop');

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

describe('an undo takes back one act', () => {
  const act = (fields: Partial<ContactEvent> & Pick<ContactEvent, 'type'>, at: number, id: string) =>
    event({ scope: wholeScope({ purpose: 'marketing' }), ...fields }, at, id);
  const [day1, day2, day3] = [START + DAY, START + 2 * DAY, START + 3 * DAY];
  const reasonAfter = (history: readonly ContactEvent[], acts: readonly string[], at?: number) =>
    ask(fold(fold(EMPTY_STATE, history), takenBack(history, acts, at)), 'email', 'promotion');
  const pause = act({ type: 'paused', until: ASKED + DAY }, day1, 'pause');
  const stop = act({ type: 'opted_out' }, day2, 'stop');

  test('of a pause and a stop through one link the one that it names', () => {
    expect(reasonAfter([pause, stop], ['stop'])).toBe('paused');
    expect(reasonAfter([pause, stop], ['pause', 'stop'])).toBe('not_objected');
  });

  test('of two that say the same neither: the first stands, and is told', () => {
    const first = { ...stop, id: 'first', at: day1, recorded: day1 };
    for (const id of ['first', 'stop']) expect(reasonAfter([first, stop], [id])).toBe('opted_out');
    const denials = unfolded([first, stop]).atoms.filter((atom): atom is DenialAtom => atom.id === 'stop');
    expect(undoing([first, stop], denials, DENIED).standing).toMatchObject([{ id: 'first', at: day1 }]);
  });

  test('again after the first was taken back and it was said again', () => {
    const back = takenBack([stop], ['stop'], day2 + 5);
    const again = { ...stop, id: 'again', at: day3, recorded: day3 };
    expect(reasonAfter([stop, ...back, again], ['again'])).toBe('not_objected');
    expect(reasonAfter([stop, ...back, again], ['stop'])).toBe('opted_out');
  });

  test('only while nothing was said since: an undo that was planned before lifts nothing', () => {
    const later = act(
      { type: 'opted_out', scope: wholeScope({ channel: 'email' }), source: { kind: 'phone' } },
      day3,
      'p',
    );
    expect(takenBack([stop, later], ['stop'])).toEqual([]);
    // Recorded after the plan was made, and before the undo was.
    const planned = takenBack([stop], ['stop'], day3 - 1);
    expect(ask(fold(fold(EMPTY_STATE, [stop, later]), planned), 'email', 'promotion')).toBe('opted_out');
    // A privacy signal of a browser that looks at the page stands for itself and holds nothing up.
    const signal = act({ type: 'gpc_received' }, day3, 'gpc');
    expect(reasonAfter([stop, signal], ['stop'])).toBe('not_objected');
  });

  test('no second time, and not without end', () => {
    const back = takenBack([stop], ['stop'], day2 + 5);
    expect(takenBack([stop, ...back], ['stop'])).toEqual([]);
    const history = [...Array(201).keys()].flatMap((n) => {
      const again = { ...stop, id: `s${n}`, at: day2 + n * 10, recorded: day2 + n * 10 };
      return [again, act({ type: 'opted_in', lifts: 'same_source', liftsAt: [again.at] }, again.at + 5, `u${n}`)];
    });
    const last = { ...stop, id: 'last', at: day3, recorded: day3 };
    expect(takenBack([...history, last], ['last'])).toEqual([]);
  });

  test('and is no opt-in, where one is enough', () => {
    const lenient = { ...policy, consent: policy.consent.map((rule) => ({ ...rule, optInSuffices: true })) };
    const asked = { brand: 'jmf', channel: 'sms', purpose: 'promotion', topic: '*', at: ASKED } as const;
    const after = fold(fold(EMPTY_STATE, [stop]), takenBack([stop], ['stop']));
    expect(decide(after, asked, { ...context, policy: lenient }).reason).toBe('consent_missing');
  });

  test('never allows what was denied had the act not been, whatever else the link did and whatever arrives late', () => {
    const kind = fc.constantFrom('opted_out', 'consent_withdrawn', 'objected', 'paused');
    const acts = fc.array(fc.record({ type: kind, scope, day: fc.integer({ min: 1, max: 60 }) }), {
      minLength: 2,
      maxLength: 5,
    });
    fc.assert(
      fc.property(history, acts, fc.nat(), history, question, (events, list, chosen, late, asked) => {
        const through = list.map(({ type, scope: of, day }, at) =>
          event(
            { type, scope: of as Scope, ...(type === 'paused' ? { until: ASKED + DAY } : {}) } as never,
            START + day * 15 * DAY,
            `link${at}`,
          ),
        );
        const all = [...events, ...through];
        const id = `link${chosen % list.length}`;
        const undo = takenBack(all, [id]);
        const later = late.filter(({ type }) => type !== 'restricted').map((one) => ({ ...one, id: `late${one.id}` }));
        const now = { ...asked, at: ASKED };
        const after = fold(fold(EMPTY_STATE, [...all, ...undo]), later);
        const without = fold(EMPTY_STATE, [...all.filter((one) => one.id !== id), ...later]);
        if (decide(after, now, context).allowed) expect(decide(without, now, context).allowed).toBe(true);
      }),
      { numRuns: 2500 },
    );
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
      { numRuns: 2500 },
    );
  });
});
