import { describe, expect, test } from '@jest/globals';
import { countriesIn, isJurisdiction, partsOf, placeName, readJurisdiction } from '../../src/core/jurisdiction.js';

describe('a place somebody lives in', () => {
  test.each(['US', 'us-wi', 'DE', ' NO ', 'CA-QC', 'GB-SCT'])('%s is a code', (text) => {
    expect(readJurisdiction(text, 'place')).toBe(text.trim().toUpperCase());
  });

  test.each(['Germany', 'Deutschland', 'UK', 'EU', 'USA', 'XX', 'US-XX', 'USWI', 'DE-', '*', '49'])(
    '%s is refused, and said so',
    (text) => {
      expect(() => readJurisdiction(text, 'place')).toThrow(text);
      expect(isJurisdiction(text)).toBe(false);
    },
  );

  test('nothing said is nothing known', () => {
    expect(readJurisdiction('  ', 'place')).toBeUndefined();
  });

  test('is offered by name, each once, in the order of the language', () => {
    const spanish = countriesIn('es');
    expect(spanish.find(({ value }) => value === 'DE')?.label).toBe('Alemania');
    expect(new Set(spanish.map(({ value }) => value)).size).toBe(spanish.length);
    expect(spanish.every(({ value }) => isJurisdiction(value))).toBe(true);
    expect(partsOf('US').map(({ value }) => value)).toContain('US-WI');
    expect(placeName('US-WI')).toBe('Wisconsin, United States');
    expect(placeName('ZZ-9')).toBe('ZZ');
  });
});
