import type { Request, Response } from 'express';
import { longDate } from '../../core/calendar.js';
import { maskContact } from '../../core/contact-point.js';
import { isOver, type Link } from '../../preferences/links.js';
import type { PublicParts } from './public-parts.js';

/** The sign-up that a link is about, also one whose time is over, or undefined after the helpful 404 was sent. */
async function signUpLinkOf(
  parts: Pick<PublicParts, 'links' | 'refuse' | 'pages'>,
  request: Request,
  response: Response,
): Promise<Link | undefined> {
  const { links, pages } = parts;
  const link = links.open(String(request.params.token));
  if (link?.kind === 'confirm') return link;
  await parts.refuse(request);
  pages.missing(request, response);
  return undefined;
}

/** A sign-up that the person stopped since, with a new start in one press. */
function showStoppedSignUp(
  parts: Pick<PublicParts, 'pages'>,
  request: Request,
  response: Response,
  link: Link,
  at: number,
): void {
  const { pages } = parts;
  const { t, language } = pages.context(request);
  pages.send(request, response, 409, 'ask', link.brand, {
    title: t('confirm.title'),
    heading: t('confirm.since', { date: longDate(language, at) }),
    text: t('confirm.sinceText'),
    masked: pages.masked(link),
    quote: undefined,
    action: `/confirm/${link.token}?lang=${language}`,
    act: 'again',
    button: t('confirm.again'),
    otherwise: t('confirm.otherwise'),
  });
}

function showExpiredSignUp(parts: Pick<PublicParts, 'pages'>, request: Request, response: Response, link: Link): void {
  const { pages } = parts;
  const { t, language } = pages.context(request);
  pages.message(request, response, 410, link.brand, {
    title: t('confirm.title'),
    heading: t('confirm.over'),
    text: t('confirm.overText'),
    ways: [{ href: `/preferences?lang=${language}`, label: t('missing.form') }],
  });
}

export async function showSignUp(parts: PublicParts, request: Request, response: Response) {
  const { pages, results, consents, clock } = parts;
  const link = await signUpLinkOf(parts, request, response);
  if (!link) return;
  const { t, language } = pages.context(request);
  const { noun, topicName, by, brand } = pages.linkWords(request, link);
  const words = { noun: topicName ? t('quoted', { text: topicName }) : noun, brand, by };
  const result = results.open(link.token, request.query.did);
  const signUp = await consents.look(link);
  // Confirmed, and stopped since in another window for example.
  const isOvertaken = result?.receipts[0] !== undefined && signUp?.deniedAt !== undefined;
  if (result && !isOvertaken) {
    const [line] = result.lines;
    return pages.message(request, response, 200, link.brand, {
      title: t('confirm.title'),
      heading: t(line?.key ?? 'confirm.title', words),
      text: '',
      good: true,
      ...(result.receipts[0] === undefined ? {} : { receipt: result.receipts[0] }),
    });
  }
  if (!signUp || isOver(link, clock.now())) return showExpiredSignUp(parts, request, response, link);
  if (signUp.deniedAt !== undefined) return showStoppedSignUp(parts, request, response, link, signUp.deniedAt);
  pages.send(request, response, 200, 'ask', link.brand, {
    title: t('confirm.title'),
    heading: t('confirm.heading', words),
    text: t('unsubscribe.who'),
    masked: maskContact(link.point),
    agreed: signUp.wording === undefined ? undefined : t('confirm.text'),
    quote: signUp.wording,
    action: `/confirm/${link.token}?lang=${language}`,
    act: 'confirm',
    button: t('confirm.button', words),
    otherwise: t('confirm.otherwise'),
  });
}

export async function receiveSignUp(parts: PublicParts, request: Request, response: Response) {
  const { pages, results, consents, clock } = parts;
  const link = await signUpLinkOf(parts, request, response);
  if (!link) return;
  const { act } = (request.body ?? {}) as Record<string, unknown>;
  const showResult = (key: string, receipts: string[] = []) =>
    pages.seeOther(request, response, `/confirm/${link.token}`, {
      did: results.seal(link.token, { lines: [{ key }], receipts }),
    });
  if (act === 'again') {
    await parts.countForm(request);
    const isBegun = await consents.beginAgain(link, parts.askerOf(request), pages.context(request).language);
    // Of one that is over nobody knows any more what was agreed to; its page says so.
    return isBegun ? showResult('confirm.sentAgain') : pages.seeOther(request, response, `/confirm/${link.token}`);
  }
  const confirmed = isOver(link, clock.now()) ? undefined : await consents.confirm(link, parts.evidenceOf(request));
  // Its page says why not.
  if (!confirmed || confirmed === 'denied_since') return pages.seeOther(request, response, `/confirm/${link.token}`);
  return showResult('confirm.done', [confirmed.id]);
}
