import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { readCatalog } from '../src/config/catalog.js';
import { readTextWords } from '../src/inbound/sms/text-words.js';
import { OPT_OUT_OPTIONS } from '../src/staff/opt-out-options.js';

/** Every text that people get: the same in each language of the catalog, and none of the words that were mended. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LOCALES = path.join(ROOT, 'locales');
const catalog = readCatalog(path.join(ROOT, 'config/catalog.yaml'), {});
const PARTS = ['pages', 'mail', 'access'] as const;
const OTHERS = catalog.languages.filter((language) => language !== 'en');

type Tree = { readonly [key: string]: Tree | string };
const flat = (tree: Tree, under = ''): [key: string, text: string][] =>
  Object.entries(tree).flatMap(([key, inner]) =>
    typeof inner === 'object' ? flat(inner, `${under}${key}.`) : [[`${under}${key}`, String(inner)]],
  );
const wordsOf = (part: string, language: string): ReadonlyMap<string, string> =>
  new Map(flat(parse(readFileSync(path.join(LOCALES, `${part}.${language}.yaml`), 'utf8'))));
const placesIn = (text = ''): string[] => [...new Set(text.match(/\{\{?\w+\}?\}/g) ?? [])].sort();

/** What is rightly the same in two languages: a word of both, or no word at all. */
const SAME = new Set([
  'direction',
  'errorPrefix',
  'value.false',
  'value.denied',
  'channel.web',
  'page',
  'reason.service',
  'reason.paused',
  'rights.status.messages',
  'written.message',
  'written.note',
  'field.name',
  'field.destination',
  'field.link',
]);

test('the catalog speaks four languages', () => {
  expect(catalog.languages).toEqual(['en', 'es', 'fr', 'de']);
});

describe.each(PARTS)('the words of %s', (part) => {
  const english = wordsOf(part, 'en');
  test.each(OTHERS)('in %s have every key, the same values to fill in, and each is translated', (language) => {
    const words = wordsOf(part, language);
    expect([...words.keys()].sort()).toEqual([...english.keys()].sort());
    for (const [key, text] of words) {
      expect([key, placesIn(text)]).toEqual([key, placesIn(english.get(key))]);
      if (!SAME.has(key)) expect([key, text]).not.toEqual([key, english.get(key)]);
      expect(text.trim()).not.toBe('');
    }
  });
});

test('topics, purposes, answers to texts and what callers get in writing have every language', () => {
  const replies = readTextWords(path.join(ROOT, 'config/text-words.yaml')).replies;
  const all = [
    ...catalog.topics.flatMap(({ name, frequency }) => [name, frequency]),
    ...Object.values(catalog.purposes).flatMap(({ sentence, noun, detail, use }) => [sentence, noun, detail, use]),
    ...Object.values(replies),
    ...OPT_OUT_OPTIONS.map(({ confirmationText }) => confirmationText),
    ...catalog.stopReasons.map(({ words }) => words),
  ].filter((words) => words !== undefined);
  for (const words of all) {
    expect(Object.keys(words)).toEqual(expect.arrayContaining([...catalog.languages]));
    for (const language of OTHERS) {
      expect(words[language]).not.toBe(words.en);
      expect([words[language], placesIn(words[language])]).toEqual([words[language], placesIn(words.en)]);
    }
  }
});

test('a text that people agree to is there in every language', () => {
  const versions = new Set(catalog.notices.map(({ id, version }) => `${id} ${version}`));
  for (const version of versions) {
    const languages = catalog.notices.filter((item) => `${item.id} ${item.version}` === version);
    expect(languages.map(({ language }) => language).sort()).toEqual([...catalog.languages].sort());
  }
});

/** Phrases that readers stumbled over. */
const MENDED = [
  'anything already handed to the post',
  'may take effect at once',
  'Changes count at once',
  'Counts at once',
  'Had enough',
  'Keep some, drop some',
  'by what is known of me',
  'because I am like other customers',
  'scrambled form',
  'Lost your link',
  'this is not a phone number',
  'How do we know you',
  'Do you ask for yourself',
  'I may act for somebody else',
  'Somebody, we hope you',
  'stays lawful',
  'You took it back',
  'A wish to stop counts',
  'She said yes',
  'Lookalike, as a',
  'for machines',
  'coded mark',
  'Cuenta al instante',
  'Cuenta de inmediato',
  'Cuenta desde ahora',
  'Un deseo de parar',
  'Está harto',
  'Ya es suficiente',
  'No más mensajes de estos',
  'ordenador',
  'la miramos pronto',
  'ya no lleva a nada',
  'sigue siendo lícito',
  'Pulse',
  'Púlselo',
  'reclamacion',
];
test.each(MENDED)('nothing says “%s”', (phrase) => {
  const files = [LOCALES, path.join(ROOT, 'config')].flatMap((folder) =>
    readdirSync(folder).map((name) => path.join(folder, name)),
  );
  const saying = files.filter(
    (file) => /\.yaml$/.test(file) && readFileSync(file, 'utf8').toLowerCase().includes(phrase.toLowerCase()),
  );
  expect(saying).toEqual([]);
});
