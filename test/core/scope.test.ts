import { describe, expect, test } from '@jest/globals';
import {
  ALL_MARKETING,
  CHANNELS,
  covers,
  EVERYTHING,
  GPC_PURPOSES,
  MARKETING_PURPOSES,
  PURPOSES,
  type Scope,
  scopeText,
  wholeScope,
} from '../../src/core/scope.js';

const scopes: Scope[] = ['*', 'jmf', 'shipping'].flatMap((brand) =>
  (['*', 'email', 'sms'] as const).flatMap((channel) =>
    (['*', 'marketing', 'legal', 'service', 'promotion', 'events'] as const).flatMap((purpose) =>
      ['*', 'news', 'tips'].map((topic) => ({ brand, channel, purpose, topic })),
    ),
  ),
);
/** A question names one brand, channel and purpose; without a topic its topic is `*`, which only `*` covers. */
const questions = scopes.filter(
  ({ brand, channel, purpose }) => brand !== '*' && channel !== '*' && purpose !== '*' && purpose !== 'marketing',
);

/** docs/decision-rules.md, "The question", word by word. */
function coversQuestion(scope: Scope, question: Scope): boolean {
  const marketing = question.purpose !== 'legal' && question.purpose !== 'service';
  return (
    [question.brand, '*'].includes(scope.brand) &&
    [question.channel, '*'].includes(scope.channel) &&
    [question.topic, '*'].includes(scope.topic) &&
    (scope.purpose === '*' || scope.purpose === question.purpose || (scope.purpose === 'marketing' && marketing))
  );
}

describe('a scope', () => {
  test('covers the questions that the decision rules say, and no others', () => {
    for (const scope of scopes) {
      for (const question of questions)
        expect([scopeText(scope), scopeText(question), covers(scope, question)]).toEqual([
          scopeText(scope),
          scopeText(question),
          coversQuestion(scope, question),
        ]);
    }
  });

  test('is within another exactly when that one covers all that it covers', () => {
    for (const inner of scopes) {
      const covered = questions.filter((question) => coversQuestion(inner, question));
      for (const outer of scopes) {
        const all = covered.every((question) => coversQuestion(outer, question));
        // With few brands, channels and topics in the world, "all of those there are" is still less than `*`.
        if (covers(outer, inner) !== all) throw new Error(`${scopeText(inner)} within ${scopeText(outer)}: not ${all}`);
      }
    }
  });

  test('missing fields are everything, and absent is not the text undefined', () => {
    expect(wholeScope(undefined)).toEqual(EVERYTHING);
    expect(wholeScope({ brand: 'jmf' })).toEqual({ brand: 'jmf', channel: '*', purpose: '*', topic: '*' });
  });

  test('has one text, and no two scopes share one', () => {
    expect(new Set(scopes.map(scopeText)).size).toBe(scopes.length);
  });
});

test('marketing is every purpose but legal and service', () => {
  expect([...MARKETING_PURPOSES].sort()).toEqual(PURPOSES.filter((p) => p !== 'legal' && p !== 'service').sort());
  for (const purpose of PURPOSES)
    expect(covers(ALL_MARKETING, { brand: 'jmf', channel: 'email', purpose, topic: '*' })).toBe(
      MARKETING_PURPOSES.includes(purpose),
    );
});

test('channels, purposes and those of Global Privacy Control are those of the decision rules, in the order of the token format', () => {
  expect(CHANNELS.join(' ')).toBe('email sms voice mail push web ads');
  expect(PURPOSES.join(' ')).toBe(
    'legal service promotion affiliate_promotion partner_promotion retargeting lookalike_seed lookalike_target profiling research sweepstakes events',
  );
  expect(GPC_PURPOSES.join(' ')).toBe(
    'retargeting lookalike_seed lookalike_target partner_promotion affiliate_promotion',
  );
});
