import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HushError } from '../../../src/core/errors.js';
import { linesOf, TOO_LONG } from '../../../src/web/api/ndjson.js';
import { parseJson, utf8 } from '../../../src/web/middleware/json.js';

function refusal(text: string): [string, string | undefined] {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof HushError) return [error.message, error.detail.field];
    throw error;
  }
  return ['accepted', undefined];
}

describe('JSON', () => {
  test('is read as JSON.parse reads it, whatever it is', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(undefined, 1, '\t', '\r\n '), (text, space) => {
        const value: unknown = JSON.parse(text);
        // Texts with half a character are refused: that is a test of its own.
        fc.pre(!/\p{Surrogate}/u.test(JSON.stringify(value).replace(/\\u(d[89a-f]..)/gi, '\ud800')));
        expect(parseJson(JSON.stringify(value, null, space))).toEqual(value);
      }),
      { numRuns: 500 },
    );
  });

  test('with any name given twice in one object is refused, wherever it is', () => {
    const object = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 });
    fc.assert(
      fc.property(object, fc.nat(), fc.integer({ min: 0, max: 5 }), (value, choice, depth) => {
        const names = Object.keys(value);
        const name = names[choice % names.length] ?? '';
        const twice = `${JSON.stringify(value).slice(0, -1)},${JSON.stringify(name)}:null}`;
        const text = '{"a":[1,'.repeat(depth) + twice + ']}'.repeat(depth);
        expect(refusal(text)).toEqual([
          `${'a.1.'.repeat(depth)}${name} is given twice`,
          `${'a.1.'.repeat(depth)}${name}`,
        ]);
      }),
    );
  });

  test.each<[string, string, string]>([
    ['{"a":1,"a":1}', 'a is given twice', 'a'],
    ['{"a":1,"\\u0061":2}', 'a is given twice', 'a'],
    ['[0,{"b":{"c":1,"d":{},"c":2}}]', '1.b.c is given twice', '1.b.c'],
    ['{"a":"\\"a\\":","a":1}', 'a is given twice', 'a'],
    ['{"a":"\\\\","b":"\\\\\\"","a":1}', 'a is given twice', 'a'],
    ['{"__proto__":1,"__proto__":2}', '__proto__ is given twice', '__proto__'],
    ['{"a":"\\ud800"}', 'a text holds half of a character', 'body'],
    ['{"\\udc00":1}', 'a text holds half of a character', 'body'],
    [`${'['.repeat(33)}${']'.repeat(33)}`, 'the body is nested deeper than 32 levels', 'body'],
    [`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`, 'the body is nested deeper than 32 levels', 'body'],
    ['{"a":1', 'The body is not JSON.', 'body'],
    ["{'a':1}", 'The body is not JSON.', 'body'],
    ['{"a":NaN}', 'The body is not JSON.', 'body'],
    ['{"a":01}', 'The body is not JSON.', 'body'],
    ['', 'The body is not JSON.', 'body'],
  ])('%.40s is refused', (text, message, field) => {
    expect(refusal(text)).toEqual([message, field]);
  });

  test.each([
    '{"a":":","b":"a"}',
    '{"a":["a","a"],"b":{"a":1}}',
    '{"a":"\\\\","b":"\\":"}',
    '"a"',
    '{"a" : "\\ud83d\\ude00"}',
  ])('%s is fine', (text) => expect(parseJson(text)).toEqual(JSON.parse(text)));

  test('is UTF-8, with or without a byte order mark', () => {
    expect(utf8(Buffer.from('\ufeff{}'))).toBe('{}');
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0x22, 0xc3, 0x22]])
      expect(() => utf8(Uint8Array.from(bytes))).toThrow('The body is not UTF-8.');
  });
});

describe('lines of a stream', () => {
  async function* chunks(bytes: Uint8Array, cuts: readonly number[]) {
    let from = 0;
    for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
      if (cut > bytes.length) continue;
      yield bytes.subarray(from, cut);
      from = cut;
    }
  }
  async function lines(text: string, cuts: readonly number[], longest = 1000): Promise<(string | symbol)[]> {
    const found = [];
    for await (const line of linesOf(chunks(Buffer.from(text), cuts), longest))
      found.push(line === TOO_LONG ? line : line.toString());
    return found;
  }
  test('come out whole, however the stream is cut', async () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replace(/[\r\n]/g, ''));
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 10 }),
        fc.array(fc.nat(300)),
        fc.constantFrom('\n', '\r\n'),
        async (wanted, cuts, end) => {
          expect(await lines(wanted.map((text) => text + end).join(''), cuts)).toEqual(wanted);
        },
      ),
    );
  });
  test('end at a line feed and not at U+2028, which JSON allows in a text', async () => {
    expect(await lines('{"a":"\u2028"}\n{"b":"\u2029\u0085"}', [3])).toEqual([
      '{"a":"\u2028"}',
      '{"b":"\u2029\u0085"}',
    ]);
  });
  test('that are too long are one mark each, and kept nowhere', async () => {
    expect(await lines(`a\n${'b'.repeat(50)}\nc\n${'d'.repeat(11)}`, [10, 20, 30, 54], 10)).toEqual([
      'a',
      TOO_LONG,
      'c',
      TOO_LONG,
    ]);
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    async function* endless() {
      for (let n = 0; n < 200; n++) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        yield Buffer.alloc(1_000_000, 'x');
      }
    }
    for await (const line of linesOf(endless(), 1000)) expect(line).toBe(TOO_LONG);
    expect(most).toBeLessThan(150_000_000);
  });
});
