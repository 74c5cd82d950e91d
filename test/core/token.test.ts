import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase32, encodeBase32 } from '../../src/core/base32.js';
import { CONTACT_TYPES } from '../../src/core/contact-point.js';
import { type Keyring, keyringFromSecret } from '../../src/core/keys.js';
import { CHANNELS, PURPOSES } from '../../src/core/scope.js';
import { type LinkContent, openLink, openShort, sealLink, sealShort } from '../../src/core/token.js';
import { ENDINGS } from '../../src/core/token-address.js';
import { machine } from '../../src/machine.js';

const keyring = keyringFromSecret('a secret for tests that is long enough', machine.randomBytes);
const root = (id: number) => Buffer.alloc(32, id);
const ring = (current: number, ...ids: number[]): Keyring => ({
  lookup: Buffer.alloc(32, 9),
  current,
  roots: new Map(ids.map((id) => [id, root(id)])),
  randomBytes: machine.randomBytes,
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

const LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';
const opened = (ring_: Keyring, text: string) => openLink(ring_, text)?.content;
const bytesOf = (token: string) => Buffer.from(decodeBase32(token, Math.floor((token.length * 5) / 8)) ?? []);
const textOf = (bytes: Uint8Array) => encodeBase32(bytes).toLowerCase();

describe('a link token', () => {
  test('says what was put in, whatever it was, in letters and digits of one case', () => {
    fc.assert(
      fc.property(content, (value) => {
        const token = sealLink(keyring, value);
        expect(token).toMatch(/^[0-9a-z]+$/);
        expect(openLink(keyring, token)).toEqual({ token, content: value });
      }),
      { numRuns: 500 },
    );
  });

  test('is not longer than 1.6 letters for a byte of the address and 24 more', () => {
    const anybody = fc.oneof(
      fc.emailAddress().map((address) => ({ ...mailed, address })),
      fc
        .constantFrom(...CONTACT_TYPES)
        .chain((contactType) =>
          fc
            .string({ unit: 'grapheme', minLength: 1, maxLength: 254 })
            .map((address) => ({ ...mailed, contactType, address }) as LinkContent),
        ),
    );
    fc.assert(
      fc.property(anybody, (value) => {
        const longest = 1.6 * (24 + Buffer.byteLength(value.address));
        expect(sealLink(keyring, value).length).toBeLessThanOrEqual(Math.ceil(longest));
      }),
    );
  });

  test.each([
    ['jane.doe@example.com', 42],
    ['jane.doe@gmail.com', 42],
    ['firstname.lastname@hotmail.com', 52],
    ['jane.doe@acme.example', 47],
    ['jane.doe@jewelers.co.uk', 52],
    ['Jane.Doe+list@example.com', 53],
  ])('of %s has %i letters', (address, letters) => {
    const token = sealLink(keyring, { ...mailed, topicCode: 0, address });
    expect(token).toHaveLength(letters);
    expect(opened(keyring, token)?.address).toBe(address);
  });

  test('keeps every address to the letter, with every ending we know', () => {
    const local = fc.string({ unit: fc.constantFrom(...'abz09.-_+@ÄJ中'), maxLength: 8 });
    fc.assert(
      fc.property(local, local, fc.constantFrom(...ENDINGS), (before, domain, ending) => {
        const address = `${before}@${domain}${ending}`;
        expect(opened(keyring, sealLink(keyring, { ...mailed, address }))?.address).toBe(address);
      }),
      { numRuns: 1000 },
    );
  });

  test('holds the longest address that can be stored', () => {
    const postal = JSON.stringify({ line1: '中'.repeat(350), city: '上', postalCode: '200000', country: 'CN' });
    const id = `${'s'.repeat(32)}:${'𠮷'.repeat(200)}`;
    for (const [contactType, address] of [
      ['postal', postal],
      ['id', id],
      ['email', `${'ß'.repeat(30)}@${`${'d'.repeat(60)}.`.repeat(3)}example`],
    ] as const) {
      const value = { ...mailed, contactType, address, reference: '広'.repeat(64) };
      expect(opened(keyring, sealLink(keyring, value))).toEqual(value);
    }
  });

  test('opens with no single bit changed, anywhere', () => {
    fc.assert(
      fc.property(content, (value) => {
        const bytes = bytesOf(sealLink(keyring, value));
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const changed = Buffer.from(bytes);
          changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          if (openLink(keyring, textOf(changed)) !== undefined) throw new Error(`bit ${bit}`);
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

  test('opens in no other text: cut short, made longer, doubled, in another alphabet', () => {
    for (const address of ['a@example.com', 'ab@example.com', 'abc@example.com', 'abcd@example.com', 'A@example.com']) {
      const token = sealLink(keyring, { ...mailed, address });
      expect(opened(keyring, token)?.address).toBe(address);
      for (let length = 0; length < token.length; length++) {
        expect(openLink(keyring, token.slice(0, length))).toBeUndefined();
        expect(openLink(keyring, token.slice(token.length - length))).toBeUndefined();
      }
      const others = [
        ...[...LETTERS].flatMap((letter) => [token + letter, letter + token]),
        token + token,
        bytesOf(token).toString('base64url'),
        bytesOf(token).toString('base64'),
        bytesOf(token).toString('hex'),
      ];
      for (const text of others) expect([text, openLink(keyring, text)]).toEqual([text, undefined]);
    }
  });

  test('of any random text is none, and no text throws', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => openLink(keyring, text) === undefined));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const texts = [textOf(Uint8Array.of(1, ...bytes)), Buffer.from([1, 1, 1, ...bytes]).toString('base64url')];
        return texts.every((text) => openLink(keyring, text) === undefined);
      }),
    );
    expect(openLink(keyring, '%'.repeat(100_000))).toBeUndefined();
    expect(openLink(keyring, '0'.repeat(100_000))).toBeUndefined();
  });

  test('is the same for the same link and shows neither its address nor what two links share', () => {
    const first = sealLink(keyring, mailed);
    expect(sealLink(keyring, mailed)).toBe(first);
    const second = sealLink(keyring, { ...mailed, reference: 'spring' });
    const body = (token: string) => bytesOf(token).subarray(1);
    expect(body(first).toString('latin1')).not.toContain('aaaa');
    for (let at = 0; at + 8 <= body(first).length; at++) {
      expect(body(second).includes(body(first).subarray(at, at + 8))).toBe(false);
    }
  });

  test('of one brand is none of another’s: the brand is under the seal', () => {
    const [jmf, shipping] = [1, 2].map((brandCode) => sealLink(keyring, { ...mailed, brandCode }));
    expect(shipping).not.toBe(jmf);
    expect(opened(keyring, shipping ?? '')?.brandCode).toBe(2);
  });

  test('of another installation is none, even with the same key id', () => {
    const token = sealLink(keyringFromSecret('another secret that is long enough too', machine.randomBytes), mailed);
    expect(openLink(keyring, token)).toBeUndefined();
  });

  test('never ends in anything that a mail program leaves out of a link', () => {
    for (let n = 0; n < 6000; n++) {
      expect(sealLink(keyring, { ...mailed, address: `person${n}@example.com` })).toMatch(/^[0-9a-z]*[0-9a-z]$/);
    }
  });
});

/** What mail programs, gateways and senders have done to links. */
const DAMAGE: readonly (readonly [string, (token: string) => string])[] = [
  ['as it is', (token) => token],
  ['in capitals', (token) => token.toUpperCase()],
  ['with capitals here and there', (token) => token.replace(/[a-m]/g, (letter) => letter.toUpperCase())],
  ['with letters that look alike', (token) => token.replaceAll('0', 'o').replaceAll('1', 'l')],
  ['percent-encoded', (token) => token.replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)],
  ['percent-encoded twice', (token) => `${token}%253E`],
  ['with a folded line in it', (token) => `${token.slice(0, 20)}%0D%0A%20${token.slice(20)}`],
  ['with a blank in it', (token) => `${token.slice(0, 20)} ${token.slice(20)}`],
  ['with a soft line break in it', (token) => `${token.slice(0, 20)}=\r\n${token.slice(20)}/`],
  ['with a zero-width space in it', (token) => `${token.slice(0, 20)}\u200b${token.slice(20)}`],
  ['with a zero-width space behind it', (token) => `${token}%E2%80%8B`],
  ...[...'/.,;:!?)]}>"\'=\\&#*|~%+$@ \t\n\u00a0…»”。'].map(
    (tail) => [`with ${JSON.stringify(tail)} behind it`, (token: string) => `${token}${tail}`] as const,
  ),
  ...[
    '/>',
    '.)',
    '&utm_source=x&utm_medium=email',
    '?utm_source=x',
    '%3E',
    '%20',
    '%3E%20',
    '=3D',
    '&gt;',
    ' and more',
  ].map((tail) => [`with ${tail} behind it`, (token: string) => `${token}${tail}`] as const),
  ...['/', '<', '%3C', '"', ' ', '%20', '='].map(
    (start) => [`with ${start} before it`, (token: string) => `${start}${token}`] as const,
  ),
];

describe('a token that came through mail opens', () => {
  const token = sealLink(keyring, mailed);
  test.each(DAMAGE)('%s', (_how, damage) => {
    expect(openLink(keyring, damage(token))).toEqual({ token, content: mailed });
  });
  test.each(DAMAGE)('but not %s when it is forged', (_how, damage) => {
    const forged = `${token.slice(0, 9)}${token[9] === 'x' ? 'y' : 'x'}${token.slice(10)}`;
    expect(openLink(keyring, damage(forged))).toBeUndefined();
  });
});

describe('keys rotate', () => {
  test('a token of an old key works as long as the key is in the ring, and no longer', () => {
    const old = sealLink(ring(1, 1), mailed);
    expect(opened(ring(2, 1, 2), old)).toEqual(mailed);
    expect(opened(ring(255, 1, 2, 255), old)).toEqual(mailed);
    expect(openLink(ring(2, 2), old)).toBeUndefined();
  });
  test('a new token is under the new key', () => {
    const now = sealLink(ring(2, 1, 2), mailed);
    expect(openLink(ring(1, 1), now)).toBeUndefined();
    expect(opened(ring(3, 2, 3), now)).toEqual(mailed);
  });
  test('a key id rewritten to another key of the ring opens nothing', () => {
    const bytes = bytesOf(sealLink(ring(2, 1, 2), mailed));
    bytes[0] = 1;
    expect(openLink(ring(2, 1, 2), textOf(bytes))).toBeUndefined();
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

/** Made in November 2026. The formats of these must be read for ever: change the code, never these. */
describe('tokens in mail of long ago', () => {
  const secret = keyringFromSecret('the secret of long ago, never changed', machine.randomBytes);
  const FIRST = 'AQEB0klG9ukojadink_rv9e_ksuaJ-PUUZUPNvyAYJljQOP9_7_opXJk4PBl9Nz7sqgFKbp7qK4';
  const SECOND = '068qptpp747f4e4092dbngxb06fpm96qbje3f1j20q8ctasm';
  const spring = { ...mailed, address: 'ana@example.com', reference: 'spring' };
  test('a link of either form still says the same', () => {
    expect(openLink(secret, FIRST)).toEqual({ token: FIRST, content: spring });
    expect(openLink(secret, SECOND)).toEqual({ token: SECOND, content: spring });
    expect(sealLink(secret, spring)).toBe(SECOND);
  });
  test('one that ends still does', () => {
    const CONFIRM = 'AQEBT9VTICbgErVy4qzLe2VW3e5rDktFP6qjF6Sx5RBFox5ESeO3nktr-4uKCY_eWz6_c88APofhMD0oE_M';
    expect(opened(secret, CONFIRM)).toEqual({
      ...mailed,
      kind: 'confirm',
      reference: 'abc123',
      expires: 1_893_456_000_000,
      address: 'Ana@Example.com',
    });
  });
  test.each([
    ['a dash', 'AQEBuGQQOIJ0p-U-iR8aBTYUlrEs6ORz1K4Mb6CIXtY8WdNoAgbd22fQ2CveIdpGIlAgno1-', 'ana1014@example.com'],
    ['a low line', 'AQEBEhrbuN_6owtqD8j9Dnn-8i-CRglbv1qMCm4Z_rQtZvogST27rF2In9vL_wXnaE0aH42_', 'ana1013@example.com'],
  ])('one whose %s at the end got lost still opens, and so it does with more behind it', (_what, token, address) => {
    for (const text of [token, token.slice(0, -1), `${token}.`, `${token.slice(0, -1)}>`, `${token}%20`]) {
      expect(openLink(secret, text)).toEqual({ token, content: { ...mailed, address } });
    }
  });
  test.each(DAMAGE.filter(([how]) => !/capitals|alike|percent-encoded$/.test(how)))(
    'a link of the first form opens %s',
    (_how, damage) => {
      expect(openLink(secret, damage(FIRST))).toEqual({ token: FIRST, content: spring });
    },
  );
  test('and with no letter of the first form replaced by any other', () => {
    for (let at = 0; at < FIRST.length; at++) {
      for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_') {
        const changed = FIRST.slice(0, at) + letter + FIRST.slice(at + 1);
        if (changed !== FIRST) expect([changed, openLink(secret, changed)]).toEqual([changed, undefined]);
      }
    }
  });
  test('a link of more than 1,200 letters, which none opened then, opens', () => {
    const LONG = readFileSync(path.join(import.meta.dirname, 'long-token.txt'), 'utf8').trim();
    expect(LONG.length).toBeGreaterThan(1200);
    expect(opened(secret, LONG)).toMatchObject({ contactType: 'postal', address: expect.stringContaining('上海') });
  });
  test.each([
    ['first', '0w3ge1r70w3ge1r70w3ge1r70w0h60qk78pws536714g'],
    ['second', '0w3ge1r70w3ge1r70w3ge1r70w0h60qk78pwr'],
  ])('a mailto: address of the %s form still says the same', (_which, text) => {
    expect(openShort(secret, text)).toEqual({
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
        expect(text).toMatch(/^[0-9a-z]{37}$/);
        expect(openShort(keyring, text)).toEqual(value);
      }),
    );
  });
  test('survives any change of case on its way', () => {
    fc.assert(
      fc.property(short, fc.array(fc.boolean(), { minLength: 37, maxLength: 37 }), (value, upper) => {
        const text = [...sealShort(keyring, value)].map((letter, at) => (upper[at] ? letter.toUpperCase() : letter));
        expect(openShort(keyring, text.join(''))).toEqual(value);
      }),
    );
  });
  test.each(DAMAGE)('opens %s', (_how, damage) => {
    const value = {
      contact: new Uint8Array(16).fill(5),
      brandCode: 1,
      channel: '*',
      purpose: '*',
      topicCode: 0,
    } as const;
    expect(openShort(keyring, damage(sealShort(keyring, value)))).toEqual(value);
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
      }),
      { numRuns: 10 },
    );
  });
  test('is not that of another installation, and no link token is one', () => {
    const value = { contact: new Uint8Array(16), brandCode: 1, channel: '*', purpose: '*', topicCode: 0 } as const;
    expect(
      openShort(
        keyringFromSecret('another secret that is long enough too', machine.randomBytes),
        sealShort(keyring, value),
      ),
    ).toBeUndefined();
    expect(openShort(keyring, sealLink(keyring, mailed))).toBeUndefined();
    expect(decodeBase32('u'.repeat(44), 27)).toBeUndefined();
  });
});
