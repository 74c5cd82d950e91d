import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createAliasGroups, mailboxOf } from '../../src/core/alias-group.js';
import { normaliseContact } from '../../src/core/contact-point.js';
import { decide } from '../../src/core/decide.js';
import { DENIAL_TYPES } from '../../src/core/event.js';
import { EMPTY_STATE, fold, foldAsOf, joinStates } from '../../src/core/fold.js';
import { contactKeyBytes, keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { policy } from '../support/golden.js';
import { history, question } from '../support/histories.js';

const TAGS = [...policy.mailboxes, { domains: ['*'], tags: '+' }];
const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
const of = (email: string, rules = policy.mailboxes) => mailboxOf(normaliseContact({ email }).normalised, rules);

describe('spellings of one mailbox', () => {
  test.each([
    ['jane.doe@gmail.com', 'janedoe@gmail.com'],
    ['JaneDoe@GoogleMail.com', 'janedoe@gmail.com'],
    ['j.a.n.e.d.o.e@gmail.com', 'janedoe@gmail.com'],
    ['jane..doe@gmail.com', 'janedoe@gmail.com'],
    ['jane.doe+shop@gmail.com', 'janedoe+shop@gmail.com'],
    ['jane.doe@example.com', undefined],
    ['jane.doe@gmail.com.example', undefined],
    ['jane.doe@notgmail.com', undefined],
  ])('%s is %s', (email, mailbox) => expect(of(email)).toBe(mailbox));

  test.each([
    ['jane.doe+shop@gmail.com', 'janedoe@gmail.com'],
    ['jane.doe+shop+spring@example.com', 'jane.doe@example.com'],
    ['jane.doe@example.com', 'jane.doe@example.com'],
    ['+shop@example.com', '+shop@example.com'],
    ['jane.doe@googlemail.com', 'janedoe@gmail.com'],
  ])('with tags, %s is %s', (email, mailbox) => expect(of(email, TAGS)).toBe(mailbox));

  test('a number has the keys it was stored under before', () => {
    const groupOf = createAliasGroups(keyring, policy.mailboxes);
    const group = groupOf(normaliseContact({ phone: '+551187654321' }));
    expect(group?.id).toBe(groupOf(normaliseContact({ phone: '+5511987654321' }))?.id);
    expect(group?.formerKeys).toEqual([contactKeyBytes(keyring, { type: 'phone', normalised: '+551187654321' })]);
    expect(groupOf(normaliseContact({ phone: '+19205550100' }))).toBeUndefined();
  });
});

test('denials of the others count as if they were its own, grants and facts do not', () => {
  fc.assert(
    fc.property(history, history, question, (own, other, asked) => {
      const others = other.map((event) => ({ ...event, id: `o${event.id}`, recorded: event.recorded + 0.5 }));
      const state = joinStates(fold(EMPTY_STATE, own), fold(EMPTY_STATE, others), 'denials');
      fc.pre(asked.at >= state.horizon);
      const denials = others.filter(({ type }) => DENIAL_TYPES.some((denial) => denial === type));
      const context = { policy, ignoreQuietHours: true };
      expect(decide(state, asked, context)).toEqual(decide(foldAsOf([...own, ...denials], asked.at), asked, context));
    }),
    { numRuns: 2000 },
  );
});
