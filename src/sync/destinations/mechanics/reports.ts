import { z } from 'zod';
import type { EventType } from '../../../core/event.js';
import type { Scope } from '../../../core/scope.js';
import type { Binding, Received, Report } from '../../destination.js';

/** What an unsubscribe means that names no list of ours. */
export const EMAIL_MARKETING: Partial<Scope> = { channel: 'email', purpose: 'marketing' };

/** What one event of a provider comes to: reports, nothing (`ignored`), or a kind we do not know. */
export type Reading = readonly Report[] | 'ignored' | { readonly unknown: string };

/** The fields of evidence that are there, cut so that a report's evidence stays under 1 kB. */
export function evidence(
  fields: Readonly<Record<string, string | number | undefined>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value).slice(0, 150)]],
    ),
  );
}

interface Facts {
  readonly address: string;
  /** Milliseconds. */
  readonly at: number;
  readonly id: string;
  readonly evidence?: Readonly<Record<string, string>>;
}

function report(type: EventType, facts: Facts, more: Partial<Report> = {}): Report {
  return {
    address: { type: 'email', value: facts.address },
    type,
    at: facts.at,
    id: facts.id,
    ...(facts.evidence ? { evidence: facts.evidence } : {}),
    ...more,
  };
}

export const complained = (facts: Facts): Reading => [report('complained', facts, { scope: EMAIL_MARKETING })];
/** @param diagnostic what the recipient's server said; where it blames the sender, a hard bounce counts as soft. */
export const bounced = (facts: Facts, kind: 'hard' | 'soft', diagnostic?: string | null): Reading => [
  report('bounced', facts, {
    kind,
    ...(kind === 'hard' && diagnostic ? { diagnostic: diagnostic.slice(0, 2000) } : {}),
  }),
];
export const optedOut = (facts: Facts): Reading => [report('opted_out', facts, { scope: EMAIL_MARKETING })];

/**
 * An opt-out from, or return to, a list there: one report for each scope bound to it. A list that is not in the catalog
 * denies all email marketing, since we cannot know what it was for, but a return to it opens nothing.
 */
export function listed(type: 'opted_out' | 'opted_in', facts: Facts, bound: readonly Binding[]): Reading {
  if (bound.length === 0)
    return type === 'opted_out' ? optedOut(facts) : { unknown: 'opted_in to a list not in the catalog' };
  return bound.map((binding) =>
    report(type, { ...facts, id: `${facts.id}/${binding.name}` }, { scope: binding.scope }),
  );
}

/** Reads events one by one: one that is malformed does not lose its neighbours. */
export function collect<T>(
  events: readonly unknown[],
  schema: z.ZodType<T>,
  readEvent: (event: T) => Reading,
  more: Omit<Received, 'reports' | 'unknown'> = {},
): Received {
  const reports: Report[] = [];
  const unknown: string[] = [];
  for (const event of events) {
    const parsed = schema.safeParse(event);
    const reading = parsed.success ? readEvent(parsed.data) : { unknown: 'malformed' };
    if (reading === 'ignored') continue;
    if ('unknown' in reading) unknown.push(reading.unknown.slice(0, 60));
    else reports.push(...reading.filter((found) => found.address.value !== '' && Number.isFinite(found.at)));
  }
  return { reports, unknown, ...more };
}

/** A time as providers write it: seconds, milliseconds, or a text Date can read; in ms, NaN when it is none. */
export function timeOf(value: string | number): number {
  const number = typeof value === 'number' ? value : /^\d+(\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(number)) return Date.parse(String(value));
  return number < 1e11 ? Math.round(number * 1000) : Math.round(number);
}

/** A text or number that must be a time. */
export const timeField = z
  .union([z.string(), z.number()])
  .transform(timeOf)
  .refine((ms) => Number.isFinite(ms), 'not a time');
