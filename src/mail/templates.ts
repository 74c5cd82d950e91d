import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import ejs from 'ejs';
import mjml2html from 'mjml';
import { ConfigError } from '../config/yaml-file.js';
import type { Brand, Catalog } from '../core/catalog.js';
import { type Block, blocksOf, blockTemplateOf, plainTextOf, tidyText } from './plain-text.js';

/** Texts of one mail by name; a list is shown one item a line. */
export type MailValues = Readonly<Record<string, string | readonly string[]>>;

/** What a template can name between `{%=` and `%}`. */
export interface TemplateScope {
  /** The words under a key, with their `{{names}}` filled in. */
  readonly t: (key: string) => string;
  readonly values: MailValues;
  readonly brand: Brand;
  readonly group: Catalog['group'];
  readonly language: string;
}

export interface MailTemplate {
  readonly name: string;
  /** Names used as `values.name`. */
  readonly values: ReadonlySet<string>;
  /** Keys used as `t('key')`. */
  readonly keys: ReadonlySet<string>;
  /** Every placeholder HTML-escaped. */
  html(scope: TemplateScope): string;
  text(scope: TemplateScope): string;
  /** The same words in the same order, for print. */
  blocks(scope: TemplateScope): Block[];
}

// `{%= %}`, because MJML is XML and would read `<%= %>` as an element. Without `with`, a misspelt name is an error.
const DELIMITERS = { openDelimiter: '{', delimiter: '%', closeDelimiter: '}' };
const NAMES = ['t', 'values', 'brand', 'group', 'language'];

function namesIn(source: string, pattern: RegExp): ReadonlySet<string> {
  return new Set([...source.matchAll(pattern)].map(([, name]) => name ?? ''));
}

async function compile(file: string): Promise<MailTemplate> {
  const { html, json, errors } = await mjml2html(await readFile(file, 'utf8'), {
    filePath: file,
    ignoreIncludes: false,
    keepComments: false,
    validationLevel: 'soft',
    fonts: {},
  });
  // A placeholder is no colour and no length to MJML's checker; it is one once filled in.
  const fault = errors.find(({ message }) => !message.includes('{%'));
  if (fault) throw new ConfigError(`${file}: ${fault.formattedMessage.trim()}. Correct the template.`);
  const text = plainTextOf(json);
  if (JSON.stringify(json).includes('<!-- mj-include'))
    throw new ConfigError(`${file}: an mj-include names a file that is not there. Correct its path.`);
  if (html.includes('{%-')) throw new ConfigError(`${file}: {%- writes a value unescaped. Write {%= instead.`);
  const compiled = (source: string, escaping?: (value: unknown) => string) => {
    try {
      return ejs.compile(source, {
        ...DELIMITERS,
        filename: file,
        strict: true,
        destructuredLocals: NAMES,
        ...(escaping ? { escape: escaping } : {}),
      });
    } catch (error) {
      throw new ConfigError(
        `${file}: ${error instanceof Error ? error.message : String(error)}. Correct the placeholder.`,
      );
    }
  };
  const asHtml = compiled(html);
  const asText = compiled(text, String);
  const asBlocks = compiled(blockTemplateOf(json), String);
  return {
    name: path.basename(file, '.mjml'),
    values: namesIn(html, /\bvalues\.([A-Za-z]\w*)/g),
    keys: new Set([...namesIn(html, /\bt\('([^']+)'\)/g), 'subject']),
    html: (scope) => asHtml({ ...scope }),
    text: (scope) => tidyText(asText({ ...scope })),
    blocks: (scope) => blocksOf(asBlocks({ ...scope })),
  };
}

async function compileAll(files: readonly string[]): Promise<ReadonlyMap<string, MailTemplate>> {
  const templates = await Promise.all(files.map(compile));
  return new Map(templates.map((template) => [template.name, template]));
}

/** The files of a folder, and of those in it, whose names end so, with their texts. */
export async function textsIn(
  folder: string,
  ending: string,
): Promise<readonly (readonly [name: string, text: string])[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(ending)).sort();
  return Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name), 'utf8')] as const));
}

/** By the text of all files of a folder: MJML takes 0.2 s for them, and a process may hold several installations. */
const compiledFolders = new Map<string, Promise<ReadonlyMap<string, MailTemplate>>>();

/** Compiles every `*.mjml` of a folder, once. Throws ConfigError that names file and fault. */
export async function readTemplates(folder: string): Promise<ReadonlyMap<string, MailTemplate>> {
  const texts = await textsIn(folder, '.mjml');
  const files = texts.filter(([name]) => path.dirname(name) === '.').map(([name]) => path.join(folder, name));
  if (files.length === 0)
    throw new ConfigError(`${folder}: has no *.mjml. Point templatesDir to the folder with the mail templates.`);
  const id = JSON.stringify([folder, texts]);
  const compiled = compiledFolders.get(id) ?? compileAll(files);
  compiledFolders.set(id, compiled);
  return compiled;
}
