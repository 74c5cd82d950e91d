import path from 'node:path';
import i18next, { type i18n } from 'i18next';
import { readWords } from '../../config/locale-file.js';
import type { Catalog } from '../../core/catalog.js';
import { createRender, type Render } from '../views.js';
import { createWords, type Words } from '../words.js';

export interface PageContext {
  readonly language: string;
  readonly t: Words;
}

/** A language with its words, and the views with those words in place. */
export interface PageLanguage extends PageContext {
  /** What its speakers call it. */
  readonly name: string;
  readonly render: Render;
}

/** Folders with views, words and styles. */
export interface PageFolders {
  readonly views: string;
  readonly locales: string;
  readonly assets: string;
}

/** What every page is made with. */
export interface PageSource {
  readonly catalog: Catalog;
  /** Whether there is a word under a key. */
  readonly hasWord: (key: string) => boolean;
  /** By code, in the order of the catalog. */
  readonly languages: ReadonlyMap<string, PageLanguage>;
  readonly css: { readonly path: string; readonly text: string };
  readonly brandVersion: string;
  readonly rightsPath: string | undefined;
}

export async function readWordsOf({ languages }: Catalog, folder: string): Promise<i18n> {
  const words = i18next.createInstance();
  await words.init({
    fallbackLng: 'en',
    supportedLngs: [...languages],
    // EJS escapes; doing it twice would show people &amp;.
    interpolation: { escapeValue: false },
    resources: Object.fromEntries(
      languages.map((language) => [
        language,
        { translation: readWords(path.join(folder, `pages.${language}.yaml`), language) },
      ]),
    ),
  });
  return words;
}

/** The languages of a catalog. Throws where a view reads a word that there is not. */
export function readLanguages(words: i18n, { languages }: Catalog, views: string): Map<string, PageLanguage> {
  return new Map(
    languages.map((language) => {
      const t = createWords(words, language);
      return [language, { language, name: t('languageName'), t, render: createRender(views, t) }];
    }),
  );
}
