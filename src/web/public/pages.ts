import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ejs from 'ejs';
import type { Request, Response } from 'express';
import i18next, { type TFunction } from 'i18next';
import { readWords } from '../../config/locale-file.js';
import { type Brand, type Catalog, say } from '../../core/catalog.js';
import { maskContact } from '../../core/contact-point.js';
import type { Link } from '../../preferences/links.js';
import type { OpenedResult } from './results.js';

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

/** Renders pages for people: brand look, language, and nothing from anywhere else. */
export async function createPages(parts: {
  readonly catalog: Catalog;
  readonly folders: PageFolders;
  readonly rightsPath?: string;
}) {
  const { catalog, folders } = parts;
  const { languages } = catalog;
  const words = i18next.createInstance();
  await words.init({
    fallbackLng: 'en',
    supportedLngs: [...languages],
    // EJS escapes; doing it twice would show people &amp;.
    interpolation: { escapeValue: false },
    resources: Object.fromEntries(
      languages.map((language) => [
        language,
        { translation: readWords(path.join(folders.locales, `pages.${language}.yaml`), language) },
      ]),
    ),
  });
  // People's pages have 25 kB with their styles: comments stay at home.
  const css = readFileSync(path.join(folders.assets, 'hush.css'), 'utf8').replace(/\/\*[\s\S]*?\*\/\n?/g, '');
  const version = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 10);
  const cssPath = `/assets/hush.${version(css)}.css`;
  const brandVersion = version(JSON.stringify(catalog.brands));
  const templates = new Map<string, ejs.TemplateFunction>();

  function template(view: string): ejs.TemplateFunction {
    let compiled = templates.get(view);
    if (!compiled) {
      const file = path.join(folders.views, `${view}.ejs`);
      compiled = ejs.compile(readFileSync(file, 'utf8'), { filename: file });
      templates.set(view, compiled);
    }
    return compiled;
  }

  /** `?lang=`, then `Accept-Language`, then English. */
  function languageOf(request: Pick<Request, 'query' | 'acceptsLanguages'>): string {
    const { lang } = request.query;
    if (typeof lang === 'string' && languages.includes(lang)) return lang;
    const accepted = request.acceptsLanguages([...languages]);
    return accepted === false ? (languages[0] ?? 'en') : accepted;
  }

  function context(request: Pick<Request, 'query' | 'acceptsLanguages'>): PageContext {
    const language = languageOf(request);
    return { language, t: words.getFixedT(language) };
  }

  /** The same page in other languages. A query alone: a path such as `//evil.example/` would be a link to another host. */
  function languageLinks(url: string, current: string): { code: string; name: string; href: string }[] {
    const [, search = ''] = url.split('?');
    return languages
      .filter((code) => code !== current)
      .map((code) => {
        const query = new URLSearchParams(search);
        query.set('lang', code);
        return { code, name: words.getFixedT(code)('languageName'), href: `?${query}` };
      });
  }

  function render(
    request: Request,
    view: string,
    brand: Brand | undefined,
    values: Readonly<Record<string, unknown>>,
  ): string {
    const { language, t } = context(request);
    return template(view)({
      language,
      t,
      brand,
      group: catalog.group,
      assets: { css: cssPath, brandVersion },
      telephone: (phone: string) => (phone.startsWith('+') ? phone : `+1${phone.replace(/\D/g, '')}`),
      rightsPath: parts.rightsPath,
      otherLanguages: languageLinks(request.originalUrl, language),
      ...values,
    });
  }

  /** How messages of a channel reach people: "by email", "on websites". */
  const byWords = (t: TFunction, channel: string) => t(`by.${channel === '*' ? 'any' : channel}`);

  return {
    css: { path: cssPath, text: css },
    context,
    byWords,

    /** Every language by its own name. */
    languageNames: () => languages.map((code) => ({ code, name: words.getFixedT(code)('languageName') })),

    /** `:root{--brand…}` for one brand, light and dark. */
    brandCss(brand: Brand): string {
      const { color, ink, darkColor, darkInk } = brand.look;
      return `:root{--brand:${color};--brand-ink:${ink}}@media(prefers-color-scheme:dark){:root{--brand:${darkColor};--brand-ink:${darkInk}}}`;
    },

    /** The question why somebody stopped, or thanks for the answer; undefined where there is nothing to ask. */
    whyWords({ language }: Pick<PageContext, 'language'>, result: OpenedResult | undefined) {
      if (!result?.stopped || catalog.stopReasons.length === 0) return undefined;
      const reasons = catalog.stopReasons.map(({ id, words: given }) => ({ id, label: say(given, language) }));
      return { answered: result.stopped.answered, did: result.sealed, reasons };
    },

    /** What a link is about, in words. */
    linkWords(request: Request, link: Link) {
      const { language, t } = context(request);
      const { purpose, channel } = link.scope;
      const words = purpose === '*' || purpose === 'marketing' ? undefined : catalog.purposes[purpose];
      const topicName = link.topic ? say(link.topic.name, language) : undefined;
      return {
        // A button for offers would stop more than it says.
        noun: words ? say(words.noun, language) : t('standing.marketing'),
        by: byWords(t, channel),
        brand: link.brand.name,
        /** Of a channel whose messages may be on their way for days. */
        byPost: channel === 'mail' || channel === '*',
        topicName,
        /** What stops, of a use of data by which nothing is sent. */
        use: words?.use && !topicName ? say(words.use, language).replace('{brand}', link.brand.name) : undefined,
      };
    },

    send(
      request: Request,
      response: Response,
      status: number,
      view: string,
      brand: Brand | undefined,
      values: Readonly<Record<string, unknown>>,
    ): void {
      if (!response.get('Cache-Control')) response.set('Cache-Control', 'no-store');
      response
        .status(status)
        .type('html')
        .send(render(request, view, brand, values));
    },
    render,

    message(
      request: Request,
      response: Response,
      status: number,
      brand: Brand | undefined,
      page: {
        title: string;
        heading: string;
        text: string;
        good?: boolean;
        receipt?: string;
        ways?: { href: string; label: string }[];
      },
    ): void {
      this.send(request, response, status, 'message', brand, { good: false, receipt: undefined, ways: [], ...page });
    },

    /** 303 to a page that shows what an act came to: reload and Back repeat no act. Keeps the language. RFC 9110 §15.4.4 */
    seeOther(
      request: Request,
      response: Response,
      path: string,
      query: Readonly<Record<string, string | undefined>> = {},
    ): void {
      const given = new URLSearchParams({ lang: languageOf(request) });
      for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, value);
      response.set('Cache-Control', 'no-store').redirect(303, `${path}?${given}`);
    },

    /** For a token that is not ours: what to do instead, and no hint whether an address exists. */
    missing(request: Request, response: Response): void {
      const { language, t } = context(request);
      const { phone, privacyAddress } = catalog.group;
      this.message(request, response, 404, undefined, {
        title: t('missing.title'),
        heading: t('missing.heading'),
        text: t('missing.text'),
        ways: [
          { href: `/preferences?lang=${language}`, label: t('missing.form') },
          { href: `tel:+1${phone.replace(/\D/g, '')}`, label: t('missing.phone', { phone }) },
          { href: `mailto:${privacyAddress}`, label: t('missing.mail', { address: privacyAddress }) },
        ],
      });
    },

    /** An honest page for a status without one of its own. */
    fault(request: Request, response: Response, status: number): void {
      if (status === 404) {
        this.missing(request, response);
        return;
      }
      const { t } = context(request);
      const kind = status === 503 ? 'unavailable' : status === 429 ? 'limited' : 'broken';
      const { phone } = catalog.group;
      if (status === 503) response.set('Retry-After', '10');
      this.message(request, response, status, undefined, {
        title: t(`${kind}.title`),
        heading: t(`${kind}.heading`),
        text: t(`${kind}.text`, { phone }),
      });
    },

    masked: (link: Link) => maskContact(link.point),
  };
}

export type Pages = Awaited<ReturnType<typeof createPages>>;
