import { expect, test } from '@jest/globals';
import { typeset, typesetAll } from '../../src/core/typography.js';

test('French punctuation stays on the line of its word, in whatever file it stands', () => {
  expect(typeset('Que voulez-vous ? Ceci : « oui » ; non !', 'fr')).toBe(
    'Que voulez-vous\u00a0? Ceci\u00a0: «\u00a0oui\u00a0»\u00a0; non\u00a0!',
  );
  expect(typeset('{{name}} : à 12:30, https://example.com/?a', 'fr')).toBe(
    '{{name}}\u00a0: à 12:30, https://example.com/?a',
  );
  expect(typesetAll({ a: { b: 'Annuler ?' }, c: 'Oui' }, 'fr')).toEqual({ a: { b: 'Annuler\u00a0?' }, c: 'Oui' });
});

test('other languages are left as they are', () => {
  for (const language of ['en', 'es', 'de']) expect(typeset('a ? « b »', language)).toBe('a ? « b »');
});
