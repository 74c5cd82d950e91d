import { expect, test } from '@jest/globals';
import type { Contact } from '../../src/store/contacts.js';
import { entryFor } from '../../src/sync/task.js';

const contact = { key: Buffer.from('0123456789abcdef0123456789abcdef', 'hex'), type: 'email' } as Contact;
const ref = '0123456789abcdef0123456789abcdef';

test('a destination gets the address, and since when, why and by which receipt it is denied', () => {
  const decision = { allowed: false, reason: 'opted_out', since: 1_777_000_000_000, event: '0BDZ-3E8Q-8R58-GGJP-7700' };
  expect(entryFor(contact, 'ana@example.com', decision as Parameters<typeof entryFor>[2])).toEqual({
    ref,
    type: 'email',
    address: 'ana@example.com',
    reason: 'opted_out',
    since: 1_777_000_000_000,
    receipt: 'r_0BDZ-3E8Q-8R58-GGJP-7700',
  });
});

test('of what is allowed it gets no time and no receipt', () => {
  const given = [undefined, { allowed: true, reason: 'not_objected' } as const];
  for (const decision of given) {
    expect(Object.keys(entryFor(contact, 'ana@example.com', decision)).sort()).toEqual([
      'address',
      'reason',
      'ref',
      'type',
    ]);
  }
});
