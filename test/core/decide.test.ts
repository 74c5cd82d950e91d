import { describe, expect, test } from '@jest/globals';
import { decide } from '../../src/core/decide.js';
import { EMPTY_STATE, fold, foldAsOf } from '../../src/core/fold.js';
import { inForce } from '../../src/core/standing.js';
import { goldenCases, goldenEvents, policy } from '../support/golden.js';

describe('decide agrees with the golden cases', () => {
  test.each(goldenCases.map((c) => [c.id, c.name, c] as const))('%s %s', (_id, _name, c) => {
    const question = { ...c.ask, at: Date.parse(c.ask.at) };
    const events = goldenEvents(c.given);
    expect(decide(fold(EMPTY_STATE, events), question, { policy })).toMatchObject(c.expect);
    expect(decide(fold(EMPTY_STATE, [...events].reverse()), question, { policy })).toMatchObject(c.expect);
    expect(decide(foldAsOf(events, question.at), question, { policy })).toMatchObject(c.expect);
  });
});

describe('calling hours', () => {
  const ask = (at: string) =>
    decide(
      EMPTY_STATE,
      { brand: 'jmf', channel: 'voice', purpose: 'promotion', topic: '*', at: Date.parse(at) },
      { policy },
    );

  test('with an unknown zone the first instant is when Honolulu opens', () => {
    const decision = ask('2026-06-15T15:00:00Z');
    expect(decision.reason).toBe('quiet_hours');
    expect(new Date(decision.retryAfter ?? 0).toISOString()).toBe('2026-06-15T18:00:00.000Z');
  });
  test('over the change to winter time', () => {
    // 1 November 2026, 21:30 in New York; Honolulu opens at 08:00 HST = 18:00 UTC the next day.
    expect(new Date(ask('2026-11-02T02:30:00Z').retryAfter ?? 0).toISOString()).toBe('2026-11-02T18:00:00.000Z');
  });
  test('a destination is told lasting facts only', () => {
    const question = {
      brand: 'jmf',
      channel: 'voice',
      purpose: 'promotion',
      topic: '*',
      at: Date.parse('2026-06-15T15:00:00Z'),
    } as const;
    expect(decide(EMPTY_STATE, question, { policy, ignoreQuietHours: true }).allowed).toBe(true);
  });
});

test('a yes to one topic after a no to all of a purpose opens that topic and nothing else', () => {
  const jmf = { brand: 'jmf', channel: 'email', purpose: 'promotion' } as const;
  const state = fold(
    EMPTY_STATE,
    goldenEvents([
      { type: 'opted_out', at: '2026-06-01T10:00:00Z', scope: jmf, source: { kind: 'link' } },
      {
        type: 'consent_granted',
        at: '2026-06-01T11:00:00Z',
        scope: { ...jmf, topic: 'news' },
        source: { kind: 'form' },
        lifts: 'any',
      },
    ]),
  );
  const at = Date.parse('2026-06-15T15:00:00Z');
  const answer = (topic: string) => decide(state, { ...jmf, topic, at }, { policy });
  expect(answer('news')).toEqual({ allowed: true, reason: 'consented' });
  for (const topic of ['tips', '*']) expect(answer(topic)).toMatchObject({ allowed: false, reason: 'opted_out' });
  expect(inForce(state, at).denials).toMatchObject([{ denial: { type: 'opted_out' }, except: [{ topic: 'news' }] }]);
});

describe('what is not said', () => {
  const at = Date.parse('2026-06-15T15:00:00Z');
  const voice = { brand: 'jmf', channel: 'voice', purpose: 'promotion', topic: '*', at } as const;
  /** Events as whoever folds a history of their own may have them. */
  const events = (fields: object) =>
    fold(EMPTY_STATE, [
      { id: 'a', at: at - 5, recorded: 1, source: { kind: 'api', destination: null }, ...fields } as never,
    ]);

  test('null is as absent: no fact, every scope, no end', () => {
    const nothing = events({
      type: 'profile',
      relationship: null,
      jurisdiction: null,
      timeZone: null,
      minor: null,
      implied: null,
      scope: null,
    });
    expect(nothing.atoms).toEqual([]);
    const all = { brand: null, channel: null, purpose: 'marketing', topic: null };
    expect(decide(events({ type: 'opted_out', scope: all, until: null }), voice, { policy })).toMatchObject({
      allowed: false,
      reason: 'opted_out',
    });
    const consent = events({ type: 'consent_granted', scope: all, until: null, lifts: null });
    expect(decide(consent, { ...voice, channel: 'sms' }, { policy, ignoreQuietHours: true }).reason).toBe('consented');
    for (const type of ['unreachable', 'registry_listed', 'cadence_set']) {
      expect(events({ type, channel: null, registry: null, cadence: null }).atoms).toEqual([]);
    }
  });

  test('a zone that there is not is an unknown zone', () => {
    const said = events({ type: 'profile', timeZone: 'Mars/Olympus' });
    expect(decide(said, voice, { policy })).toEqual(decide(EMPTY_STATE, voice, { policy }));
  });
});
