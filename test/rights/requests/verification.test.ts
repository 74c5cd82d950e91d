import { expect, test } from '@jest/globals';
import { chosenAddresses, withProven } from '../../../src/rights/requests/verification.js';

const first = { key: Buffer.from('aa', 'hex'), type: 'email', verified: false } as const;
const second = { key: Buffer.from('bb', 'hex'), type: 'phone', verified: true } as const;
const stranger = Buffer.from('cc', 'hex');

test('an address is verified once it was shown, and stays so', () => {
  const contacts = withProven({ contacts: [first, second] }, [first.key]);
  expect(contacts.map(({ verified }) => verified)).toEqual([true, true]);
});

test('an address that only was claimed stays claimed', () => {
  const contacts = withProven({ contacts: [first, second] }, [stranger]);
  expect(contacts.map(({ verified }) => verified)).toEqual([false, true]);
});

test('of a request with one address nobody has to choose', () => {
  expect(chosenAddresses({ contacts: [first] }, [])).toEqual([first.key]);
});

test('of several addresses those count that are chosen and in the request', () => {
  expect(chosenAddresses({ contacts: [first, second] }, [second.key, stranger])).toEqual([second.key]);
});

test('of several addresses one has to be chosen', () => {
  expect(() => chosenAddresses({ contacts: [first, second] }, [stranger])).toThrow('names several addresses');
});
