import { type Request, type Response, Router } from 'express';
import { maskContact } from '../../core/contact-point.js';
import { presentAt } from '../../core/fold.js';
import { signalView } from '../../core/opt-out-signal.js';
import { GPC_PURPOSES } from '../../core/scope.js';
import { isOver, type Link } from '../../preferences/links.js';
import { postPreferences } from './preference-acts.js';
import {
  type PreferencePageParts,
  type Said,
  saidOf,
  sendsSignal,
  sessionOf,
  showPreferences,
  showSpent,
  viewOf,
} from './preference-view.js';

const MINUTE = 60_000;

/** Global Privacy Control: the one signal that a GET may record, because it only denies. 11 CCR 7025 */
async function honourSignal(parts: PreferencePageParts, request: Request, link: Link): Promise<void> {
  if (request.method !== 'GET' || !sendsSignal(request)) return;
  const { state } = await viewOf(parts, link);
  if (!signalView(state, presentAt(state, parts.clock.now()), parts.policy).isRecorded) return;
  await parts.acts.all([
    {
      subject: { point: link.point },
      type: 'gpc_received',
      source: { kind: 'link' },
      evidence: parts.evidenceOf(request),
    },
  ]);
}

/** The question whether one change is to be taken back, or what came of it. */
function showUndo(
  parts: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
  said: Said | undefined,
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

/** `/p/:token`: what may we send you. A mailed link may deny and take back its own acts; a fresh one may do everything. */
export function preferencePage(parts: PreferencePageParts): Router {
  const { pages, links, tickets, results, clock } = parts;
  const router = Router();

  /** The link of the request, also one whose time is over, or undefined after the helpful 404 was sent. */
  async function linkOf(request: Request, response: Response): Promise<Link | undefined> {
    const link = links.open(String(request.params.token));
    if (link && (link.kind === 'mailed' || link.kind === 'fresh' || link.kind === 'undo')) return link;
    await parts.refuse(request);
    pages.missing(request, response);
    return undefined;
  }

  router.get('/p/:token', async (request, response) => {
    const link = await linkOf(request, response);
    if (!link) return;
    await honourSignal(parts, request, link);
    const page = pages.context(request);
    const { language, t } = page;
    const result = results.open(link.token, request.query.did);
    const session = sessionOf(parts, link, request.query.session);
    if (link.kind === 'mailed' || session) return showPreferences(parts, request, response, link, { result, session });
    const said = result && saidOf(parts, page, result, (await viewOf(parts, link)).state);
    if (isOver(link, clock.now()) || (link.kind === 'fresh' && (await tickets.isUsed(link.reference))))
      return showSpent(parts, request, response, link, said);
    if (link.kind === 'undo') return showUndo(parts, request, response, link, said);
    // Something was stopped through it before it was opened.
    if (said) return showSpent(parts, request, response, link, said);
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
  });

  router.post('/p/:token', async (request, response) => {
    const link = await linkOf(request, response);
    if (link) await postPreferences(parts, request, response, link);
  });

  router.get('/.well-known/gpc.json', (_request, response) => {
    response.json({ gpc: true, lastUpdate: '2026-01-01', purposes: GPC_PURPOSES });
  });

  return router;
}
