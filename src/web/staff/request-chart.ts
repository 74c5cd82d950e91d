import type { AgeGroup, Report } from '../../rights/report.js';
import { SMALLEST, withoutSmallGroups } from '../../staff/small-groups.js';
import { type Chart, stackedBars } from './charts.js';

/** Open requests by age, stacked by when they are due. Groups under ten are hidden, as everywhere. */
export function requestChart(ages: readonly AgeGroup[], dues: Report['dues']): Chart {
  const shown = ages.map(({ label, dues: counts }) => ({ label, ...withoutSmallGroups(counts) }));
  const total = shown.reduce((sum, group) => sum + group.total, 0);
  const late = shown.reduce((sum, { groups }) => sum + (groups.late ?? 0), 0);
  const others = shown.some(({ groups }) => groups.other !== undefined) ? [{ id: 'other', label: 'put together' }] : [];
  return stackedBars({
    title: 'Open requests by age',
    summary:
      total === 0
        ? 'Rights requests that are not answered, by days since they came and by when they are due.'
        : `${total.toLocaleString('en')} open requests are drawn${late > 0 ? `, ${late.toLocaleString('en')} of them late` : ''}. Groups under ${SMALLEST} are hidden here, late ones too; the work list has every one.`,
    empty: `Nothing to show: a group appears here once it has at least ${SMALLEST} open requests. Every single one is in the work list.`,
    head: ['Age'],
    groups: [...dues.map(({ id, label }) => ({ id, label })), ...others],
    days: shown.map(({ label, groups, hidden }) => ({
      label,
      short: label,
      counts: groups,
      ...(hidden ? { note: '(and under 10)' } : {}),
    })),
  });
}
