import { expect, test } from '@jest/globals';
import { normaliseContact } from '../../src/core/contact-point.js';
import type { Draft } from '../../src/preferences/draft.js';
import { rowId } from '../../src/suppression/import.js';

const row = (email: string, more: Partial<Draft> = {}): Draft => ({
  subject: { point: normaliseContact({ email }) },
  type: 'opted_out',
  source: { kind: 'api' },
  at: 1,
  ...more,
});

test('the same row has the same id in whichever spelling of its contact, and whichever id its writer gave', () => {
  expect(rowId(row('Jane@Example.com'))).toBe(rowId(row('jane@example.com')));
  expect(rowId(row('jane@example.com', { writer: { name: 'list', id: '7' } }))).toBe(rowId(row('jane@example.com')));
});

test('a row that says something else has another id', () => {
  const ids = [row('jane@example.com'), row('joe@example.com'), row('jane@example.com', { at: 2 })].map(rowId);
  expect(new Set(ids).size).toBe(3);
});
