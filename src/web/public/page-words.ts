import type { Request } from 'express';
import { type Brand, say } from '../../core/catalog.js';
import type { Link } from '../../preferences/links.js';
import type { Words } from '../words.js';
import type { PageContext, PageLanguage, PageSource } from './page-source.js';
import type { OpenedResult } from './results.js';

/** `?lang=`, then `Accept-Language`, then English. */
export function languageOf(
  source: Pick<PageSource, 'catalog'>,
  request: Pick<Request, 'query' | 'acceptsLanguages'>,
): string {
  const { languages } = source.catalog;
  const { lang } = request.query;
  if (typeof lang === 'string' && languages.includes(lang)) return lang;
  const accepted = request.acceptsLanguages([...languages]);
  return accepted === false ? (languages[0] ?? 'en') : accepted;
}

export function contextOf(
  source: Pick<PageSource, 'languages' | 'catalog'>,
  request: Pick<Request, 'query' | 'acceptsLanguages'>,
): PageLanguage {
  const language = languageOf(source, request);
  const found = source.languages.get(language);
  if (!found) throw new Error(`the pages have no words in ${language}`);
  return found;
}

/** The same page in other languages. A query alone: a path such as `//evil.example/` would be a link to another host. */
export function languageLinks(
  { languages }: Pick<PageSource, 'languages'>,
  url: string,
  current: string,
): { code: string; name: string; href: string }[] {
  const [, search = ''] = url.split('?');
  return [...languages.values()]
    .filter(({ language }) => language !== current)
    .map(({ language, name }) => {
      const query = new URLSearchParams(search);
      query.set('lang', language);
      return { code: language, name, href: `?${query}` };
    });
}

/** How messages of a channel reach people: "by email", "on websites". */
export function byWords(t: Words, channel: string) {
  return t(`by.${channel === '*' ? 'any' : channel}`);
}

/** `:root{--brand…}` for one brand, light and dark. */
export function brandCss(brand: Brand): string {
  const { color, ink, darkColor, darkInk } = brand.look;
  return `:root{--brand:${color};--brand-ink:${ink}}@media(prefers-color-scheme:dark){:root{--brand:${darkColor};--brand-ink:${darkInk}}}`;
}

/** The question why somebody stopped, or the thanks once they have said; undefined where there is nothing to ask. */
export function whyWords(
  source: Pick<PageSource, 'catalog'>,
  { language }: Pick<PageContext, 'language'>,
  result: OpenedResult | undefined,
) {
  const { catalog } = source;
  if (!result?.stopped || catalog.stopReasons.length === 0) return undefined;
  const reasons = catalog.stopReasons.map(({ id, words }) => ({ id, label: say(words, language) }));
  return { answered: result.stopped.answered, did: result.sealed, reasons };
}

/** What a link is about, in words. */
export function linkWords(source: Pick<PageSource, 'catalog' | 'languages'>, request: Request, link: Link) {
  const { catalog } = source;
  const { language, t } = contextOf(source, request);
  const { purpose, channel } = link.scope;
  const words = purpose === '*' || purpose === 'marketing' ? undefined : catalog.purposes[purpose];
  const topicName = link.topic ? say(link.topic.name, language) : undefined;
  return {
    // A button for offers would stop more than it says.
    noun: words ? say(words.noun, language) : t('standing.marketing'),
    by: byWords(t, channel),
    brand: link.brand.name,
    /** True for a channel whose messages may be on their way for days. */
    byPost: channel === 'mail' || channel === '*',
    topicName,
    /** What stops, where the purpose is a use of data and nothing is sent. */
    use: words?.use && !topicName ? say(words.use, language).replace('{brand}', link.brand.name) : undefined,
  };
}
