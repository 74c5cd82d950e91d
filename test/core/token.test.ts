import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase32 } from '../../src/core/base32.js';
import { CONTACT_TYPES } from '../../src/core/contact-point.js';
import { type Keyring, keyringFromSecret } from '../../src/core/keys.js';
import { CHANNELS, PURPOSES } from '../../src/core/scope.js';
import { type LinkContent, openLink, openShort, sealLink, sealShort } from '../../src/core/token.js';

const keyring = keyringFromSecret('a secret for tests that is long enough');
const root = (id: number) => Buffer.alloc(32, id);
const ring = (current: number, ...ids: number[]): Keyring => ({
  lookup: Buffer.alloc(32, 9),
  current,
  roots: new Map(ids.map((id) => [id, root(id)])),
});

const channel = fc.constantFrom('*' as const, ...CHANNELS);
const purpose = fc.constantFrom('*' as const, 'marketing' as const, ...PURPOSES);
const code = fc.integer({ min: 0, max: 255 });
const content: fc.Arbitrary<LinkContent> = fc
  .record(
    {
      kind: fc.constantFrom('mailed', 'fresh', 'session', 'confirm', 'undo'),
      brandCode: code,
      topicCode: code,
      channel,
      purpose,
      contactType: fc.constantFrom(...CONTACT_TYPES),
      address: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 254 }),
      reference: fc.string({ unit: 'grapheme-ascii', maxLength: 64 }),
      expires: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
    },
    { requiredKeys: ['kind', 'brandCode', 'topicCode', 'channel', 'purpose', 'contactType', 'address', 'reference'] },
  )
  .map((value) => value as LinkContent);

const mailed: LinkContent = {
  kind: 'mailed',
  brandCode: 1,
  topicCode: 2,
  channel: 'email',
  purpose: 'promotion',
  contactType: 'email',
  address: `${'a'.repeat(24)}@${'b'.repeat(11)}.com`,
  reference: '',
};

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('a link token', () => {
  test('says what was put in, whatever it was', () => {
    fc.assert(
      fc.property(content, (value) => {
        const token = sealLink(keyring, value);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(openLink(keyring, token)).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test('opens with no single bit changed, anywhere', () => {
    fc.assert(
      fc.property(content, (value) => {
        const bytes = Buffer.from(sealLink(keyring, value), 'base64url');
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const changed = Buffer.from(bytes);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          if (openLink(keyring, changed.toString('base64url')) !== undefined) throw new Error(`bit ${bit}`);
        }
      }),
      { numRuns: 8 },
    );
  });

  test('opens with no letter replaced by any other', () => {
    const token = sealLink(keyring, mailed);
    for (let at = 0; at < token.length; at++) {
      for (const letter of LETTERS) {
        const changed = token.slice(0, at) + letter + token.slice(at + 1);
        if (changed !== token) expect([changed, openLink(keyring, changed)]).toEqual([changed, undefined]);
      }
    }
  });

  test('opens in no other text: cut short, made longer, padded, spaced, in another alphabet or case', () => {
    // Three lengths: base64url ends with 0, 1 or 2 spare letters, and aliases live in the spare bits.
    for (const address of ['a@example.com', 'ab@example.com', 'abc@example.com']) {
      const token = sealLink(keyring, { ...mailed, address });
      expect(openLink(keyring, token)?.address).toBe(address);
      for (let length = 0; length < token.length; length++) {
        expect(openLink(keyring, token.slice(0, length))).toBeUndefined();
        expect(openLink(keyring, token.slice(token.length - length))).toBeUndefined();
      }
      const others = [
        ...[...LETTERS].flatMap((letter) => [token + letter, letter + token]),
        `${token}=`,
        `${token}==`,
        ` ${token}`,
        `${token}\n`,
        `${token}%3D`,
        token.toLowerCase(),
        token.toUpperCase(),
        token.replaceAll('-', '+').replaceAll('_', '/'),
        token + token,
        Buffer.from(token, 'base64url').toString('base64'),
        Buffer.from(token, 'base64url').toString('hex'),
      ].filter((text) => text !== token);
      for (const text of others) expect([text, openLink(keyring, text)]).toEqual([text, undefined]);
    }
  });

  test('of any random text is none', () => {
    fc.assert(fc.property(fc.string(), (text) => openLink(keyring, text) === undefined));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => openLink(keyring, Buffer.from([1, 1, 1, ...bytes]).toString('base64url')) === undefined,
      ),
    );
  });

  test('is the same for the same link and shows neither its address nor what two links share', () => {
    const first = sealLink(keyring, mailed);
    expect(sealLink(keyring, mailed)).toBe(first);
    const second = sealLink(keyring, { ...mailed, reference: 'spring' });
    const body = (token: string) => Buffer.from(token, 'base64url').subarray(3);
    expect(body(first).toString('latin1')).not.toContain('aaaa');
    expect(body(second).subarray(0, 12)).not.toEqual(body(first).subarray(0, 12));
    expect(body(second).subarray(12, 40)).not.toEqual(body(first).subarray(12, 40));
  });

  test('has at most 160 characters for an address of 40, with a campaign of 20 too', () => {
    expect(mailed.address).toHaveLength(40);
    expect(sealLink(keyring, mailed).length).toBeLessThanOrEqual(160);
    expect(sealLink(keyring, { ...mailed, reference: 'c'.repeat(20) }).length).toBeLessThanOrEqual(160);
  });

  test('of one brand opens as no other: the brand is under the seal', () => {
    const bytes = Buffer.from(sealLink(keyring, mailed), 'base64url');
    expect(bytes[2]).toBe(1);
    for (let other = 0; other < 256; other++) {
      if (other === 1) continue;
      bytes[2] = other;
      expect(openLink(keyring, bytes.toString('base64url'))).toBeUndefined();
    }
    const [jmf, shipping] = [1, 2].map((brandCode) => sealLink(keyring, { ...mailed, brandCode }));
    expect(shipping).not.toBe(jmf);
  });

  test('of another installation is none, even with the same key id', () => {
    const token = sealLink(keyringFromSecret('another secret that is long enough too'), mailed);
    expect(openLink(keyring, token)).toBeUndefined();
  });
});

describe('keys rotate', () => {
  test('a token of an old key works as long as the key is in the ring, and no longer', () => {
    const old = sealLink(ring(1, 1), mailed);
    expect(openLink(ring(2, 1, 2), old)).toEqual(mailed);
    expect(openLink(ring(255, 1, 2, 255), old)).toEqual(mailed);
    expect(openLink(ring(2, 2), old)).toBeUndefined();
  });
  test('a new token is under the new key', () => {
    const now = sealLink(ring(2, 1, 2), mailed);
    expect(openLink(ring(1, 1), now)).toBeUndefined();
    expect(openLink(ring(3, 2, 3), now)).toEqual(mailed);
  });
  test('a key id rewritten to another key of the ring opens nothing', () => {
    const bytes = Buffer.from(sealLink(ring(2, 1, 2), mailed), 'base64url');
    bytes[1] = 1;
    expect(openLink(ring(2, 1, 2), bytes.toString('base64url'))).toBeUndefined();
  });
  test('the short form does the same', () => {
    const short = {
      contact: Buffer.alloc(16, 7),
      brandCode: 1,
      channel: 'email',
      purpose: 'promotion',
      topicCode: 0,
    } as const;
    const old = sealShort(ring(1, 1), short);
    expect(openShort(ring(2, 1, 2), old)).toEqual({ ...short, contact: new Uint8Array(short.contact) });
    expect(openShort(ring(2, 2), old)).toBeUndefined();
  });
});

/** Made in November 2026. The format of these must be read for ever: change the code, never these. */
describe('tokens in mail of long ago', () => {
  const secret = keyringFromSecret('the secret of long ago, never changed');
  const LINK = 'AQEB0klG9ukojadink_rv9e_ksuaJ-PUUZUPNvyAYJljQOP9_7_opXJk4PBl9Nz7sqgFKbp7qK4';
  const SHORT = '0w3ge1r70w3ge1r70w3ge1r70w0h60qk78pws536714g';
  test('a link still says the same', () => {
    expect(openLink(secret, LINK)).toEqual({ ...mailed, address: 'ana@example.com', reference: 'spring' });
    expect(sealLink(secret, { ...mailed, address: 'ana@example.com', reference: 'spring' })).toBe(LINK);
  });
  test('a mailto: address still says the same', () => {
    expect(openShort(secret, SHORT)).toEqual({
      contact: new Uint8Array(16).fill(7),
      brandCode: 1,
      channel: 'email',
      purpose: 'promotion',
      topicCode: 2,
    });
  });
});

describe('the short form, for a local part', () => {
  const short = fc.record({
    contact: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    brandCode: code,
    channel,
    purpose,
    topicCode: code,
  });
  test('says what was put in, and fits 64 octets with its prefix', () => {
    fc.assert(
      fc.property(short, (value) => {
        const text = sealShort(keyring, value);
        expect(Buffer.byteLength(`unsubscribe+${text}`)).toBeLessThanOrEqual(64);
        expect(text).toMatch(/^[0-9a-z]+$/);
        expect(openShort(keyring, text)).toEqual(value);
      }),
    );
  });
  test('survives any change of case on its way', () => {
    fc.assert(
      fc.property(short, fc.array(fc.boolean(), { minLength: 44, maxLength: 44 }), (value, upper) => {
        const text = [...sealShort(keyring, value)].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter));
        expect(openShort(keyring, text.join(''))).toEqual(value);
      }),
    );
  });
  test('opens with no bit changed, nor cut short or made longer', () => {
    fc.assert(
      fc.property(short, (value) => {
        const text = sealShort(keyring, value);
        for (let at = 0; at < text.length; at++) {
          for (const letter of '0123456789abcdefghjkmnpqrstvwxyz') {
            if (letter === text[at]) continue;
            const changed = text.slice(0, at) + letter + text.slice(at + 1);
            if (openShort(keyring, changed) !== undefined) throw new Error(changed);
          }
          expect(openShort(keyring, text.slice(0, at))).toBeUndefined();
        }
        expect(openShort(keyring, `${text}0`)).toBeUndefined();
        expect(openShort(keyring, ` ${text}`)).toBeUndefined();
      }),
      { numRuns: 10 },
    );
  });
  test('is not that of another installation, and no link token is one', () => {
    const value = { contact: new Uint8Array(16), brandCode: 1, channel: '*', purpose: '*', topicCode: 0 } as const;
    expect(
      openShort(keyringFromSecret('another secret that is long enough too'), sealShort(keyring, value)),
    ).toBeUndefined();
    expect(openShort(keyring, sealLink(keyring, mailed))).toBeUndefined();
    expect(decodeBase32('u'.repeat(44), 27)).toBeUndefined();
  });
});
