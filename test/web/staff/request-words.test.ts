import { expect, test } from '@jest/globals';
import { byOf, contactInputFrom } from '../../../src/web/staff/request-words.js';

test('one field takes an email address, a customer number with its system, or a phone number', () => {
  expect(contactInputFrom('ana@example.com')).toEqual({ email: 'ana@example.com' });
  expect(contactInputFrom('crm:4711')).toEqual({ id: 'crm:4711' });
  expect(contactInputFrom('+1 212 555 0123')).toEqual({ phone: '+1 212 555 0123' });
  expect(contactInputFrom('crm: 4711')).toEqual({ phone: 'crm: 4711' });
});

test('the history of a request names staff by id and by name', () => {
  expect(byOf({ id: 'u1', name: 'Ana Silva', roles: [] })).toEqual({ id: 'staff u1', name: 'Ana Silva' });
});
