/** Words under keys, as a locale file has them. */
export interface WordTree {
  readonly [key: string]: WordTree | string;
}

const NO_BREAK = '\u00a0';

/**
 * French writes a space before `? ! : ; »` and after `«`; the sign must not begin a line of its own. Other languages are left
 * as they are. Whoever translates types an ordinary space.
 */
export function typeset(text: string, language: string): string {
  if (language !== 'fr') return text;
  return text.replace(/ (?=[?!:;»])/g, NO_BREAK).replace(/« /g, `«${NO_BREAK}`);
}

/** The same for all words of a file. */
export function typesetAll<T extends WordTree>(words: T, language: string): T;
export function typesetAll(words: WordTree, language: string): WordTree {
  return Object.fromEntries(
    Object.entries(words).map(([key, inner]) => [
      key,
      typeof inner === 'string' ? typeset(inner, language) : typesetAll(inner, language),
    ]),
  );
}
