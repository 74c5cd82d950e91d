import { CADENCES, type Cadence } from '../../core/event.js';
import type { Row } from './preference-sections.js';

/** The language to write in that was chosen on the page; undefined where the one that it showed stays. */
export function languageFrom(
  body: Readonly<Record<string, unknown>>,
  languages: readonly string[],
): string | undefined {
  return body.language === body['was.language'] ? undefined : languages.find((code) => code === body.language);
}

/** What was changed on the page: the switches that were turned, and how often each topic may come. */
export function changesFrom(
  body: Record<string, unknown>,
  rows: readonly Row[],
): { turned: Row[]; cadences: { row: Row; cadence: Cadence }[] } {
  const turned = rows.filter((row) => {
    const was = body[`was.${row.name}`];
    if (was !== '0' && was !== '1') return false;
    // Compared with what the page showed, not with what is now: an old page changes only what was touched on it.
    return (was === '1') !== (body[row.name] === '1');
  });
  const cadences = rows.flatMap((row) => {
    if (!row.cadence) return [];
    const chosen = body[row.cadence.name];
    if (chosen === undefined || chosen === body[`was.${row.cadence.name}`]) return [];
    const cadence = CADENCES.find((item) => item === chosen);
    return cadence ? [{ row, cadence }] : [];
  });
  return { turned, cadences };
}
