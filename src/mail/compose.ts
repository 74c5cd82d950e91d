import { createHash } from 'node:crypto';
import { ConfigError } from '../config/yaml-file.js';
import { type Brand, brandById, type Catalog } from '../core/catalog.js';
import { HushError } from '../core/errors.js';
import type { Machine } from '../core/machine.js';
import { checkedAddress, checkedHeaders, type Mailbox, parseSender } from './headers.js';
import type { Block } from './plain-text.js';
import { type MailTemplate, type MailValues, readTemplates, textsIn } from './templates.js';
import { type MailWords, type Reader, readMailWords } from './words.js';

/** A mail to be written. */
export interface MailRequest {
  /** Name of a file in `templates/`, without `.mjml`. */
  readonly template: string;
  /** BCP 47; English when there are no words in it. */
  readonly language: string;
  readonly brand: string;
  /** One address. */
  readonly to: string;
  readonly values: MailValues;
  readonly reader?: Reader | undefined;
  /** Further headers, such as List-Unsubscribe. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The same id gives the same Message-ID, so that a mail sent twice is shown once by most mail programs. */
  readonly id?: string;
  /** What was written before and is sent as it is; then `values` is empty and `template` only a name. */
  readonly written?: Pick<Written, 'subject' | 'html' | 'text'>;
  /** An armored OpenPGP message (RFC 4880) that takes the place of both parts: `text` says only that it is one. */
  readonly encrypted?: string;
}

/** What a template says, before it has an address. */
export interface Written {
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** The language it came out in. */
  readonly language: string;
}

/** A mail as it is handed to a transport. */
export interface ComposedMail {
  readonly from: Mailbox;
  readonly to: string;
  readonly subject: string;
  readonly html: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Armored; sent as multipart/encrypted (RFC 3156) instead of `html` and `text`. */
  readonly encrypted?: string;
}

interface ComposerParts {
  readonly machine: Pick<Machine, 'randomBytes'>;
  readonly catalog: Pick<Catalog, 'brands' | 'group' | 'languages'>;
  readonly templatesDir: string;
  readonly localesDir: string;
}

export interface Composer {
  compose(request: MailRequest): ComposedMail;
  /** What the template says in this language, for a medium of one's own. Throws as `compose`. */
  write(request: Pick<MailRequest, 'template' | 'language' | 'brand' | 'values' | 'reader'>): Written;
  /** Words beside the templates: of a list under a part of the files, such as `denial-reason`. Throws when there are none. */
  word(part: string, key: string, language: string, values?: Readonly<Record<string, string>>, reader?: Reader): string;
  /** The values each template needs, by its name. */
  readonly templates: ReadonlyMap<string, readonly string[]>;
}

/** What words can name without a mail giving it. */
function brandWords(catalog: Pick<Catalog, 'group'>, brand: Brand): Record<string, string> {
  return { brand: brand.name, legalName: brand.legalName, phone: brand.phone, group: catalog.group.name };
}

/** One line: a value can neither add a header nor pretend to be another paragraph. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}

function checkedValues(template: MailTemplate, needed: readonly string[], values: MailValues): MailValues {
  const missing = needed.filter((name) => !Object.hasOwn(values, name));
  if (missing.length > 0) {
    throw new HushError('invalid', `the mail ${template.name} needs ${missing.join(', ')}`, {
      field: `values.${missing[0]}`,
    });
  }
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (/link$/i.test(name) && !(typeof value === 'string' && /^https?:\/\/[^\s<>"\p{Cc}]+$/u.test(value))) {
        throw new HushError('invalid', `the value ${name} of the mail ${template.name} is not a web address`, {
          field: `values.${name}`,
        });
      }
      return [name, typeof value === 'string' ? oneLine(value) : value.map(oneLine)];
    }),
  );
}

/** Names a template needs a value for: its own and those of its words, in any language. Throws when words are missing. */
function valuesNeeded(template: MailTemplate, words: MailWords, values: Readonly<Record<string, string>>): string[] {
  const names = new Set(template.values);
  for (const language of words.languages) {
    for (const key of template.keys) {
      const text = words.find(template.name, key, language);
      if (text === undefined)
        throw new ConfigError(
          `mail.${language}.yaml: lacks ${template.name}.${key}, which ${template.name}.mjml uses. Add it.`,
        );
      const toAgent = words.find(template.name, key, language, 'agent') ?? '';
      for (const [, name = ''] of `${text} ${toAgent}`.matchAll(/\{\{\s*(\w+)\s*\}\}/g))
        if (!Object.hasOwn(values, name)) names.add(name);
    }
  }
  return [...names].sort();
}

/** By all that goes into them: trying every mail takes 0.1 s, and a process may hold several installations. */
const composers = new Map<string, Promise<Composer>>();

/**
 * Reads templates and words, and tries every template in every language and for every brand, so that what is missing stops
 * the start and not a mail. Throws ConfigError.
 *
 * `compose` throws HushError('invalid') for an unknown template or brand, a missing value, an address that is not exactly
 * one, and headers that are not safe.
 *
 * @example
 * const { compose } = await createComposer({ catalog, templatesDir: 'templates', localesDir: 'locales' });
 * compose({ template: 'your-link', language: 'es', brand: 'jmf', to: 'ana@example.com', values: { link } });
 */
export async function createComposer(parts: ComposerParts): Promise<Composer> {
  const { brands, group, languages } = parts.catalog;
  const texts = await Promise.all([textsIn(parts.templatesDir, '.mjml'), textsIn(parts.localesDir, '.yaml')]);
  const id = JSON.stringify([brands, group, languages, parts.templatesDir, parts.localesDir, texts]);
  const composer = composers.get(id) ?? readComposer(parts);
  composers.set(id, composer);
  return composer;
}

async function readComposer(parts: ComposerParts): Promise<Composer> {
  const { catalog } = parts;
  const [templates, words] = await Promise.all([
    readTemplates(parts.templatesDir),
    readMailWords(parts.localesDir, catalog.languages),
  ]);
  const senders = new Map(catalog.brands.map((brand) => [brand.id, parseSender(brand.from)]));
  const [anyBrand] = catalog.brands;
  const needed = new Map(
    [...templates.values()].map((template) => [
      template.name,
      valuesNeeded(template, words, anyBrand ? brandWords(catalog, anyBrand) : {}),
    ]),
  );

  function languageOf(wanted: string): string {
    const [base = 'en'] = wanted.toLowerCase().split('-');
    return (
      words.languages.find((language) => language.toLowerCase() === wanted.toLowerCase()) ??
      words.languages.find((language) => language === base) ??
      'en'
    );
  }

  function write(request: Pick<MailRequest, 'template' | 'language' | 'brand' | 'values' | 'reader'>): Written {
    const template = templates.get(request.template);
    const brand = brandById(catalog, request.brand);
    if (!template)
      throw new HushError('invalid', `there is no mail template ${request.template}`, { field: 'template' });
    if (!brand) throw new HushError('invalid', `there is no brand ${request.brand}`, { field: 'brand' });
    const language = languageOf(request.language);
    const values = checkedValues(template, needed.get(template.name) ?? [], request.values);
    const forWords = {
      ...Object.fromEntries(
        Object.entries(values).map(([name, value]) => [name, typeof value === 'string' ? value : value.join(', ')]),
      ),
      ...brandWords(catalog, brand),
    };
    const t = (key: string) => words.say(template.name, key, language, forWords, request.reader);
    const scope = { t, values, brand, group: catalog.group, language };
    return {
      subject: oneLine(t('subject')),
      html: template.html(scope),
      text: template.text(scope),
      blocks: template.blocks(scope),
      language,
    };
  }

  function compose(request: MailRequest): ComposedMail {
    const from = senders.get(request.brand);
    const to = checkedAddress(request.to);
    const further = checkedHeaders(request.headers ?? {});
    const { subject, html, text } = request.written ?? write(request);
    if (!from) throw new HushError('invalid', `there is no brand ${request.brand}`, { field: 'brand' });
    const identity = createHash('sha256')
      .update(request.id ?? parts.machine.randomBytes(16))
      .digest('hex')
      .slice(0, 32);
    return {
      from,
      to,
      subject: oneLine(subject),
      html,
      text,
      headers: {
        'Message-ID': `<${identity}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
        // RFC 3834 §5: no vacation notice answers, and none of ours is answered by a machine.
        'Auto-Submitted': 'auto-generated',
        'Content-Language': languageOf(request.language),
        ...further,
      },
      ...(request.encrypted === undefined ? {} : { encrypted: request.encrypted }),
    };
  }

  for (const [template, names] of needed) {
    const values = Object.fromEntries(names.map((name) => [name, 'https://example.com']));
    // What differs by brand are its name and numbers, which every language uses alike: each of both once.
    const tries = [
      ...words.languages.map((language) => ({ language, brand: catalog.brands[0]?.id ?? '' })),
      ...catalog.brands.slice(1).map(({ id }) => ({ language: 'en', brand: id })),
    ];
    for (const { language, brand } of tries) {
      try {
        compose({ template, language, brand, to: 'start@example.com', values });
      } catch (error) {
        throw new ConfigError(
          `${template}.mjml: cannot be written in ${language}: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }
  return {
    compose,
    write,
    word: (part, key, language, values = {}, reader = undefined) =>
      words.say(part, key, languageOf(language), values, reader),
    templates: needed,
  };
}
