import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Request, Response } from 'express';
import type { Brand, Catalog } from '../../core/catalog.js';
import { maskContact } from '../../core/contact-point.js';
import type { Link } from '../../preferences/links.js';
import { versionOf } from '../views.js';
import { type PageContext, type PageFolders, type PageSource, readLanguages, readWordsOf } from './page-source.js';
import { brandCss, byWords, contextOf, languageLinks, languageOf, linkWords, whyWords } from './page-words.js';

function renderPage(
  source: PageSource,
  request: Request,
  view: string,
  brand: Brand | undefined,
  values: Readonly<Record<string, unknown>>,
): string {
  const { catalog, css, brandVersion, rightsPath } = source;
  const { language, render } = contextOf(source, request);
  return render(view, {
    language,
    brand,
    group: catalog.group,
    assets: { css: css.path, brandVersion },
    telephone: (phone: string) => (phone.startsWith('+') ? phone : `+1${phone.replace(/\D/g, '')}`),
    rightsPath,
    otherLanguages: languageLinks(source, request.originalUrl, language),
    ...values,
  });
}

/** Sends a page whole; nothing of a person is cached unless the route said so before. */
function sendPage(
  source: PageSource,
  request: Request,
  response: Response,
  status: number,
  view: string,
  brand: Brand | undefined,
  values: Readonly<Record<string, unknown>>,
): void {
  const html = renderPage(source, request, view, brand, values);
  if (!response.hasHeader('Cache-Control')) response.setHeader('Cache-Control', 'no-store');
  response.statusCode = status;
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.setHeader('Content-Length', Buffer.byteLength(html));
  // Headers and page in one write: `send` would make it two, and look for an ETag that pages of a person have not.
  response.end(html);
}

function sendMessage(
  source: PageSource,
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
  sendPage(source, request, response, status, 'message', brand, { good: false, receipt: undefined, ways: [], ...page });
}

/** 303 to a page that shows what an act came to: reload and Back repeat no act. Keeps the language. RFC 9110 §15.4.4 */
function seeOther(
  source: Pick<PageSource, 'catalog'>,
  request: Request,
  response: Response,
  path: string,
  query: Readonly<Record<string, string | undefined>> = {},
): void {
  const search = new URLSearchParams({ lang: languageOf(source, request) });
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, value);
  response.set('Cache-Control', 'no-store').redirect(303, `${path}?${search}`);
}

/** For a token that is not ours: what to do instead, and no hint whether an address exists. */
function sendMissing(source: PageSource, request: Request, response: Response): void {
  const { catalog } = source;
  const { language, t } = contextOf(source, request);
  const { phone, privacyAddress } = catalog.group;
  sendMessage(source, request, response, 404, undefined, {
    title: t('missing.title'),
    heading: t('missing.heading'),
    text: t('missing.text'),
    ways: [
      { href: `/preferences?lang=${language}`, label: t('missing.form') },
      { href: `tel:+1${phone.replace(/\D/g, '')}`, label: t('missing.phone', { phone }) },
      { href: `mailto:${privacyAddress}`, label: t('missing.mail', { address: privacyAddress }) },
    ],
  });
}

/** An honest page for a status without one of its own. */
function sendFault(source: PageSource, request: Request, response: Response, status: number): void {
  const { catalog } = source;
  if (status === 404) {
    sendMissing(source, request, response);
    return;
  }
  const { t } = contextOf(source, request);
  const kind = status === 503 ? 'unavailable' : status === 429 ? 'limited' : 'broken';
  const { phone } = catalog.group;
  if (status === 503) response.set('Retry-After', '10');
  sendMessage(source, request, response, status, undefined, {
    title: t(`${kind}.title`),
    heading: t(`${kind}.heading`),
    text: t(`${kind}.text`, { phone }),
  });
}

function pagesFrom(source: PageSource) {
  const { css } = source;
  const languageNames = [...source.languages.values()].map(({ language, name }) => ({ code: language, name }));

  return {
    css,
    context: (request: Request): PageContext => contextOf(source, request),
    byWords,

    hasWord: source.hasWord,

    /** Every language by its own name. */
    languageNames: () => languageNames,

    brandCss,

    whyWords: whyWords.bind(undefined, source),

    linkWords: linkWords.bind(undefined, source),

    send: sendPage.bind(undefined, source),
    render: renderPage.bind(undefined, source),

    message: sendMessage.bind(undefined, source),

    seeOther: seeOther.bind(undefined, source),

    missing: sendMissing.bind(undefined, source),

    fault: sendFault.bind(undefined, source),

    masked: (link: Link) => maskContact(link.point),
  };
}

/** Renders pages for people: brand look, language, and nothing from anywhere else. */
export async function createPages(parts: {
  readonly catalog: Catalog;
  readonly folders: PageFolders;
  readonly rightsPath?: string;
}) {
  const { catalog, folders, rightsPath } = parts;
  // A page with its styles stays within 25 kB: comments are left out.
  const text = readFileSync(path.join(folders.assets, 'hush.css'), 'utf8').replace(/\/\*[\s\S]*?\*\/\n?/g, '');
  const words = await readWordsOf(catalog, folders.locales);
  return pagesFrom({
    catalog,
    languages: readLanguages(words, catalog, folders.views),
    hasWord: (key) => words.exists(key),
    css: { path: `/assets/hush.${versionOf(text)}.css`, text },
    brandVersion: versionOf(JSON.stringify(catalog.brands)),
    rightsPath,
  });
}

export type Pages = Awaited<ReturnType<typeof createPages>>;
