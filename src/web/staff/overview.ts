import { DAY_MS, utcDay } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { Clock } from '../../core/clock.js';
import type { Approvals } from '../../staff/approvals.js';
import type { Calls } from '../../staff/calls.js';
import { SMALLEST, suppressSmallCounts } from '../../staff/small-counts.js';
import { quantilesOf } from '../../staff/time-to-suppress.js';
import type { DayStatistics, StaffStatistics } from '../../store/staff-statistics.js';
import type { DestinationReport, DestinationReports } from '../../sync/destination-report.js';
import { bars, type Chart, ranges, stackedBars } from './charts.js';
import { csvText } from './csv.js';
import { driftWords } from './destinations.js';
import { day, lasting } from './render.js';
import type { StaffShell, Visit } from './shell.js';

const PERIODS = [7, 14, 30, 90] as const;

/** What the overview shows of rights requests; given by the rights part. */
export interface RequestFigures {
  readonly chart: (groups: 'all' | 'hidden') => Promise<Chart>;
  readonly late: () => Promise<number>;
  readonly open: () => Promise<number>;
}

export interface OverviewParts {
  readonly statistics: StaffStatistics;
  readonly reports: DestinationReports;
  readonly calls: Calls;
  readonly approvals: Approvals;
  readonly requests: RequestFigures | undefined;
  readonly catalog: Catalog;
  readonly clock: Clock;
}

function optOutChart(visit: Visit, days: readonly DayStatistics[], period: number, today: number): Chart {
  const byDay = new Map(days.map((item) => [item.day, item]));
  const shown = Array.from({ length: period }, (_, at) => {
    const time = today - (period - 1 - at) * DAY_MS;
    return { time, ...suppressSmallCounts(byDay.get(utcDay(time))?.denials ?? {}) };
  });
  const sums = new Map<string, number>();
  for (const { groups } of shown) {
    for (const [name, count] of Object.entries(groups)) sums.set(name, (sums.get(name) ?? 0) + count);
  }
  const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const total = [...sums.values()].reduce((sum, count) => sum + count, 0);
  const [first] = names;
  return stackedBars({
    title: 'Opt-outs by day and source',
    summary:
      total === 0
        ? `Contacts that opted out in the last ${period} days.`
        : `${total.toLocaleString('en')} contacts opted out in ${period} days, most through ${visit.pages.word('source', first ?? 'other')}. Groups under ${SMALLEST} are hidden.`,
    empty: `Nothing to show yet: a day and source appears here once at least ${SMALLEST} contacts have opted out. Smaller groups could identify someone.`,
    head: ['Day'],
    groups: names.map((id) => ({ id, label: visit.pages.word('source', id) })),
    days: shown.map(({ time, groups, hidden }) => ({
      label: day(time),
      short: day(time).replace(/ \d{4}$/, ''),
      counts: groups,
      ...(hidden ? { note: '(and under 10)' } : {}),
    })),
  });
}

function timeChart(days: readonly DayStatistics[], period: number): Chart {
  const all = new Map<string, Record<string, number>>();
  for (const { told } of days) {
    for (const [name, buckets] of Object.entries(told)) {
      const sum = all.get(name) ?? {};
      for (const [bucket, count] of Object.entries(buckets)) sum[bucket] = (sum[bucket] ?? 0) + count;
      all.set(name, sum);
    }
  }
  const rows = [...all].flatMap(([name, buckets]) => {
    const found = quantilesOf(buckets);
    return found && found.count >= SMALLEST ? [{ name, ...found }] : [];
  });
  const slowest = rows.reduce((most, row) => Math.max(most, row.p99), 0);
  return ranges({
    title: 'Time to suppress',
    summary:
      rows.length === 0
        ? `From an opt-out to a destination’s acceptance, in the last ${period} days.`
        : `From an opt-out to its acceptance: 99 of 100 within ${lasting(slowest)} at every destination.`,
    empty: `Nothing to show yet: a destination appears here once it has accepted at least ${SMALLEST} contacts.`,
    rows,
    text: lasting,
  });
}

/** Answers to why people stopped, by reason; for each, the brands and channels with enough of them. */
function stopReasonChart(
  { catalog }: Pick<OverviewParts, 'catalog'>,
  days: readonly DayStatistics[],
  word: Visit['pages']['word'],
  period: number,
): Chart {
  const rows = catalog.stopReasons.flatMap(({ id, words }) => {
    const counts: Record<string, number> = {};
    for (const { reasons } of days)
      for (const [where, count] of Object.entries(reasons[id] ?? {})) counts[where] = (counts[where] ?? 0) + count;
    const { groups, total } = suppressSmallCounts(counts);
    const named = Object.entries(groups).map(([where, count]) => {
      const [brand = '', channel = '*'] = where.split(' ');
      const name =
        where === 'other' ? 'elsewhere' : `${brandById(catalog, brand)?.name ?? brand}, ${word('channel', channel)}`;
      return `${name} ${count.toLocaleString('en')}`;
    });
    return total === 0 ? [] : [{ name: words.en, total, where: named.join('; ') }];
  });
  const chart = bars({
    title: 'Why people stopped',
    summary: `What people answered after a stop in the last ${period} days. Nobody has to. Groups under ${SMALLEST} are hidden.`,
    empty: `Nothing to show yet: an answer appears here once at least ${SMALLEST} people have given it for one brand and channel.`,
    head: ['Answer', 'People'],
    rows: rows.map(({ name, total }) => ({ name, value: total, text: total.toLocaleString('en') })),
  });
  const lines = rows.map(({ name, total, where }) => [name, total.toLocaleString('en'), where]);
  return { ...chart, table: { head: ['Answer', 'People', 'By brand and channel'], rows: lines } };
}

function pendingChart(reports: readonly DestinationReport[], word: Visit['pages']['word']): Chart {
  const waiting = reports.filter(({ pending }) => pending > 0).length;
  return bars({
    title: 'Waiting to be synced',
    summary:
      waiting === 0
        ? 'Every destination is synced.'
        : `${waiting} of ${reports.length} destinations have changes waiting.`,
    empty: 'Nothing is waiting. When a destination is down, paused or slow, the changes waiting for it appear here.',
    head: ['Destination', 'Pending, oldest, drift'],
    rows: reports.map((report) => ({
      name: report.name,
      value: report.pending,
      text: `${report.pending.toLocaleString('en')}${report.pending > 0 ? `, ${lasting(report.oldest)}` : ''}${report.reconciliation.last ? `, drift ${driftWords(report, word)}` : ''}`,
    })),
  });
}

async function showOverview(parts: OverviewParts, visit: Visit) {
  const { clock, statistics, catalog } = parts;
  const now = clock.now();
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const period = PERIODS.find((item) => String(item) === visit.query('days')) ?? 14;
  const [days, reports, open] = await Promise.all([
    statistics.since(utcDay(today - (period - 1) * DAY_MS)),
    parts.reports.all(),
    visit.may('requests.read') ? parts.requests?.chart(visit.query('csv') === '' ? 'all' : 'hidden') : undefined,
  ]);
  const charts = [
    optOutChart(visit, days, period, today),
    timeChart(days, period),
    pendingChart(reports, visit.pages.word.bind(visit.pages)),
    ...(catalog.stopReasons.length > 0
      ? [stopReasonChart(parts, days, visit.pages.word.bind(visit.pages), period)]
      : []),
    ...(open ? [open] : []),
  ];
  const wanted = charts.find(({ title }) => title === visit.query('csv'));
  if (wanted) {
    await visit.record({ kind: 'export', what: 'list', about: wanted.title });
    visit.response
      .type('text/csv; charset=utf-8')
      .set('Content-Disposition', `attachment; filename="${wanted.title.toLowerCase().replaceAll(' ', '-')}.csv"`)
      .send(csvText(wanted.table.head, wanted.table.rows));
    return;
  }
  const tomorrow = new Date(today + DAY_MS);
  const from = new Date(today);
  const callsToday = `/staff/calls?from=${utcDay(today)}&to=${utcDay(today)}`;
  const figures = [
    ...(visit.may('calls.review')
      ? [{ label: 'calls today', value: await parts.calls.count({ from, to: tomorrow }), href: callsToday }]
      : visit.may('calls.read')
        ? [
            {
              label: 'your calls today',
              value: await parts.calls.count({ from, to: tomorrow, user: visit.user.id }),
              href: callsToday,
            },
          ]
        : []),
    ...(visit.may('lifts.decide')
      ? [{ label: 'waiting for approval', value: await parts.approvals.countWaiting(), href: '/staff/approvals' }]
      : []),
    ...(visit.may('requests.read') && parts.requests
      ? [
          { label: 'requests are late', value: await parts.requests.late(), href: '/staff/requests?state=late' },
          { label: 'requests are open', value: await parts.requests.open(), href: '/staff/requests' },
        ]
      : []),
    ...(visit.may('destinations.read')
      ? [
          {
            label: 'destinations in trouble',
            value: reports.filter(({ state }) => state === 'failing' || state === 'credentials_refused').length,
            href: '/staff/destinations',
          },
          {
            label: 'waiting to be synced',
            value: reports.reduce((sum, { pending }) => sum + pending, 0),
            href: '/staff/destinations',
          },
        ]
      : []),
  ];
  await visit.page('overview', { title: 'Overview', figures, charts, period, periods: PERIODS });
}

/** The first page: what needs somebody now, and how it has been going. Reads counters, never contacts. */
export function overviewPage(parts: OverviewParts) {
  return (shell: StaffShell): void => {
    shell.navigate({ group: 'Overview', href: '/staff', label: 'Overview', permission: 'console.open' });

    shell.get('/staff', 'console.open', (visit) => showOverview(parts, visit));
  };
}
