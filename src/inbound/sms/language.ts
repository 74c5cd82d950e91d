import type { LanguageWords, TextWords } from './text-words.js';
import { tokensOf } from './tokens.js';

/**
 * The languages that most of a text's known words are of, several where they share those. English keywords are on every
 * button and in every `mailto:` link, so a single English word says nothing.
 *
 * @returns codes such as `es`; none where the text does not say
 */
export function languageWritten(text: string, { languages }: TextWords): string[] {
  const tokens = tokensOf(text);
  const scores = languages.map((language) => {
    const own = knownWords(language);
    const count = tokens.filter((word) => own.has(word)).length;
    return { code: language.code, count: language.code === 'en' && count < 2 ? 0 : count };
  });
  const most = Math.max(0, ...scores.map(({ count }) => count));
  return most === 0 ? [] : scores.filter(({ count }) => count === most).map(({ code }) => code);
}

function knownWords({ stop, stopAnywhere, not, filler }: LanguageWords): Set<string> {
  return new Set([...[...stop, ...stopAnywhere, ...not].flat(), ...filler]);
}
