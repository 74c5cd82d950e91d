import type { i18n } from 'i18next';

/**
 * The word of a key in one language, with values in its places. `count` chooses the plural and `context` the variant.
 * A language that lacks a word has it in English.
 *
 * @throws for a key that there is no word for in any language
 */
export type Words = (key: string, values?: Readonly<Record<string, unknown>>) => string;

/** A text cut at its places: every second piece is the name of a value. */
type Pieces = readonly string[];

const PLACE = /\{\{(\w+)\}\}/;

function fill(pieces: Pieces, values: Readonly<Record<string, unknown>>): string {
  let text = pieces[0] ?? '';
  for (let at = 1; at < pieces.length; at += 2) text += `${values[pieces[at] ?? ''] ?? ''}${pieces[at + 1] ?? ''}`;
  return text;
}

/**
 * Words of a language, looked up once each: i18next finds the text, which takes microseconds, and it is kept, cut at its
 * places.
 */
export function createWords(words: i18n, language: string): Words {
  const texts = new Map<string, Pieces>();
  const translate = words.getFixedT(language);
  const plurals = new Intl.PluralRules(language);

  function piecesOf(key: string, id: string, variant: object): Pieces {
    const known = texts.get(id);
    if (known) return known;
    const isThere = words.exists(key, { lng: language, ...variant });
    const text: unknown = translate(key, { ...variant, skipInterpolation: true, returnObjects: true });
    if (!isThere || typeof text !== 'string')
      throw new Error(`there is no word “${key}”: add it to the files in locales/`);
    const pieces = text.split(PLACE);
    texts.set(id, pieces);
    return pieces;
  }

  return (key, values) => {
    if (values === undefined) return fill(piecesOf(key, key, {}), {});
    const { count, context } = values;
    const plural = typeof count === 'number' ? { count } : {};
    const variant = typeof context === 'string' ? { ...plural, context } : plural;
    const form = typeof count === 'number' ? plurals.select(count) : '';
    return fill(piecesOf(key, `${key} ${form} ${context ?? ''}`, variant), values);
  };
}
