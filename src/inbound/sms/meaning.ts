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

/** Quotation marks of all languages; an apostrophe is one only where no letter stands on one side of it. */
const QUOTE = /["“”„‟«»‹›「」『』＂〝〞〟❝❞]|(?<![\p{L}\p{N}])['‘’‚‛]|['‘’‚‛](?![\p{L}\p{N}])/gu;
/** So many words in quotation marks may be a message of ours; `"STOP"` and `"opt out"` are the person's own. */
const FEWEST_QUOTED = 3;
/** A phone says little more than who reacted, and how. */
const MAX_AROUND = 20;
/** Signs that may say no without a word; the first is the word itself. */
const NO_SIGNS = /[🛑⛔🚫✋🙅]/u;
const CLOSING: Readonly<Record<string, string>> = { '“': '”', '«': '»', '„': '“', '「': '」', '『': '』' };

interface Quotation {
  /** What stands outside the marks. */
  readonly own: readonly string[];
  readonly quoted: readonly string[];
}

/** From the first mark to the last, or to the end where it was cut: what is quoted may hold marks of its own. */
function quotationIn(text: string): Quotation | undefined {
  const marks = [...text.replace(/\p{Cf}/gu, '').matchAll(QUOTE)];
  const plain = text.replace(/\p{Cf}/gu, '');
  const [first] = marks;
  const last = marks.at(-1);
  if (!first || !last) return undefined;
  const closing = CLOSING[first[0]];
  const isCut = last === first || (closing !== undefined && !plain.includes(closing, first.index + 1));
  const end = isCut ? plain.length : last.index;
  const wordsOf = (part: string) => tokensOf(part).filter((token) => token !== BREAK);
  const own = wordsOf(`${plain.slice(0, first.index)} ${plain.slice(end + 1)}`);
  const quoted = wordsOf(plain.slice(first.index + 1, end));
  return quoted.length < FEWEST_QUOTED ? undefined : { own, quoted };
}

/** `Liked “… Reply STOP to opt out”`: what phones send to those whose message somebody reacts to. */
function isReaction({ own }: Quotation, { reactions }: TextWords): boolean {
  if (own.length > MAX_AROUND) return false;
  return (
    reactions.whole.some((phrase) => phrase.length === own.length && isAt(own, 0, phrase)) ||
    own.some((_word, at) => longestAt(own, at, reactions.anywhere) > 0)
  );
}

/**
 * What a text asks for. What it quotes is somebody else's word, most often ours: a reaction means nothing, and an act that
 * only the quotation names is `unclear`.
 */
export function meaningOf(text: string, words: TextWords): TextMeaning {
  const tokens = tokensOf(text);
  if (tokens.length === 0 && text.includes('🛑')) return { act: 'stop', language: 'en' };
  const whole = wordsMean(tokens, words);
  if (whole.act === 'none') return NO_SIGNS.test(text) ? { act: 'unclear' } : whole;
  const quotation = quotationIn(text);
  if (!quotation || quotation.own.length === 0) return whole;
  const own = wordsMean(quotation.own, words);
  if (own.act !== 'none') return own;
  return { act: isReaction(quotation, words) ? 'none' : 'unclear' };
}

/**
 * What words ask for. STOP in any case and with noise, in every language of the file at once, since nobody says in
 * which they write. Any reasonable wording revokes (47 CFR 64.1200(a)(10)), so a doubt is no "none": it is `unclear`.
 */
function wordsMean(tokens: readonly string[], words: TextWords): TextMeaning {
  if (tokens.length === 0) return { act: 'none' };
  const { languages } = words;
  // Fillers of one letter in a row ("y a a, salir") arrive joined, as a word spelled letter by letter does.
  const isFiller = (word: string): boolean =>
    languages.some(({ filler }) => filler.has(word) || [...word].every((letter) => filler.has(letter)));
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
function languageOf(tokens: readonly string[], of: LanguageWords, { languages }: TextWords): string {
  const count = ({ filler }: LanguageWords) => tokens.filter((word) => filler.has(word)).length;
  return languages.reduce((best, language) => (count(language) > count(best) ? language : best), of).code;
}
