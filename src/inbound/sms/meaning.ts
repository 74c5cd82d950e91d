import type { LanguageWords, Phrase, TextWords } from './text-words.js';
import { BREAK, tokensOf } from './tokens.js';

/** `unclear`: a stop word is in it, but not so that a rule could say what is meant. */
export type TextMeaning =
  | { readonly act: 'stop' | 'start' | 'help'; readonly language: string }
  | { readonly act: 'unclear' | 'none' };

/** Stands where words were that say the opposite; no list has it. */
const NEGATED = '¬';

function isAt(tokens: readonly string[], at: number, phrase: Phrase): boolean {
  return phrase.every((word, index) => tokens[at + index] === word);
}

function longestAt(tokens: readonly string[], at: number, phrases: readonly Phrase[]): number {
  return phrases.find((phrase) => isAt(tokens, at, phrase))?.length ?? 0;
}

/** Takes out "don't stop": a negation directly before a stop word, with nothing between the two. */
function withoutNegated(tokens: readonly string[], { not, stop, stopAnywhere }: LanguageWords): string[] {
  const out: string[] = [];
  for (let at = 0; at < tokens.length; ) {
    const negation = longestAt(tokens, at, not);
    const what = negation > 0 ? longestAt(tokens, at + negation, stop) : 0;
    // A phrase that begins with the negation itself ("no more texts", "no me manden") says stop.
    const meant = longestAt(tokens, at, stopAnywhere) || longestAt(tokens, at, stop);
    if (what > 0 && meant <= negation) {
      out.push(NEGATED);
      at += negation + what;
    } else {
      out.push(tokens[at] ?? '');
      at += 1;
    }
  }
  return out;
}

/** True when the text has one of the phrases and, beside those, only words that add nothing. */
function saysOnly(tokens: readonly string[], phrases: readonly Phrase[], fillers: (word: string) => boolean): boolean {
  let found = false;
  for (let at = 0; at < tokens.length; ) {
    const length = longestAt(tokens, at, phrases);
    if (length > 0) {
      found = true;
      at += length;
    } else if (tokens[at] === BREAK || /^\d+$/.test(tokens[at] ?? '') || fillers(tokens[at] ?? '')) at += 1;
    else return false;
  }
  return found;
}

function saysSomewhere(tokens: readonly string[], words: LanguageWords, isFiller: (word: string) => boolean): boolean {
  /** "Stop the payment" is about the payment: looks past fillers at what is to stop. */
  const goesOn = (end: number): boolean => {
    for (const word of tokens.slice(end)) {
      if (words.stopNotBefore.has(word)) return false;
      if (!isFiller(word)) return true;
    }
    return true;
  };
  const first = longestAt(tokens, 0, words.stopFirst);
  if (first > 0 && goesOn(first)) return true;
  return tokens.some((_word, at) => {
    const length = longestAt(tokens, at, words.stopAnywhere);
    return length > 0 && goesOn(at + length);
  });
}

/**
 * What a text asks for. STOP in any case and with noise, in every language of the file at once, since nobody says in
 * which they write. Any reasonable wording revokes (47 CFR 64.1200(a)(10)), so a doubt is no "none": it is `unclear`.
 */
export function meaningOf(text: string, words: TextWords): TextMeaning {
  const tokens = tokensOf(text);
  if (tokens.length === 0) return { act: 'none' };
  const { languages } = words;
  const isFiller = (word: string): boolean => languages.some(({ filler }) => filler.has(word));
  const has = (phrases: readonly Phrase[]): boolean => tokens.some((_word, at) => longestAt(tokens, at, phrases) > 0);

  const stop = languages.find((language) => {
    const rest = withoutNegated(tokens, language);
    return saysOnly(rest, language.stop, isFiller) || saysSomewhere(rest, language, isFiller);
  });
  if (stop) return { act: 'stop', language: languageOf(tokens, stop, words) };
  const help = languages.find((language) => saysOnly(tokens, language.help, isFiller));
  if (help) return { act: 'help', language: languageOf(tokens, help, words) };
  // What lifts a denial must be said without a doubt: any "no" or "don't" in it is one.
  const start = languages.find((language) => saysOnly(tokens, language.start, isFiller));
  if (start && !languages.some(({ not }) => has(not))) {
    return { act: 'start', language: languageOf(tokens, start, words) };
  }
  return { act: languages.some((language) => has(language.stop)) ? 'unclear' : 'none' };
}

/** "Stop por favor": the keyword is English to everybody; the words beside it say which language is spoken. */
function languageOf(tokens: readonly string[], of: LanguageWords, words: TextWords): string {
  const spoken = words.languages.map(({ code, filler }) => ({
    code,
    only: tokens.filter(
      (word) => filler.has(word) && words.languages.every((other) => other.code === code || !other.filler.has(word)),
    ).length,
  }));
  const most = spoken.reduce((best, item) => (item.only > best.only ? item : best), { code: of.code, only: 0 });
  const own = spoken.find(({ code }) => code === of.code)?.only ?? 0;
  return own >= most.only ? of.code : most.code;
}
