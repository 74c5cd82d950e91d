import { expect, test } from '@jest/globals';
import { noticeText } from '../../src/preferences/consents.js';

const notice = (language: string, version = '1') => ({ id: 'news', version, language, text: `${language} ${version}` });
const catalog = { notices: [notice('en'), notice('es'), notice('en', '2')] } as never;

test.each([
  ['the language that was asked for', { id: 'news', version: '1' }, 'es', 'es 1'],
  ['its own language before that of the page', { id: 'news', version: '1', language: 'en' }, 'es', 'en 1'],
  ['the first there is, where it has none of the two', { id: 'news', version: '2' }, 'es', 'en 2'],
])('a notice is read in %s', (_name, wanted, language, text) => {
  expect(noticeText(catalog, wanted, language)).toBe(text);
});

test.each([
  ['an unknown notice', { id: 'other', version: '1' }],
  ['an unknown version', { id: 'news', version: '3' }],
])('%s is refused with a remedy', (_name, wanted) => {
  expect(() => noticeText(catalog, wanted, 'en')).toThrow(
    expect.objectContaining({ kind: 'invalid', detail: expect.objectContaining({ field: 'notice' }) }),
  );
});
