import { describe, expect, test } from '@jest/globals';
import { keyringFromSecret } from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';
import { nameAndCodeHash, readNameAndCode } from '../../src/staff/name-and-code.js';
import { processorMs } from '../support/processor.js';

const keyring = keyringFromSecret('a secret of these tests, long enough', machine.randomBytes);
const hash = (text: string) => {
  const read = readNameAndCode(text);
  return read && nameAndCodeHash(keyring, read)?.toString('hex');
};

describe('a name and a postal code', () => {
  test.each(['Jane Doe, 54956', 'jane doe 54956', 'DOE, JANE 54956-1234', 'Jane Q. Doe 549561234', 'Jané  Doe, 54956'])(
    '%s is the same as it is stored',
    (text) => {
      const stored = nameAndCodeHash(keyring, { name: 'Jane Doe', postalCode: '54956-0001' });
      expect(hash(text)).toBe(stored?.toString('hex'));
    },
  );

  test.each([
    ['SW1A 1AA', 'Jane Doe SW1A 1AA'],
    ['K1A 0B6', 'Jane Doe, k1a0b6'],
    ['80331', 'Jane Doe 80331'],
  ])('codes of other countries: %s', (postalCode, text) => {
    expect(hash(text)).toBe(nameAndCodeHash(keyring, { name: 'Jane Doe', postalCode })?.toString('hex'));
  });

  test.each(['Jane Doe', '54956', 'Jane', '+1 920 555 0100', 'ana@example.com', '', 'J 54956'])(
    '%j is none',
    (text) => {
      expect(hash(text)).toBeUndefined();
    },
  );

  test('another name or code is another', () => {
    expect(hash('Jane Doe, 54956')).not.toBe(hash('Jane Doe, 54957'));
    expect(hash('Jane Doe, 54956')).not.toBe(hash('Jane Roe, 54956'));
  });

  test('a hostile text is read in no time', () => {
    for (const text of ['a'.repeat(300), 'a '.repeat(150), `${'a, '.repeat(99)}1`, '1'.repeat(300)])
      expect(processorMs(() => readNameAndCode(text))).toBeLessThan(2000);
  });
});
