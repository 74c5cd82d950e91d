import type { Request } from 'express';
import type { DenialAtom } from '../../core/atoms.js';
import { presentAt, unfolded } from '../../core/fold.js';
import { standingDenials } from '../../core/standing.js';
import type { Draft } from '../../preferences/draft.js';
import type { Link } from '../../preferences/links.js';
import {
  type FormBody,
  historyOf,
  PAUSE_NAME,
  type PreferencePageParts,
  pausesAll,
  viewOf,
} from './preference-view.js';
import type { Result } from './results.js';

/** Events that one undo may name: more than a form has switches. */
const MAX_UNDONE = 400;

/** What came of an undo: what stands besides is said, so that nobody takes it for gone. */
function undoResult(accepted: readonly { readonly id: string }[], standing: readonly DenialAtom[]): Result {
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

/** Takes back the events that the form names, or the one that an undo link is for. */
export async function undoChanges(
  parts: PreferencePageParts,
  request: Request,
  link: Link,
  body: FormBody,
): Promise<Result> {
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
  return undoResult(accepted, standing);
}

/**
 * Ends the pauses of all marketing: a fresh link those of its own address, a mailed one what it began itself. The ledger is
 * asked, because of several pauses of one link the state has the last one alone.
 */
export async function resumeAll(
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
