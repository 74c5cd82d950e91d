import { type Request, type Response, Router } from 'express';
import { maskContact } from '../../core/contact-point.js';
import { presentAt } from '../../core/fold.js';
import { signalView } from '../../core/opt-out-signal.js';
import { GPC_PURPOSES } from '../../core/scope.js';
import { isOver, type Link } from '../../preferences/links.js';
import { postPreferences } from './preference-acts.js';
import {
  type ContactView,
  isOutdated,
  type PreferencePageParts,
  type ResultWords,
  resultWords,
  sendsSignal,
  sessionOf,
  showPreferences,
  showSpent,
  viewOf,
} from './preference-view.js';

const MINUTE = 60_000;

/**
 * Records an opt-out signal (Global Privacy Control). It is the one thing that a GET may record, because it only denies.
 * 11 CCR 7025. Returns the contact as it is after that; undefined when there was no signal and nothing was read.
 */
async function honourSignal(
  parts: PreferencePageParts,
  request: Request,
  link: Link,
): Promise<ContactView | undefined> {
  if (request.method !== 'GET' || !sendsSignal(request)) return undefined;
  const view = await viewOf(parts, link);
  if (!signalView(view.state, presentAt(view.state, parts.clock.now()), parts.policy).isRecorded) return view;
  await parts.acts.all([
    {
      subject: { point: link.point },
      type: 'gpc_received',
      source: { kind: 'link' },
      evidence: parts.evidenceOf(request),
    },
  ]);
  return viewOf(parts, link);
}

/** The question whether one change is to be taken back, or what came of it. */
function showUndo(
  parts: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
  said: ResultWords | undefined,
): void {
  const { pages } = parts;
  const { t, language } = pages.context(request);
  if (said) {
    const { lines, good, receipts } = said;
    const [heading = t('undo.title'), ...rest] = lines;
    pages.message(request, response, 200, link.brand, {
      title: t('undo.title'),
      heading,
      text: rest.join(' '),
      good,
      ...(receipts[0] === undefined ? {} : { receipt: receipts[0] }),
      ways: good && rest.length === 0 ? [] : [{ href: `/preferences?lang=${language}`, label: t('undo.choose') }],
    });
    return;
  }
  pages.send(request, response, 200, 'ask', link.brand, {
    title: t('undo.title'),
    heading: t('undo.heading'),
    text: t('undo.text'),
    masked: maskContact(link.point),
    quote: undefined,
    action: `/p/${link.token}?lang=${language}`,
    act: 'undo',
    button: t('undo.button'),
    otherwise: undefined,
  });
}

/** Asks to open a fresh link: a mail scanner that follows it must not use it up. */
function showOpening({ pages, clock }: PreferencePageParts, request: Request, response: Response, link: Link): void {
  const { t, language } = pages.context(request);
  pages.send(request, response, 200, 'ask', link.brand, {
    title: t('fresh.title'),
    heading: t('fresh.heading'),
    text: t('fresh.text', { count: Math.max(1, Math.round(((link.expires ?? 0) - clock.now()) / MINUTE)) }),
    masked: undefined,
    quote: undefined,
    action: `/p/${link.token}?lang=${language}`,
    act: 'open',
    button: t('fresh.button'),
    otherwise: undefined,
  });
}

/** The link of the request, also one that has expired, or undefined after the helpful 404 was sent. */
async function preferenceLinkOf(
  parts: Pick<PreferencePageParts, 'links' | 'pages' | 'refuse'>,
  request: Request,
  response: Response,
): Promise<Link | undefined> {
  const link = parts.links.open(String(request.params.token));
  if (link && (link.kind === 'mailed' || link.kind === 'fresh' || link.kind === 'undo')) return link;
  await parts.refuse(request);
  parts.pages.missing(request, response);
  return undefined;
}

/** `GET /p/:token`. The contact is read once, where the page needs it; a signal that is recorded has it read again. */
async function showPreferencePage(parts: PreferencePageParts, request: Request, response: Response): Promise<void> {
  const { pages, tickets, results, clock } = parts;
  const link = await preferenceLinkOf(parts, request, response);
  if (!link) return;
  const signalled = await honourSignal(parts, request, link);
  const readView = async () => signalled ?? viewOf(parts, link);
  const result = results.open(link.token, request.query.did);
  const session = sessionOf(parts, link, request.query.session);
  if (link.kind === 'mailed' || session)
    return showPreferences(parts, request, response, link, { view: await readView(), result, session });
  const said =
    result && resultWords(parts, pages.context(request), result, { outdated: await isOutdated(result, readView) });
  if (isOver(link, clock.now()) || (link.kind === 'fresh' && (await tickets.isUsed(link.reference))))
    return showSpent(parts, request, response, link, said);
  if (link.kind === 'undo') return showUndo(parts, request, response, link, said);
  // Something was stopped through it before it was opened.
  if (said) return showSpent(parts, request, response, link, said);
  showOpening(parts, request, response, link);
}

/** `/p/:token`: what may we send you. A mailed link may deny and take back its own acts; a fresh one may do everything. */
export function preferencePage(parts: PreferencePageParts): Router {
  const router = Router();

  router.get('/p/:token', (request, response) => showPreferencePage(parts, request, response));
  router.post('/p/:token', async (request, response) => {
    const link = await preferenceLinkOf(parts, request, response);
    if (link) await postPreferences(parts, request, response, link);
  });

  router.get('/.well-known/gpc.json', (_request, response) => {
    response.json({ gpc: true, lastUpdate: '2026-01-01', purposes: GPC_PURPOSES });
  });

  return router;
}
