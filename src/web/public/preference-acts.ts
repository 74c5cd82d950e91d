import type { Request, Response } from 'express';
import type { DenialAtom } from '../../core/atoms.js';
import { maskContact } from '../../core/contact-point.js';
import { presentAt, unfolded } from '../../core/fold.js';
import { ALL_MARKETING } from '../../core/scope.js';
import { standingDenials } from '../../core/standing.js';
import type { Draft } from '../../preferences/accept.js';
import { FRESH_FOR, isOver, LINK_QUOTA, type Link } from '../../preferences/links.js';
import type { StoredEvent } from '../../store/contacts.js';
import { ownData } from './own-data.js';
import { languageFrom } from './preference-changes.js';
import { savingOf } from './preference-saving.js';
import {
  type ContactView,
  LINK_SENT,
  PAUSE_NAME,
  type PreferencePageParts,
  pausesAll,
  sectionsFor,
  sessionOf,
  viewOf,
} from './preference-view.js';
import type { Result } from './results.js';

/** More events than one form has switches. */
const MAX_UNDONE = 400;

type Body = Readonly<Record<string, unknown>>;

async function historyOf({ ledger }: PreferencePageParts, { contact }: ContactView): Promise<StoredEvent[]> {
  if (!contact) return [];
  return [...(await ledger.ofContact(contact.key)).map(({ event }) => event), ...contact.pending];
}

async function save(
  parts: PreferencePageParts,
  request: Request,
  link: Link,
  body: Body,
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

/** What came of an undo: what stands besides is said, so that nobody takes it for gone. */
function undone(accepted: readonly { readonly id: string }[], standing: readonly DenialAtom[]): Result {
  const done = accepted.length > 0;
  const key =
    standing.length === 0 ? (done ? 'preferences.undone' : 'undo.nothing') : done ? 'undo.besides' : 'undo.kept';
  return {
    lines: [{ key }],
    receipts: accepted.map(({ id }) => id),
    standing: standing.slice(0, 20).map(({ type, scope, at, until }) => ({
      type,
      scope,
      at,
      ...(until === undefined ? {} : { until }),
    })),
    good: done,
  };
}

async function undo(parts: PreferencePageParts, request: Request, link: Link, body: Body): Promise<Result> {
  const { acts } = parts;
  const wanted =
    link.kind === 'undo'
      ? [link.reference]
      : String(body.undo ?? '')
          .split(' ')
          .slice(0, MAX_UNDONE);
  const events = wanted.flatMap((text) => acts.eventOf(text) ?? []);
  const through = link.kind === 'undo' ? undefined : link.tag;
  const { accepted, standing } = await acts.undo(link, events, through, parts.evidenceOf(request));
  return undone(accepted, standing);
}

/**
 * Ends the pauses of all marketing: a fresh link those of its own address, a mailed one what it began itself. The ledger is
 * asked, because of several pauses of one link the state has the last one alone.
 */
async function resume(
  parts: PreferencePageParts,
  request: Request,
  link: Link,
  session: string | undefined,
): Promise<Result> {
  const { acts, clock } = parts;
  const evidence = parts.evidenceOf(request);
  const view = await viewOf(parts, link);
  if (view.pauses.length === 0) return { lines: [{ key: 'preferences.resumed' }] };
  const all = standingDenials(unfolded(await historyOf(parts, view)), presentAt(view.state, clock.now())).filter(
    (denial) => pausesAll(denial, link.brand.id),
  );
  const pauses = [...all, ...view.pauses];
  const accepted = session
    ? await acts.all(
        view.pauses.map(
          ({ scope }): Draft => ({
            subject: { point: link.point },
            type: 'opted_in',
            scope,
            lifts: 'any',
            liftsAt: [...new Set(pauses.map(({ at }) => at))],
            source: { kind: 'link', destination: link.tag },
            evidence,
          }),
        ),
      )
    : (
        await acts.undo(
          link,
          pauses.flatMap(({ id }) => acts.eventOf(id) ?? []),
          link.tag,
          evidence,
        )
      ).accepted;
  const receipts = accepted.map(({ id }) => id);
  const left = (await viewOf(parts, link)).pauses.reduce((latest, { until = 0 }) => Math.max(latest, until), 0);
  return left > 0
    ? { lines: [{ key: 'preferences.notResumed', date: left }], receipts, refused: [PAUSE_NAME], good: false }
    : { lines: [{ key: 'preferences.resumed' }], receipts };
}

/** All that is held about the contact, for itself. Only with a session. */
async function download(parts: PreferencePageParts, request: Request, response: Response, link: Link): Promise<void> {
  const view = await viewOf(parts, link);
  const held = ownData({
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
    .send(JSON.stringify(held, null, 2));
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
  body: Body,
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
  const result = { lines: [{ key: LINK_SENT }] };
  if (link.point.type !== 'email') return result;
  const { links, clock } = parts;
  const { language } = parts.pages.context(request);
  const token = links.fresh(link.point, link.brand.id, clock.now());
  await parts.post({
    id: `your-link:${token.slice(-24)}`,
    template: 'your-link',
    language,
    brand: link.brand.id,
    to: link.point.given,
    values: (lang) => ({ link: `${parts.publicUrl()}/p/${token}?lang=${lang}` }),
    quota: { asker: parts.askerOf(request), ...LINK_QUOTA },
    until: clock.now() + FRESH_FOR,
  });
  return result;
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
  const body: Body = request.body ?? {};
  const session = sessionOf(parts, link, body.session);
  const answer = (result: Result, lang?: string) =>
    pages.seeOther(request, response, `/p/${link.token}`, { session, lang, did: results.seal(link.token, result) });
  switch (body.act) {
    case 'stop-all':
      return answer(await stopAll(parts, request, link));
    case 'fresh':
      return answer(await sendFresh(parts, request, link));
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
      return answer(
        await (body.act === 'undo' ? undo(parts, request, link, body) : resume(parts, request, link, session)),
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
      return answer(await followSignal(parts, request, link));
    case 'signal-keep':
      return answer(await ignoreSignal(parts, request, link));
    case 'download':
      if (!session) return answer({ lines: [{ key: 'preferences.needsFresh' }], good: false });
      return download(parts, request, response, link);
    default:
      // An undo link names one event, and nothing else is done through it but what denies.
      if (link.kind === 'undo') return pages.missing(request, response);
      return answer(await save(parts, request, link, body, session), languageFrom(body, parts.catalog.languages));
  }
}
