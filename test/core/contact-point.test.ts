import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parse } from 'yaml';
import { type ContactInput, maskContact, normaliseContact } from '../../src/core/contact-point.js';
import { HushError } from '../../src/core/errors.js';
import { formerNumbers } from '../../src/core/phone-spellings.js';

interface Written {
  readonly given: string;
  readonly is?: string;
  readonly refused?: string;
  readonly country?: string;
}

const corpus: { emails: Written[]; phones: Written[]; ids: Written[] } = parse(
  readFileSync(new URL('contact-points.yaml', import.meta.url), 'utf8'),
);

function refusal(input: ContactInput): HushError {
  try {
    const { normalised } = normaliseContact(input);
    throw new Error(`accepted as ${normalised}`);
  } catch (error) {
    if (error instanceof HushError) return error;
    throw error;
  }
}

const normalised = (input: ContactInput) => normaliseContact(input).normalised;

describe.each([
  ['email', corpus.emails, (given: string): ContactInput => ({ email: given })],
  ['phone', corpus.phones, (given: string): ContactInput => ({ phone: given })],
  ['id', corpus.ids, (given: string): ContactInput => ({ id: given })],
] as const)('every %s of the corpus', (type, written, input) => {
  test.each(written.map((item) => [JSON.stringify(item.given), item] as const))('%s', (_name, item) => {
    if (item.refused !== undefined) {
      const error = refusal(input(item.given));
      expect(error.message).toContain(item.refused);
      expect(error.kind).toBe('invalid');
      expect(error.detail.field).toBe(`contact.${type}`);
      expect(error.detail.remedy).toMatch(/^give /);
      return;
    }
    const point = normaliseContact(input(item.given));
    expect(point).toMatchObject({ type, normalised: item.is });
    if (item.country !== undefined) expect(point.country).toBe(item.country);
    // What is sent to, and what was hashed, are the same contact again.
    expect(normalised(input(point.given))).toBe(item.is);
    expect(normalised(input(point.normalised))).toBe(item.is);
  });
});

describe('lengths, in octets', () => {
  const domainOf = (octets: number) => `${'d'.repeat(60)}.${'e'.repeat(60)}.${'f'.repeat(octets - 122 - 4)}.com`;
  test('254 are an address, 255 are not', () => {
    const local = 'l'.repeat(64);
    const fits = `${local}@${domainOf(189)}`;
    expect(Buffer.byteLength(fits)).toBe(254);
    expect(normalised({ email: fits })).toBe(fits);
    expect(refusal({ email: `${local}@${domainOf(189)}`.replace('@', '@g.') }).message).toMatch(/254 octets/);
  });
  test('more than 64 before the @ are delivered, letters of two octets counted twice', () => {
    expect(normalised({ email: `${'ö'.repeat(121)}@example.com` })).toHaveLength(121 + 12);
    expect(refusal({ email: `${'ö'.repeat(122)}@example.com` }).message).toMatch(/254 octets/);
    expect(normalised({ email: `${'a'.repeat(65)}@example.com` })).toHaveLength(65 + 12);
  });
  test('a label of 63, not of 64', () => {
    expect(normalised({ email: `a@${'b'.repeat(63)}.com` })).toMatch(/^a@b{63}\.com$/);
    expect(refusal({ email: `a@${'b'.repeat(64)}.com` }).message).toMatch(/not a domain/);
  });
  test('a megabyte is refused at once', () => {
    for (const text of ['a'.repeat(1_000_000), `${'"\\'.repeat(500_000)}@a.com`, `${'a.'.repeat(500_000)}@a.com`]) {
      expect(refusal({ email: text }).message).toMatch(/254 octets/);
      expect(refusal({ phone: text }).message).toMatch(/shorter/);
    }
  });
});

test('a number is kept as it was first given', () => {
  expect(normaliseContact({ phone: '+52 1 55 1234 5678' })).toMatchObject({ given: '+5215512345678', country: 'MX' });
  expect(normaliseContact({ phone: '+551187654321' }).given).toBe('+551187654321');
  expect(normaliseContact({ phone: '044 55 1234 5678' }, 'MX').normalised).toBe('+525512345678');
  expect(normaliseContact({ phone: '011 15-2345-6789' }, 'AR').normalised).toBe('+5491123456789');
});

test('what a contact was stored under before two numbers were one is known', () => {
  expect(formerNumbers('+5511987654321')).toEqual(['+551187654321']);
  expect(formerNumbers('+5511933334444')).toEqual([]);
  expect(formerNumbers('+5491123456789')).toEqual(['+541123456789']);
  expect(formerNumbers('+525512345678')).toEqual([]);
});

test('two numbers without a country are of the country that is told', () => {
  expect(normaliseContact({ phone: '030 123456' }, 'DE')).toMatchObject({ normalised: '+4930123456', country: 'DE' });
  expect(normaliseContact({ phone: '020 7946 0018' }, 'GB').normalised).toBe('+442079460018');
});

describe('postal addresses', () => {
  const door = { line1: '24 Jewelers Park Dr.', city: 'Neenah', region: 'WI', postalCode: '54956-1234', country: 'us' };
  const key = (change: object) => normalised({ postal: { ...door, ...change } });
  test('are one door in any case, spacing and punctuation, with ZIP or ZIP+4', () => {
    const one = key({});
    for (const change of [
      { line1: '24  jewelers park dr' },
      { city: 'NEENAH ' },
      { postalCode: '54956' },
      { country: undefined },
      { country: 'US' },
      { region: 'wi.' },
    ])
      expect(key(change)).toBe(one);
  });
  test('are another with another name, door, town or country', () => {
    const all = [{}, { name: 'Ana' }, { line1: '25 Jewelers Park Dr' }, { city: 'Menasha' }, { country: 'CA' }].map(
      key,
    );
    expect(new Set(all).size).toBe(all.length);
  });
  test('cannot run one field into the next', () => {
    expect(key({ line1: 'A', line2: 'B|C' })).not.toBe(key({ line1: 'A', line2: 'B', city: 'C|Neenah' }));
  });
  test.each([{ line1: '…' }, { city: ' ' }, { postalCode: '--' }, { country: 'USA' }, { line1: 'x'.repeat(500) }])(
    'are refused with %j',
    (change) => {
      const error = refusal({ postal: { ...door, ...change } });
      expect(error.detail).toMatchObject({ field: 'contact.postal', remedy: expect.stringMatching(/^give line1/) });
    },
  );
});

describe('for any text', () => {
  const nearly = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.emailAddress(),
    fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.domain()).map(([local, domain]) => `${local}@${domain}`),
    fc
      .tuple(fc.string({ maxLength: 5 }), fc.string({ unit: 'grapheme', maxLength: 12 }))
      .map(([a, b]) => `${a}@${b}.com`),
  );
  test('an email has one form or is refused; its form and what is sent to lead back to it', () => {
    fc.assert(
      fc.property(nearly, (email) => {
        let point: ReturnType<typeof normaliseContact>;
        try {
          point = normaliseContact({ email });
        } catch (error) {
          expect(error).toBeInstanceOf(HushError);
          return;
        }
        expect(normalised({ email: point.normalised })).toBe(point.normalised);
        expect(normalised({ email: point.given })).toBe(point.normalised);
        expect(normalised({ email: ` ${email}\t` })).toBe(point.normalised);
        expect(point.given).not.toMatch(/[\r\n\0<>]/);
      }),
      { numRuns: 3000 },
    );
  });
  test('a phone has one form or is refused', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'+0123456789 ()-.xX#,;tel:A') })),
        (phone) => {
          try {
            const point = normaliseContact({ phone });
            expect(point.normalised).toMatch(/^\+\d{6,15}$/);
            expect(normalised({ phone: point.normalised })).toBe(point.normalised);
          } catch (error) {
            expect(error).toBeInstanceOf(HushError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test.each([
  [{ email: 'ana@example.com' }, 'a•••@example.com'],
  [{ email: '"a@b"@example.com' }, '"•••@example.com'],
  [{ phone: '+1 920 555 0112' }, '+1 ••• ••12'],
  [{ id: 'crm:12345' }, 'crm:•••45'],
  [{ postal: { line1: '1 Main St', city: 'Neenah', postalCode: '54956' } }, '••• Neenah US'],
] as [ContactInput, string][])('%j is shown as %s', (input, shown) => {
  expect(maskContact(normaliseContact(input))).toBe(shown);
});

test('a short identifier is not shown whole by its mask', () => {
  expect(maskContact(normaliseContact({ id: 'crm:7' }))).toBe('crm:•••');
});
