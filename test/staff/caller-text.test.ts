import { expect, test } from '@jest/globals';
import { ownNumberFrom } from '../../src/staff/caller-text.js';

test.each([
  ['K7QM2-D4X9T-BA7CD', 'request', 'q_k7qm2-d4x9t-ba7cd'],
  ['q_k7qm2 d4x9t ba7cd', 'request', 'q_k7qm2-d4x9t-ba7cd'],
  ['0BDZ-3E8Q-8R58-GGJP-7700', 'receipt', '0BDZ-3E8Q-8R58-GGJP-7700'],
])('%s is a number of ours', (text, kind, id) => {
  expect(ownNumberFrom(text)).toEqual({ kind, id });
});

// Fifteen or twenty letters, all of which our numbers are written with.
test.each(['Zoe Featherstone', 'Jones-Smyth-Brown', 'ABCDEFGHJKMNPQR', 'Bernadette, Constance', 'Zoë Featherstone'])(
  '%s is a name',
  (text) => {
    expect(ownNumberFrom(text)).toBeUndefined();
  },
);
