import { describe, expect, test } from '@jest/globals';
import { decide } from '../../src/core/decide.js';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { jurisdictionMatches } from '../../src/core/policy.js';
import { CHANNELS, MARKETING_PURPOSES } from '../../src/core/scope.js';
import { goldenEvents, policy } from '../support/golden.js';

describe('a jurisdiction', () => {
  test.each([
    [['*'], 'US-CA', true],
    [['US'], 'US', true],
    [['US'], 'US-CA', true],
    [['US-CA'], 'US-CA', true],
    [['US-CA'], 'US', false],
    [['US-CA'], 'US-C', false],
    [['CA'], 'US-CA', false],
    [['CA'], 'CA-ON', true],
    [['NO'], 'NO', true],
    [[], 'US', false],
  ])('of %j is %s: %s', (patterns, jurisdiction, matches) => {
    expect(jurisdictionMatches(patterns, jurisdiction)).toBe(matches);
  });
});

/** At noon in New York and early in Honolulu's calling hours. */
const NOON = Date.parse('2026-06-15T20:00:00Z');
function reason(
  channel: (typeof CHANNELS)[number],
  purpose: (typeof MARKETING_PURPOSES)[number],
  profile: object,
): string {
  const state = fold(EMPTY_STATE, goldenEvents([{ type: 'profile', at: '2026-01-01T00:00:00Z', ...profile }]));
  return decide(state, { brand: 'jmf', channel, purpose, topic: '*', at: NOON }, { policy, ignoreQuietHours: true })
    .reason;
}

// docs/decision-rules.md, 10, as a table of its own.
const EUROPE = 'AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO GB'.split(
  ' ',
);
const ADS = ['retargeting', 'lookalike_seed', 'lookalike_target', 'profiling'];

describe('where consent is needed, as config/policy.yaml ships it', () => {
  test.each(['US', 'US-CA', 'CA', 'CA-QC', ...EUROPE, 'DE-BY', 'CH', 'MX', 'JP'])('%s', (jurisdiction) => {
    const country = jurisdiction.slice(0, 2);
    for (const channel of CHANNELS) {
      for (const purpose of MARKETING_PURPOSES) {
        const needed =
          channel === 'sms' ||
          purpose === 'partner_promotion' ||
          (EUROPE.includes(country) && (['email', 'push', 'voice'].includes(channel) || ADS.includes(purpose))) ||
          (country === 'CA' && channel === 'email');
        expect([channel, purpose, reason(channel, purpose, { jurisdiction })]).toEqual([
          channel,
          purpose,
          needed ? 'consent_missing' : 'not_objected',
        ]);
      }
    }
  });
});

test('the figures of law are those of the decision rules', () => {
  expect(policy.defaultJurisdiction).toBe('US');
  expect(policy.registryRelationship).toEqual({ purchase: 18, inquiry: 3 });
  expect(policy.consent.find(({ implied }) => implied)).toMatchObject({
    jurisdictions: ['CA'],
    channels: ['email'],
    implied: { purchase: 24, inquiry: 6 },
  });
  expect(policy.consent.some(({ optInSuffices }) => optInSuffices)).toBe(false);
  const hours = (jurisdiction: string) =>
    policy.callingHours.find(({ jurisdictions }) => jurisdictionMatches(jurisdictions, jurisdiction));
  for (const state of ['US-FL', 'US-OK', 'US-WA']) expect(hours(state)).toMatchObject({ from: 8, to: 20 });
  for (const other of ['US', 'US-TX', 'DE', 'CA-ON']) expect(hours(other)).toMatchObject({ from: 8, to: 21 });
  const zones = (jurisdiction: string) =>
    policy.unknownZones.find(({ jurisdictions }) => jurisdictionMatches(jurisdictions, jurisdiction))?.zones;
  expect([zones('US-CA'), zones('DE')]).toEqual([['America/New_York', 'Pacific/Honolulu'], ['UTC']]);
  const clock = (jurisdiction: string) =>
    policy.requests.find(({ jurisdictions }) => jurisdictionMatches(jurisdictions, jurisdiction));
  expect(clock('US-CA')).toMatchObject({ answer: { days: 45 }, extension: { days: 45 }, acknowledgeBusinessDays: 10 });
  expect(clock('DE')).toMatchObject({ answer: { months: 1 }, extension: { months: 2 } });
  expect(policy.requestRecordMonths).toBeGreaterThanOrEqual(24);
});
