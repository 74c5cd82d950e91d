import type { AgeGroup, Report } from '../../rights/requests/report.js';
import { SMALLEST, suppressSmallCounts } from '../../staff/small-counts.js';
import { type Chart, stackedBars } from './charts.js';

/**
 * Open requests by age, stacked by when they are due. `all` for whoever has the work list beside it: its counts agree with the
 * list's. `hidden` for what leaves the console: groups under ten could name somebody there.
 */
export function requestChart(ages: readonly AgeGroup[], dues: Report['dues'], groups: 'all' | 'hidden'): Chart {
  const shown = ages.map(({ label, dues: counts }) => ({
    label,
    ...(groups === 'hidden' ? suppressSmallCounts(counts) : { groups: counts, total: sumOf(counts), hidden: false }),
  }));
  const total = shown.reduce((sum, group) => sum + group.total, 0);
  const late = shown.reduce((sum, { groups: counts }) => sum + (counts.late ?? 0), 0);
  const others = shown.some(({ groups: counts }) => counts.other !== undefined)
    ? [{ id: 'other', label: 'other (small groups)' }]
    : [];
  return stackedBars({
    title: 'Open requests by age',
    summary:
      total === 0
        ? 'Rights requests that are not answered, by days since they arrived and by when they are due.'
        : `${total.toLocaleString('en')} open requests${late > 0 ? `, ${late.toLocaleString('en')} of them late` : ''}. In the CSV file groups under ${SMALLEST} are hidden.`,
    empty: 'No request is open.',
    head: ['Age'],
    groups: [...dues.map(({ id, label }) => ({ id, label })), ...others],
    days: shown.map(({ label, groups: counts, hidden }) => ({
      label,
      short: label,
      counts,
      ...(hidden ? { note: '(and under 10)' } : {}),
    })),
  });
}

const sumOf = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);
