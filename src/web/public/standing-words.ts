import type { DenialAtom } from '../../core/atoms.js';
import { longDate } from '../../core/calendar.js';
import { type Catalog, say, topicById } from '../../core/catalog.js';
import { scopeText } from '../../core/scope.js';
import type { PageContext } from './page-source.js';

/** As much of a denial as its sentence needs. */
type StandingDenial = Pick<DenialAtom, 'type' | 'scope' | 'at'> & { readonly until?: number | undefined };

/** Lines of what stands that one answer says; the page has all of it. */
const MAX_LINES = 5;

/** Denials that stand, each in a sentence with its date, the latest first. */
export function standingLines(
  { t, language }: PageContext,
  catalog: Catalog,
  denials: readonly StandingDenial[],
  byWords: (channel: string) => string,
): string[] {
  const dateWords = (at: number) => longDate(language, at);

  function line({ type, scope, at, until }: StandingDenial): string {
    if (type === 'paused') return t('standing.paused', { date: dateWords(until ?? at) });
    if (type === 'gpc_received') return t('standing.signal', { date: dateWords(at) });
    const topic = topicById(catalog, scope.topic);
    const what = topic
      ? t('quoted', { text: say(topic.name, language) })
      : scope.purpose === '*' || scope.purpose === 'marketing'
        ? t('standing.marketing')
        : say(catalog.purposes[scope.purpose].noun, language);
    return scope.channel === '*'
      ? t('standing.denied', { what, date: dateWords(at) })
      : t('standing.deniedBy', { what, by: byWords(scope.channel), date: dateWords(at) });
  }

  // A signal denies five uses at once, and a repeat of the same no is the same sentence.
  const latest = new Map(
    [...denials]
      .sort((a, b) => a.at - b.at)
      .map((denial) => [
        denial.type === 'gpc_received' ? 'signal' : `${denial.type} ${scopeText(denial.scope)}`,
        denial,
      ]),
  );
  return [...latest.values()].reverse().slice(0, MAX_LINES).map(line);
}
