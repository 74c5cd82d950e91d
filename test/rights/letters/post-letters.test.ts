import { expect, test } from '@jest/globals';
import { nextOf, printedAddress } from '../../../src/rights/letters/post-letters.js';

test('an acknowledgement says what is to be done while nobody has shown who asks', () => {
  expect(nextOf({ kind: 'access', state: 'received', byAgent: false })).toBe('call');
  expect(nextOf({ kind: 'access', state: 'verifying', byAgent: true })).toBe('document');
});

test('there is nothing to do once the request is verified, or where it needs no proof', () => {
  expect(nextOf({ kind: 'access', state: 'fulfilling', byAgent: false })).toBe('nothing');
  expect(nextOf({ kind: 'opt_out', state: 'received', byAgent: true })).toBe('nothing');
});

test('a postal address is printed in lines, without those that are empty', () => {
  const address = {
    name: 'Ana Ruiz',
    line1: '1 Main St',
    line2: '',
    city: 'Neenah',
    region: 'WI',
    postalCode: '54956',
  };
  expect(printedAddress(JSON.stringify(address))).toBe('Ana Ruiz\n1 Main St\nNeenah, WI 54956');
});
