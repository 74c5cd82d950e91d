import { describe, expect, test } from '@jest/globals';
import { HushError } from '../../src/core/errors.js';
import { checkDraft, type Draft } from '../../src/preferences/draft.js';

const NOW = 1_777_000_000_000;
const draft: Draft = {
  subject: { key: Buffer.alloc(16, 1), type: 'email' },
  type: 'opted_out',
  source: { kind: 'api' },
};
const fault = (fields: Partial<Draft>): unknown => {
  try {
    checkDraft({ ...draft, ...fields }, NOW);
    return undefined;
  } catch (error) {
    return error instanceof HushError ? error.detail.field : error;
  }
};

describe('a draft is refused', () => {
  test('where a denial lies more than 5 minutes ahead; a grant counts from its receipt', () => {
    expect(fault({ at: NOW + 300_000 })).toBeUndefined();
    expect(fault({ at: NOW + 300_001 })).toBe('at');
    expect(fault({ at: NOW + 300_001, type: 'opted_in' })).toBeUndefined();
    expect(fault({ at: NOW + 300_001, type: 'consent_granted' })).toBeUndefined();
  });

  test('where its evidence is larger than 1 kB', () => {
    expect(fault({ evidence: { text: 'x'.repeat(1013) } })).toBeUndefined();
    expect(fault({ evidence: { text: 'x'.repeat(1014) } })).toBe('source.evidence');
    expect(fault({ evidence: { text: 'ü'.repeat(507) } })).toBe('source.evidence');
  });
});
