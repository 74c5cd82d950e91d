import path from 'node:path';
import { createInstance } from 'i18next';
import { z } from 'zod';
import { ConfigError, readYamlFile } from '../config/yaml-file.js';
import { typesetAll } from '../core/typography.js';

const wordsFile = z.record(z.string(), z.record(z.string(), z.string().min(1)));
type WordsFile = z.infer<typeof wordsFile>;

const keysOf = (file: WordsFile) =>
  Object.entries(file).flatMap(([part, words]) => Object.keys(words).map((key) => `${part}.${key}`));

/** Whom words are for, where it is not the person themselves: somebody who acts for them. */
export type Reader = 'agent';

/** The words of all mails in all languages. */
export interface MailWords {
  readonly languages: readonly string[];
  /**
   * The words of a template under a key, else those under `common`; undefined when there are none. For a reader of their own
   * (`agent`), those under `key-agent` where there are any.
   */
  find(template: string, key: string, language: string, reader?: Reader): string | undefined;
  /** The same with `{{names}}` filled in from the values, unescaped. Throws when words or a value are missing. */
  say(
    template: string,
    key: string,
    language: string,
    values: Readonly<Record<string, string>>,
    reader?: Reader,
  ): string;
}

/**
 * Reads `mail.<language>.yaml` for every language of the catalog, and English. Throws ConfigError when a file is missing
 * or when its keys are not those of the English one.
 */
export async function readMailWords(localesDir: string, languages: readonly string[]): Promise<MailWords> {
  const wanted = [...new Set(['en', ...languages])];
  const fileOf = (language: string) => path.join(localesDir, `mail.${language}.yaml`);
  const files = new Map(
    wanted.map((language) => [language, typesetAll(readYamlFile(fileOf(language), wordsFile), language)]),
  );
  const english = new Set(keysOf(files.get('en') ?? {}));
  for (const [language, file] of files) {
    const own = new Set(keysOf(file));
    const missing = [...english].filter((key) => !own.has(key));
    const unknown = [...own].filter((key) => !english.has(key));
    if (missing.length > 0)
      throw new ConfigError(`${fileOf(language)}: lacks ${missing.join(', ')}. Translate them from mail.en.yaml.`);
    if (unknown.length > 0)
      throw new ConfigError(
        `${fileOf(language)}: has ${unknown.join(', ')}, which mail.en.yaml lacks. Add or remove them.`,
      );
  }

  const i18n = createInstance();
  await i18n.init({
    lng: 'en',
    fallbackLng: false,
    nsSeparator: false,
    resources: Object.fromEntries([...files].map(([language, file]) => [language, { translation: file }])),
    interpolation: { escapeValue: false, skipOnVariables: true },
    missingInterpolationHandler: (_text, match) => {
      throw new Error(`no value for ${String(match[0])}`);
    },
  });

  /** Where the words are, first to last. */
  const placesOf = (template: string, key: string, reader: Reader | undefined): [part: string, key: string][] =>
    [template, 'common'].flatMap((part): [string, string][] => [
      ...(reader ? [[part, `${key}-${reader}`] as [string, string]] : []),
      [part, key],
    ]);
  const find: MailWords['find'] = (template, key, language, reader) =>
    placesOf(template, key, reader)
      .map(([part, name]) => files.get(language)?.[part]?.[name])
      .find((text) => text !== undefined);
  return {
    languages: wanted,
    find,
    say(template, key, language, values, reader) {
      if (find(template, key, language, reader) === undefined)
        throw new Error(`there are no words for ${template}.${key} in ${language}`);
      // `replace` keeps values from being read as options, `nest` from being read as `$t(…)`.
      const keys = placesOf(template, key, reader).map(([part, name]) => `${part}.${name}`);
      return i18n.t(keys, { lng: language, replace: values, nest: false });
    },
  };
}
