import type { Request, Response } from 'express';
import { maskContact } from '../../core/contact-point.js';
import { ALL_MARKETING } from '../../core/scope.js';
import { isOver, type Link } from '../../preferences/links.js';
import { mailFreshLink } from './fresh-link.js';
import { ownData } from './own-data.js';
import { languageFrom } from './preference-changes.js';
import { savingOf } from './preference-saving.js';
import { resumeAll, undoChanges } from './preference-undo.js';
import {
  type FormBody,
  historyOf,
  LINK_SENT,
  type PreferencePageParts,
  sectionsFor,
  sessionOf,
  viewOf,
} from './preference-view.js';
import type { Result } from './results.js';

async function save(
  parts: PreferencePageParts,
  request: Request,
  link: Link,
  body: FormBody,
  session: string | undefined,
): Promise<Result> {
  const { pages, acts, clock } = parts;
  const view = await viewOf(parts, link);
  const rows = sectionsFor(parts, pages.context(request), link, view).flatMap((section) => section.rows);
  const linked = view.contact?.person !== undefined;
  const base = {
    subject: { point: link.point },
    source: { kind: 'link' as const, destination: link.tag },
    evidence: parts.evidenceOf(request),
    link: { brand: link.brand.id },
  };
  const { denying, others, refused, switchedOn, pausedUntil } = savingOf(body, rows, base, {
    proven: session !== undefined,
    linked,
    now: clock.now(),
    language: languageFrom(body, parts.catalog.languages),
    pauses: view.pauses,
  });
  // What denies counts, however often a link is used; the rest may wait a minute.
  const isAdmitted = others.length === 0 || (await parts.admitsAct(link.tag));
  const drafts = [...denying, ...(isAdmitted ? others : [])];
  const accepted = await acts.all(drafts);
  const lines: Result['lines'] = [];
  if (pausedUntil !== undefined) lines.push({ key: 'preferences.paused', date: pausedUntil });
  if (!isAdmitted) lines.push({ key: 'preferences.tooMany' });
  if (isAdmitted && switchedOn && linked)
    lines.push({ key: 'preferences.onOnlyHere', address: maskContact(link.point) });
  // A session was given, and its half hour is over: what denies was recorded all the same.
  if (typeof body.session === 'string' && session === undefined && refused.length > 0)
    lines.push({ key: 'preferences.over' });
  if (lines.length === 0) {
    const until = view.pauses.reduce((latest, pause) => Math.max(latest, pause.until ?? 0), 0);
    if (accepted.length === 0) lines.push({ key: 'preferences.nothing' });
    else if (until > 0 && drafts.some(({ type }) => type !== 'profile'))
      lines.push({ key: 'preferences.savedPaused', date: until });
    else lines.push({ key: 'preferences.saved' });
  }
  return {
    lines,
    receipts: accepted.map(({ id }) => id),
    refused: [...refused],
    undo: denying.length,
    good: accepted.length > 0 || refused.length === 0,
  };
}

/** All marketing. Where it was stopped before, the page says since when, with the receipt of that first no. */
async function stopAll(parts: PreferencePageParts, request: Request, link: Link): Promise<Result> {
  const { id, at } = await parts.acts.stopAll(link, parts.evidenceOf(request));
  // The no is recorded; whether it was the first is worth no failure.
  const first = await parts.earlierStop(link, ALL_MARKETING).catch(() => undefined);
  return first && first.at < at
    ? { lines: [{ key: 'preferences.stoppedBefore', date: first.at }], receipts: [first.id] }
    : { lines: [{ key: 'preferences.stoppedAll' }], receipts: [id], undo: 1, stopped: { channel: '*' } };
}

/** All that is stored about the contact, as a file for the person. Only with a session. */
async function download(parts: PreferencePageParts, request: Request, response: Response, link: Link): Promise<void> {
  const view = await viewOf(parts, link);
  const data = ownData({
    link,
    state: view.state,
    contact: view.contact,
    events: await historyOf(parts, view),
    language: parts.pages.context(request).language,
    now: parts.clock.now(),
  });
  response
    .status(200)
    .set('Content-Disposition', 'attachment; filename="my-preferences.json"')
    .set('Cache-Control', 'no-store')
    .type('application/json')
    .send(JSON.stringify(data, null, 2));
}

/** The person confirms what their browser says: from now on it counts against what they had agreed to. */
async function followSignal(parts: PreferencePageParts, request: Request, link: Link): Promise<Result> {
  const accepted = await parts.acts.all([
    {
      subject: { point: link.point },
      type: 'gpc_received',
      source: { kind: 'link', destination: link.tag },
      evidence: parts.evidenceOf(request),
    },
  ]);
  return { lines: [{ key: 'signal.followed' }], receipts: accepted.map(({ id }) => id) };
}

/** What they had agreed to counts. It opens nothing that is not open, so any link may say it. */
async function ignoreSignal(parts: PreferencePageParts, request: Request, link: Link): Promise<Result> {
  if (!(await parts.admitsAct(link.tag))) return { lines: [{ key: 'preferences.tooMany' }], good: false };
  const accepted = await parts.acts.all([
    {
      subject: { point: link.point },
      type: 'profile',
      signal: 'ignored',
      source: { kind: 'link', destination: link.tag },
      evidence: parts.evidenceOf(request),
    },
  ]);
  return { lines: [{ key: 'signal.kept' }], receipts: accepted.map(({ id }) => id) };
}

/** Why somebody stopped: counted once for a stop that this link shows, and thanked for on the page that asked. */
async function countReason(
  parts: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
  body: FormBody,
  session: string | undefined,
): Promise<void> {
  const { pages, results, catalog } = parts;
  const result = results.open(link.token, body.did);
  const reason = catalog.stopReasons.find(({ id }) => id === body.why);
  const [receipt] = result?.receipts ?? [];
  if (!result?.stopped || !reason || receipt === undefined)
    return pages.seeOther(request, response, `/p/${link.token}`, { session });
  const { channel } = result.stopped;
  await parts.stopReasons.count({ receipt, brand: link.brand.id, channel }, reason.id);
  const { sealed: _sealed, ...shown } = result;
  // The page of one press says all in its heading; that of the preferences has lines.
  pages.seeOther(request, response, `${result.lines.length === 0 ? '/u' : '/p'}/${link.token}`, {
    session,
    did: results.seal(link.token, { ...shown, stopped: { channel, answered: true } }),
  });
}

async function sendFresh(parts: PreferencePageParts, request: Request, link: Link): Promise<Result> {
  await mailFreshLink(parts, request, link.point, link.brand.id);
  return { lines: [{ key: LINK_SENT }] };
}

/** `POST /p/:token`. Each act answers 303 to the page that shows what came of it; the download is a file. */
export async function postPreferences(
  parts: PreferencePageParts,
  request: Request,
  response: Response,
  link: Link,
): Promise<void> {
  const { pages, links, tickets, results, clock } = parts;
  const { t } = pages.context(request);
  const body: FormBody = request.body ?? {};
  const session = sessionOf(parts, link, body.session);
  const showResult = (result: Result, lang?: string) =>
    pages.seeOther(request, response, `/p/${link.token}`, { session, lang, did: results.seal(link.token, result) });
  switch (body.act) {
    case 'stop-all':
      return showResult(await stopAll(parts, request, link));
    case 'fresh':
      return showResult(await sendFresh(parts, request, link));
    case 'undo':
    case 'resume': {
      if (link.kind === 'undo' && isOver(link, clock.now()))
        return pages.seeOther(request, response, `/p/${link.token}`);
      if (!(await parts.admitsAct(link.tag))) {
        pages.message(request, response, 429, link.brand, {
          title: t('undo.title'),
          heading: t('undo.title'),
          text: t('preferences.tooMany'),
        });
        return;
      }
      return showResult(
        await (body.act === 'undo'
          ? undoChanges(parts, request, link, body)
          : resumeAll(parts, request, link, session)),
      );
    }
    case 'open': {
      if (
        link.kind !== 'fresh' ||
        isOver(link, clock.now()) ||
        !(await tickets.useOnce(link.reference, link.expires ?? clock.now()))
      ) {
        // The page of the link says that it is used or over.
        return pages.seeOther(request, response, `/p/${link.token}`);
      }
      return pages.seeOther(request, response, `/p/${link.token}`, {
        session: links.session(link, link.expires ?? clock.now()),
      });
    }
    case 'why':
      return countReason(parts, request, response, link, body, session);
    case 'signal-follow':
      return showResult(await followSignal(parts, request, link));
    case 'signal-keep':
      return showResult(await ignoreSignal(parts, request, link));
    case 'download':
      if (!session) return showResult({ lines: [{ key: 'preferences.needsFresh' }], good: false });
      return download(parts, request, response, link);
    default:
      // An undo link names one event, and nothing else is done through it but what denies.
      if (link.kind === 'undo') return pages.missing(request, response);
      return showResult(await save(parts, request, link, body, session), languageFrom(body, parts.catalog.languages));
  }
}
