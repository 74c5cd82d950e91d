import { describe, expect, test } from '@jest/globals';
import type { ContactEvent } from '../../src/core/event.js';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { signalView } from '../../src/core/opt-out-signal.js';

const DAY = 86_400_000;
const NOW = 100 * DAY;
const ASK = { optOutSignal: { afterConsent: 'ask' } } as const;
const HONOUR = { optOutSignal: { afterConsent: 'honour' } } as const;

let made = 0;
const event = (day: number, type: ContactEvent['type'], more: Partial<ContactEvent> = {}): ContactEvent => ({
  id: `e${made++}`,
  type,
  at: day * DAY,
  recorded: day * DAY * 1024 + made,
  source: { kind: 'link' },
  ...more,
});
const ads = { brand: 'jmf', channel: '*', purpose: 'retargeting', topic: '*' } as const;
const signal = (day: number) => event(day, 'gpc_received');
const consent = (day: number, scope: ContactEvent['scope'] = ads, more: Partial<ContactEvent> = {}) =>
  event(day, 'consent_granted', { ...(scope ? { scope } : {}), lifts: 'any', ...more });
const seen = (events: readonly ContactEvent[], policy: typeof ASK | typeof HONOUR = ASK) => {
  const { isRecorded, isInForce, isOpen, consents, endedConsentAt } = signalView(
    fold(EMPTY_STATE, events),
    NOW,
    policy,
  );
  return { isRecorded, isInForce, isOpen, stands: consents.length, ended: endedConsentAt && endedConsentAt / DAY };
};
const nothing = { isRecorded: false, isInForce: false, isOpen: false, stands: 0, ended: undefined };

/** All that a signal denies. */
const SIGNALLED = [
  'retargeting',
  'lookalike_seed',
  'lookalike_target',
  'partner_promotion',
  'affiliate_promotion',
] as const;

describe('an opt-out signal that comes now', () => {
  test('is recorded where there was none, a consent before it or not: 11 CCR 7025(c)(3)', () => {
    expect(seen([])).toEqual({ ...nothing, isRecorded: true });
    expect(seen([consent(1)])).toEqual({ ...nothing, isRecorded: true });
  });

  test('says nothing new while one is in force; a consent that it ended is known', () => {
    expect(seen([signal(2)])).toEqual({ ...nothing, isInForce: true });
    expect(seen([consent(1), signal(2)])).toEqual({ ...nothing, isInForce: true, ended: 1 });
    // Ended by something else before: the signal took nothing from them.
    expect(seen([consent(1), event(2, 'opted_out', { scope: ads }), signal(3)])).toEqual({
      ...nothing,
      isInForce: true,
    });
  });

  test('meets a consent that came after one: it stands, and the question is open', () => {
    expect(seen([signal(1), consent(2)])).toEqual({ ...nothing, isInForce: true, isOpen: true, stands: 1 });
    // Also where the whole signal is lifted: this one was recorded again, and undid the choice.
    const everything = SIGNALLED.map((purpose) => consent(2, { brand: '*', channel: '*', purpose, topic: '*' }));
    expect(seen([signal(1), ...everything])).toEqual({ ...nothing, isOpen: true, stands: 5 });
    expect(seen([signal(1), ...everything], HONOUR)).toMatchObject({ isRecorded: true, isOpen: false });
  });

  test('the question is asked once; a signal that the person confirms opens it anew', () => {
    const kept = event(3, 'profile', { signal: 'ignored' });
    expect(seen([signal(1), consent(2), kept])).toMatchObject({ isOpen: false, isRecorded: false, stands: 1 });
    expect(seen([signal(1), consent(2), kept, signal(4)])).toMatchObject({ stands: 0, isInForce: true, ended: 2 });
    expect(seen([signal(1), consent(2), kept, signal(4), consent(5)])).toMatchObject({ isOpen: true, stands: 1 });
  });

  test('an opt-in, a consent that was withdrawn or is over, and one to something else are no choice against it', () => {
    const optIn = event(2, 'opted_in', { scope: { ...ads, brand: '*' }, lifts: 'any' });
    expect(seen([signal(1), optIn])).toMatchObject({ isOpen: false });
    expect(seen([signal(1), consent(2), event(3, 'opted_out', { scope: ads })])).toMatchObject({ stands: 0 });
    expect(seen([signal(1), consent(2, ads, { until: 3 * DAY })])).toMatchObject({ stands: 0 });
    expect(seen([signal(1), consent(2, { ...ads, purpose: 'promotion' })])).toMatchObject({ stands: 0 });
    expect(seen([signal(1), consent(2, ads, { lifts: 'none' })])).toMatchObject({ stands: 0 });
    // What is lifted whole by opt-ins counts again when a signal comes.
    const optIns = SIGNALLED.map((purpose) =>
      event(2, 'opted_in', { scope: { brand: '*', channel: '*', purpose, topic: '*' }, lifts: 'any' }),
    );
    expect(seen([signal(1), ...optIns])).toMatchObject({ isRecorded: true, stands: 0 });
  });
});
