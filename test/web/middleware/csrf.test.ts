import { expect, test } from '@jest/globals';
import { createCsrfSecret, isCsrfToken, ticketOf } from '../../../src/web/middleware/csrf.js';

test('a form of the session is known by its secret, with or without a ticket', () => {
  const secret = createCsrfSecret();
  expect(isCsrfToken(secret, secret)).toBe(true);
  expect(isCsrfToken(secret, `${secret}.a-ticket`)).toBe(true);
  expect(ticketOf(`${secret}.a-ticket`)).toBe('a-ticket');
});

test.each([undefined, null, '', '.', 7, ['a'], {}, createCsrfSecret(), `.${createCsrfSecret()}`])(
  'anything else is refused: %p',
  (input) => {
    expect(isCsrfToken(createCsrfSecret(), input)).toBe(false);
  },
);

test('two sessions have two secrets of 256 bits', () => {
  expect(createCsrfSecret()).not.toBe(createCsrfSecret());
  expect(Buffer.from(createCsrfSecret(), 'base64url')).toHaveLength(32);
});

test('what carries no ticket has an empty one', () => {
  expect([ticketOf(undefined), ticketOf('token'), ticketOf(['a.b']), ticketOf({})]).toEqual(['', '', '', '']);
});
