import fc from 'fast-check';
import { findingsOf } from '../../../src/inbound/mail/findings.js';
import { createInboundAddresses } from '../../../src/inbound/mail/inbound-address.js';
import { parseReturnedMail } from '../../../src/inbound/mail/parse.js';
import { proofsIn } from '../../../src/inbound/mail/proof.js';
import { createLinks } from '../../../src/preferences/links.js';
import { processorMs } from '../../support/processor.js';
import { bounce, complaint, original, written } from '../letters.js';
import { catalog, DOMAIN, emailOf, keyring, rules, words } from '../setting.js';

const links = createLinks({ keyring, catalog, publicUrl: () => 'https://hush.example' });
const addresses = createInboundAddresses({ keyring, catalog });
const parts = { addresses, links, keyring, country: 'US', stopWords: words };
const JANE = 'jane@customer.example';
const about = { point: emailOf(JANE), brand: 'jmf', channel: 'email', purpose: 'promotion', topic: 'news' } as const;
const returnPath = addresses.returnPath(about);
const headers = links.forMail({ ...about, campaign: 'spring' }).headers;
const mailto = /mailto:([^?>]+)/.exec(headers['List-Unsubscribe'])?.[1] ?? '';

const read = (raw: Buffer, to: string[] = []) => findingsOf(parseReturnedMail(raw, rules), to, 0, parts);
const SAMPLES = [
  bounce({ recipient: JANE, to: returnPath }),
  bounce({ recipient: JANE, to: 'x@y.example', returned: original(JANE, { headers, returnPath }) }),
  complaint({ recipient: JANE, returned: original(JANE, { headers, returnPath }) }),
  complaint({ returned: original('undisclosed-recipients:;', { headers, returnPath }) }),
  written({ from: JANE, to: mailto }),
  written({ from: JANE, to: `unsubscribe@${DOMAIN}` }),
];

/** Cuts, doubles, overwrites and splices bytes, as damaged and as crafted mail does. */
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.integer({ min: 0, max: 200 }),
  how: fc.constantFrom('cut', 'double', 'insert', 'overwrite', 'truncate'),
  bytes: fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .constantFrom(
        '\r\n\r\n',
        '--part-of-it\r\n',
        '--part-of-it--',
        'Content-Type: multipart/mixed; boundary="part-of-it"\r\n',
        'Content-Transfer-Encoding: base64\r\n',
        'Content-Type: message/rfc822\r\n\r\n',
        '=?utf-8?B?////?=',
        '\0',
        '"'.repeat(50),
        '(('.repeat(50),
        '<'.repeat(50),
      )
      .map((text) => new Uint8Array(Buffer.from(text))),
  ),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutated(raw: Buffer, { at, length, how, bytes }: Mutation): Buffer {
  const start = Math.floor(at * raw.length);
  const [head, middle, tail] = [
    raw.subarray(0, start),
    raw.subarray(start, start + length),
    raw.subarray(start + length),
  ];
  switch (how) {
    case 'cut':
      return Buffer.concat([head, tail]);
    case 'double':
      return Buffer.concat([head, middle, middle, tail]);
    case 'insert':
      return Buffer.concat([head, bytes, middle, tail]);
    case 'overwrite':
      return Buffer.concat([head, bytes, tail]);
    default:
      return head;
  }
}

/** A hundred times what it takes: reading that grows with the square of its input takes minutes. */
const LONGEST_MS = 5000;

test('damaged messages are read without an error, in bounded time, and only ever about whom a genuine token names', () => {
  const jane = addresses.read(mailto)?.token;
  if (!jane || jane === 'forged') throw new Error('no token');
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLES),
      fc.array(mutation, { minLength: 1, maxLength: 8 }),
      (sample, mutations) => {
        const raw = mutations.reduce(mutated, sample);
        let findings: ReturnType<typeof read> = [];
        const took = processorMs(() => {
          findings = read(raw);
        });
        expect(took).toBeLessThan(LONGEST_MS);
        for (const { what } of findings) {
          if (what.act !== 'record' || what.proof === 'own_word') continue;
          expect(what.key.equals(jane.key)).toBe(true);
        }
      },
    ),
    { numRuns: 1500 },
  );
});

test('no text that we did not write is a token', () => {
  const short = mailto.slice('u+'.length, mailto.indexOf('@'));
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: short.length - 1 }),
      fc.constantFrom(...'0123456789abcdefghjkmnpqrstvwxyz'),
      (at, letter) => {
        fc.pre(short[at] !== letter);
        const forged = short.slice(0, at) + letter + short.slice(at + 1);
        expect(addresses.read(`unsubscribe+${forged}@${DOMAIN}`)?.token).toBe('forged');
        expect(addresses.read(`bounce+${forged}@${DOMAIN}`)?.token).toBe('forged');
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const token = addresses.read(`unsubscribe+${text}@${DOMAIN}`)?.token;
      expect(token === undefined || token === 'forged').toBe(true);
      expect(addresses.read(text)).toBeUndefined();
      expect(proofsIn({ headers: new Map([['list-unsubscribe', text]]) }, { addresses, links, now: 0 })).toEqual([]);
    }),
  );
});

test('what is written as an envelope sender is read back, for every brand, topic and purpose', () => {
  fc.assert(
    fc.property(
      fc.emailAddress(),
      fc.constantFrom(...catalog.brands.map(({ id }) => id)),
      fc.constantFrom('*', ...catalog.topics.map(({ id }) => id)),
      fc.constantFrom('promotion' as const, 'service' as const, 'events' as const),
      fc.boolean(),
      (email, brand, topic, purpose, upper) => {
        const path = addresses.returnPath({ point: emailOf(email), brand, channel: 'email', purpose, topic });
        expect(path.indexOf('@')).toBeLessThanOrEqual(64);
        const token = addresses.read(upper ? path.toUpperCase() : path)?.token;
        expect(token).toMatchObject({
          scope: { brand, channel: 'email', purpose: purpose === 'service' ? 'marketing' : purpose, topic },
        });
      },
    ),
  );
});

describe('a mail bomb', () => {
  const nested = (levels: number): Buffer => {
    const open = Array.from(
      { length: levels },
      (_, n) => `Content-Type: multipart/mixed; boundary="b${n}"\r\n\r\n--b${n}\r\n`,
    );
    return Buffer.from(`From: a@b.example\r\nTo: ${returnPath}\r\n${open.join('')}`);
  };
  const forwarded = (levels: number): Buffer =>
    Buffer.from('Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n'.repeat(levels));
  const full = Buffer.alloc(10 * 1024 * 1024, 'List-Unsubscribe: <https://x/u/'.repeat(30));
  const tokens = Buffer.from(
    `${original(JANE)}\nList-Unsubscribe: ${`<https://x/u/${'A'.repeat(60)}>, `.repeat(100_000)}\n\n`,
  );
  test.each([
    ['nested a thousand levels', nested(1000)],
    ['forwarded ten thousand times', forwarded(10_000)],
    ['of 10 MB in one line', full],
    ['with a hundred thousand tokens', bounce({ recipient: JANE, to: 'a@b.example', returned: tokens.toString() })],
    [
      'with a hundred thousand recipients',
      written({ from: JANE, to: Array.from({ length: 100_000 }, (_, n) => `unsubscribe+${n}@${DOMAIN}`).join(', ') }),
    ],
    [
      'with a hundred thousand parts',
      Buffer.concat([SAMPLES[0]!, Buffer.from('--part-of-it\r\n\r\n'.repeat(100_000))]),
    ],
  ])('%s is read in a bounded time', (_what, raw) => {
    expect(processorMs(() => read(raw))).toBeLessThan(LONGEST_MS);
  });
});
