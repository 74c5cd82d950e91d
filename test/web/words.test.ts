import { expect, test } from '@jest/globals';
import i18next from 'i18next';
import { createWords } from '../../src/web/words.js';

const words = i18next.createInstance();
await words.init({
  fallbackLng: 'en',
  supportedLngs: ['en', 'de'],
  interpolation: { escapeValue: false },
  resources: {
    en: {
      translation: {
        hello: 'Hello',
        only: 'Only here',
        greet: 'Dear {{name}}, {{name}} of {{place}}',
        left: '{{count}} minutes',
        left_one: 'one minute',
        state: { open: 'Open', open_agent: 'Open for {{agent}}' },
      },
    },
    de: { translation: { hello: 'Guten Tag', greet: 'Hallo {{name}}' } },
  },
});
const en = createWords(words, 'en');
const de = createWords(words, 'de');

test('each language has its own words, and English where it lacks one', () => {
  expect([en('hello'), de('hello'), de('only'), de('state.open')]).toEqual(['Hello', 'Guten Tag', 'Only here', 'Open']);
});

test('values go to their places, whatever they hold', () => {
  expect(en('greet', { name: 'Ana', place: 'Bonn' })).toBe('Dear Ana, Ana of Bonn');
  expect(en('greet', { name: '{{place}} $t(hello) $&', place: '<b>' })).toBe(
    'Dear {{place}} $t(hello) $&, {{place}} $t(hello) $& of <b>',
  );
  expect(de('greet', { name: 'Ben' })).toBe('Hallo Ben');
  expect(en('greet', { name: 0, place: undefined })).toBe('Dear 0, 0 of ');
});

test('a number chooses the plural, each time anew', () => {
  const forms = [1, 2, 1, 30].map((count) => en('left', { count }));
  expect(forms).toEqual(['one minute', '2 minutes', 'one minute', '30 minutes']);
  expect(de('left', { count: 1 })).toBe('one minute');
});

test('a context chooses the variant, where there is one', () => {
  expect(en('state.open', { context: 'agent', agent: 'Ana' })).toBe('Open for Ana');
  expect(en('state.open', { context: 'represented', agent: 'Ana' })).toBe('Open');
  expect(en('state.open', { context: undefined })).toBe('Open');
});

test('every text is the one of i18next', () => {
  const theirs = words.getFixedT('de');
  for (const [key, values] of [
    ['greet', { name: 'Ana', place: 'Bonn' }],
    ['left', { count: 1 }],
    ['left', { count: 7 }],
    ['state.open', { context: 'agent', agent: 'Ana' }],
  ] as const)
    expect([key, de(key, values)]).toEqual([key, theirs(key, values)]);
});

test('a key without a word is an error, never the key on a page', () => {
  expect(() => en('nowhere')).toThrow('there is no word “nowhere”');
  expect(() => de('state')).toThrow('there is no word “state”');
  expect(() => en('state.closed', { context: 'agent' })).toThrow('there is no word “state.closed”');
});
