import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase32, encodeBase32 } from '../../src/core/base32.js';
import { createClock, recordedAt } from '../../src/core/clock.js';
import {
  contactKey,
  contactKeyBytes,
  contactKeyFromText,
  contactKeyText,
  contactPrefixOf,
  eventId,
  type Keyring,
  keyringFromSecret,
  parseEventId,
} from '../../src/core/keys.js';
import { machine } from '../../src/machine.js';

const keyring = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
const contact = contactKeyBytes(keyring, { type: 'email', normalised: 'ana@example.com' });

describe('Crockford base32', () => {
  test('says the same after upper case, lower case and the letters that people take for digits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const text = encodeBase32(bytes);
        expect(text).toMatch(/^[0-9A-HJKMNP-TV-Z]*$/);
        for (const read of [
          text,
          text.toLowerCase(),
          text.replaceAll('0', 'o').replaceAll('1', 'l'),
          text.replaceAll('1', 'I'),
        ])
          expect(decodeBase32(read, bytes.length)).toEqual(bytes);
      }),
    );
  });
  test('one value has one text: spare bits must be zero, and U is no letter', () => {
    expect(decodeBase32('00', 1)).toEqual(new Uint8Array([0]));
    for (const text of ['01', '03', '0U', '0', '000', '0-', '0 ', 'ß0', '0\u0131'])
      expect([text, decodeBase32(text, 1)]).toEqual([text, undefined]);
  });
});

describe('the key of a contact', () => {
  test('is 16 bytes that nobody finds without the lookup key', () => {
    expect(contact).toHaveLength(16);
    const other = keyringFromSecret('another secret that is long enough too', machine.randomBytes);
    expect(contactKeyBytes(other, { type: 'email', normalised: 'ana@example.com' })).not.toEqual(contact);
    expect(contactKeyBytes(keyring, { type: 'id', normalised: 'ana@example.com' })).not.toEqual(contact);
  });
  test('does not change when the other keys rotate', () => {
    const rotated: Keyring = { ...keyring, current: 7, roots: new Map([[7, Buffer.alloc(32, 7)]]) };
    expect(contactKeyBytes(rotated, { type: 'email', normalised: 'ana@example.com' })).toEqual(contact);
  });
  test('has a text that leads back to it', () => {
    const text = contactKey(keyring, { type: 'email', normalised: 'ana@example.com' });
    expect(text).toMatch(/^c_[0-9a-z]{26}$/);
    expect(contactKeyText(contact)).toBe(text);
    expect(contactKeyFromText(text)).toEqual(contact);
    for (const wrong of ['', 'c_', text.slice(2), text.slice(0, -1), `${text}0`, `e_${text.slice(2)}`, { $ne: 1 }])
      expect(contactKeyFromText(String(wrong))).toBeUndefined();
  });
});

describe('the id of an event', () => {
  test('is 20 letters of Crockford base32 in groups of four, for people to read out', () => {
    for (let n = 0; n < 100; n++) {
      const id = eventId(keyring, contact);
      expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){4}$/);
      expect(id.replaceAll('-', '')).toHaveLength(20);
    }
  });
  test('begins with the contact, so that it is found while still pending', () => {
    expect(contactPrefixOf(eventId(keyring, contact))).toEqual(contact.subarray(0, 5));
  });
  test('is the same for a writer’s retry, and another for another writer, id or contact', () => {
    const id = (name: string, own: string, of = contact) => eventId(keyring, of, { name, id: own });
    expect(id('key:a', '1')).toBe(id('key:a', '1'));
    const other = contactKeyBytes(keyring, { type: 'email', normalised: 'eve@example.com' });
    const all = [
      id('key:a', '1'),
      id('key:b', '1'),
      id('key:a', '2'),
      id('key:a:1', ''),
      id('key', 'a:1'),
      id('key:a', '1', other),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
  test('is another every time without an id of the writer', () => {
    expect(new Set(Array.from({ length: 1000 }, () => eventId(keyring, contact))).size).toBe(1000);
  });
  test('is read with or without prefix and dashes, in any case, as somebody says it', () => {
    const id = eventId(keyring, contact);
    const bare = id.replaceAll('-', '');
    for (const said of [
      id,
      `e_${id}`,
      `r_${id}`,
      `R_${bare}`,
      bare.toLowerCase(),
      id.replaceAll('-', ' '),
      bare.replaceAll('0', 'O'),
    ])
      expect([said, parseEventId(said)]).toEqual([said, id]);
    for (const wrong of ['', 'r_', bare.slice(1), `${bare}0`, `c_${bare}`, `${bare.slice(0, -1)}U`])
      expect([wrong, parseEventId(wrong)]).toEqual([wrong, undefined]);
  });
});

test('numbers of recording only grow, though the machine’s clock jumps back, and tell the time to the millisecond', () => {
  let now = 1_800_000_000_000;
  const clock = createClock(() => now);
  const first = clock.recorded();
  const same = clock.recorded();
  now -= 3_600_000;
  const back = clock.recorded();
  expect(first < same && same < back).toBe(true);
  expect(recordedAt(first)).toBe(1_800_000_000_000);
  expect(Number.isSafeInteger(back)).toBe(true);
  clock.correct(250.6);
  expect(clock.now()).toBe(now + 251);
});
