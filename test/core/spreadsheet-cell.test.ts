import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { neutralised, withoutTextMarker } from '../../src/core/spreadsheet-cell.js';

test.each(['=1+1', '+1 920', '-1', '@SUM(A1)', '\t=1', '\r=1', '\n=1', '＝1+1', "'=1"])(
  '%j is no formula any more',
  (text) => {
    expect(neutralised(text)).toBe(`'${text}`);
  },
);

test('what was neutralised is read back as it was', () =>
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^['=+@-]{1,3}.{0,5}$/)), (text) => {
      expect(withoutTextMarker(neutralised(text))).toBe(text);
    }),
  ));
