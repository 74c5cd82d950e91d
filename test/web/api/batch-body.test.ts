import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase32 } from '../../../src/core/base32.js';
import { eventId, eventIdText, keyringFromSecret, parseEventId } from '../../../src/core/keys.js';
import { batchAddresses } from '../../../src/web/api/batch-body.js';
import { parseJson } from '../../../src/web/middleware/json.js';

const MOST = 5;
const blank = fc.constantFrom('', '', ' ', '\n', '\t');
const contact = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('"email":"a@example.com"', '"email" : "B+c@x.de"', '"email":""') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '"email":"a\\"b"',
      '"email":"é@x.de"',
      '"phone":"+1"',
      '"email":"a","x":1',
      '',
      '"email":1',
      '"email":"a\n"',
    ),
  },
);
const body = fc
  .record({
    before: fc.constantFrom(
      '"brand":"jmf",',
      '',
      '"contacts":[],',
      '"x":"\\"contacts\\":[",',
      '"y":{"contacts":[{"email":"a"}]},',
    ),
    after: fc.constantFrom('', ',"topic":"news"', ',"topic":"\\"contacts\\""', ',', '}'),
    contacts: fc.array(
      fc.tuple(blank, contact, blank).map(([first, fields, last]) => `${first}{${first}${fields}${last}}${last}`),
      { maxLength: 7 },
    ),
    end: fc.constantFrom(']', ']', ']', '', ',]'),
    gap: blank,
  })
  .map(
    ({ before, after, contacts, end, gap }) => `{${before}"contacts"${gap}:${gap}[${contacts.join(',')}${end}${after}}`,
  );

/** What a reader of JSON makes of it, where the list is at the top. */
function read(text: string): { contacts: unknown; rest: unknown } | undefined {
  try {
    const { contacts, ...rest } = parseJson(text) as Record<string, unknown>;
    return { contacts, rest };
  } catch {
    return undefined;
  }
}

test('the addresses of a body are those that a reader of JSON finds, and so is the rest', () => {
  let found = 0;
  fc.assert(
    fc.property(body, (text) => {
      const bytes = Buffer.from(text);
      const addresses = batchAddresses(bytes, MOST);
      if (!addresses) return;
      const rest = read(addresses.rest.toString());
      // A list that is not at the top leaves a rest that asks about somebody, or that no schema allows.
      if (!rest || !Array.isArray(rest.contacts) || rest.contacts.length > 0) return;
      found++;
      const list = Array.from({ length: addresses.count }, (_, n) => ({
        email: bytes.toString('utf8', addresses.from[n], addresses.to[n]),
      }));
      expect({ text, ...read(text) }).toEqual({ text, contacts: list, rest: rest.rest });
    }),
    { numRuns: 5000 },
  );
  expect(found).toBeGreaterThan(200);
});

test('the id of an event is written as it is stored', () => {
  const keyring = keyringFromSecret('a secret for tests that is long enough', (size) => Buffer.alloc(size, 7));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.string({ minLength: 1 }), (key, id) => {
      const stored = eventId(keyring, key, { name: 'w', id });
      const bytes = Buffer.from(decodeBase32(stored.replaceAll('-', ''), 12) ?? []);
      const out = Buffer.alloc(30);
      const end = eventIdText(out, 2, bytes.readUInt32BE(0), bytes.readUInt32BE(4), bytes.readUInt32BE(8));
      expect([out.toString('latin1', 2, end), end]).toEqual([stored, 26]);
      expect(parseEventId(stored)).toBe(stored);
    }),
  );
});
