import type { DenialAtom } from '../../core/atoms.js';
import { DAY_MS } from '../../core/calendar.js';
import { ALL_MARKETING, covers } from '../../core/scope.js';
import type { Draft } from '../../preferences/draft.js';
import { changesFrom } from './preference-changes.js';
import { type Row, switchGrant } from './preference-sections.js';

const PAUSES: readonly number[] = [30, 60, 90];

/** What the form of the preference page asks for. */
export interface Saving {
  /** For every contact of the person where they are linked. */
  readonly denying: readonly Draft[];
  /** For the link's own address only. */
  readonly others: readonly Draft[];
  /** Names of what this link cannot switch on. */
  readonly refused: readonly string[];
  readonly switchedOn: boolean;
  /** ms; the end of a pause that begins. */
  readonly pausedUntil?: number;
}

/**
 * The changes of a form as events. What denies reaches the whole person; what is switched on counts for the address that
 * the link was sent to and for no other, because a join proves no identity.
 *
 * @param proven a fresh link was opened
 */
export function savingOf(
  body: Readonly<Record<string, unknown>>,
  rows: readonly Row[],
  base: Omit<Draft, 'type'>,
  options: {
    readonly proven: boolean;
    readonly linked: boolean;
    readonly now: number;
    /** The language that is written in from now on; undefined where it was not changed. */
    readonly language: string | undefined;
    /** Pauses of everything that stand. */
    readonly pauses: readonly DenialAtom[];
  },
): Saving {
  const { turned, cadences } = changesFrom(body, rows);
  const toAll = options.linked ? { reach: 'person' as const } : {};
  const wanted = turned.filter((row) => body[row.name] === '1');
  const grant = switchGrant(options.proven);
  const opening = wanted.filter((row) => row.opensBy(grant));
  const denying = turned
    .filter((row) => !wanted.includes(row))
    .map((row): Draft => ({ ...base, ...toAll, type: 'opted_out', scope: row.scope }));
  const others = [
    ...opening.map(
      (row): Draft => ({
        ...base,
        ...grant,
        scope: row.scope,
        notice: { id: 'preference-page', version: '1' },
        evidence: { ...base.evidence, wording: row.label.slice(0, 200) },
      }),
    ),
    // All offers are switched on, with the topics but for those that the person said no to and leaves off.
    ...opening
      .filter(({ scope }) => scope.topic === '*')
      .flatMap((all) =>
        rows.filter((row) => row.hasOwnDenial && row !== all && covers(all.scope, row.scope) && body[row.name] !== '1'),
      )
      .map((row): Draft => ({ ...base, type: 'opted_out', scope: row.scope })),
    // A consent lifts a pause too. What is chosen under one counts from its end on, so it goes on.
    ...(opening.length > 0 && options.proven ? options.pauses : []).map(
      ({ scope, until }): Draft => ({ ...base, type: 'paused', scope, ...(until === undefined ? {} : { until }) }),
    ),
    ...cadences.map(({ row, cadence }): Draft => ({ ...base, type: 'cadence_set', scope: row.scope, cadence })),
    ...(options.language === undefined ? [] : [{ ...base, type: 'profile' as const, language: options.language }]),
  ];
  const result = {
    others,
    refused: wanted.filter((row) => !opening.includes(row)).map(({ name }) => name),
    switchedOn: opening.length > 0,
  };
  const days = Number(body.pause);
  if (!PAUSES.includes(days)) return { ...result, denying };
  const pausedUntil = options.now + days * DAY_MS;
  const pause: Draft = { ...base, ...toAll, type: 'paused', scope: ALL_MARKETING, until: pausedUntil };
  return { ...result, denying: [...denying, pause], pausedUntil };
}
