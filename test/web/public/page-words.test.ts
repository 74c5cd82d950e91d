import { expect, test } from '@jest/globals';
import type { Catalog } from '../../../src/core/catalog.js';
import { languageLinks, languageOf } from '../../../src/web/public/page-words.js';

const source = {
  catalog: { languages: ['en', 'fr', 'es'] } as unknown as Catalog,
  languages: new Map(
    ['en', 'fr', 'es'].map((language) => [
      language,
      { language, name: `name of ${language}`, t: (key: string) => key, render: () => '' },
    ]),
  ),
};

const requestFor = (lang: unknown, accepted: string | false) =>
  ({ query: { lang }, acceptsLanguages: () => accepted }) as unknown as Parameters<typeof languageOf>[1];

test('the language is the one of the URL, else the browser’s, else the first of the catalog', () => {
  expect(languageOf(source, requestFor('es', 'fr'))).toBe('es');
  expect(languageOf(source, requestFor('xx', 'fr'))).toBe('fr');
  expect(languageOf(source, requestFor(['es'], 'fr'))).toBe('fr');
  expect(languageOf(source, requestFor(undefined, false))).toBe('en');
});

test('links to other languages keep the query, and are no links to another host', () => {
  const links = languageLinks(source, '//evil.example/?did=abc&lang=en', 'en');
  expect(links).toEqual([
    { code: 'fr', name: 'name of fr', href: '?did=abc&lang=fr' },
    { code: 'es', name: 'name of es', href: '?did=abc&lang=es' },
  ]);
});
