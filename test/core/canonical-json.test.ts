import { describe, expect, test } from '@jest/globals';
import { canonicalJson, contentText } from '../../src/core/canonical-json.js';

describe('canonical JSON', () => {
  test('it does not depend on the order of fields, nor tell null from absent', () => {
    expect(canonicalJson({ b: 1, a: [1, 'ö', null], c: null, d: { z: false, y: 1e21 } })).toBe(
      '{"a":[1,"ö",null],"b":1,"d":{"y":1e+21,"z":false}}',
    );
    expect(canonicalJson({ '\u{1F600}': 1, '\uFB33': 2 })).toBe('{"\u{1F600}":1,"\uFB33":2}');
  });

  test('a key of digits has its place by its letters, as every other key', () => {
    expect(canonicalJson({ a: 1, 9: 2, 10: 3 })).toBe('{"10":3,"9":2,"a":1}');
  });
});

describe('the text that a retry is compared by', () => {
  test('it does not depend on the order of fields', () => {
    expect(contentText([{ b: [{ d: 1, c: 2 }], a: 'ö' }])).toBe(contentText([{ a: 'ö', b: [{ c: 2, d: 1 }] }]));
  });

  test('it is what it was when the digests in the store were made', () => {
    expect(contentText(['key', { b: undefined, a: null, 10: true, 9: [undefined, 1e21] }])).toBe(
      '["key",{"9":[null,1e+21],"10":true,"a":null}]',
    );
  });
});
