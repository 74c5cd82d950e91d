import path from 'node:path';
import i18next, { type i18n, type TFunction } from 'i18next';
import { readWords } from '../../config/locale-file.js';
import type { Catalog } from '../../core/catalog.js';

export interface PageContext {
  readonly language: string;
  readonly t: TFunction;
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
  readonly views: string;
  readonly words: i18n;
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
