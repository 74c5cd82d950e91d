import { HushError } from '../../core/errors.js';
import { DRIFT } from '../../sync/compare.js';
import type { DestinationReport, DestinationReports } from '../../sync/destination-report.js';
import type { ReconciliationProgress } from '../../sync/reconciliation-progress.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import { lasting, when } from './render.js';
import type { StaffShell, Visit } from './shell.js';

const TONES: Readonly<Record<DestinationReport['state'], string>> = {
  in_step: 'yes',
  working: 'soft',
  waiting: 'warn',
  paused: 'warn',
  credentials_refused: 'no',
  failing: 'no',
};

const percent = (share: number): string => `${Math.floor(share * 100)} %`;
const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

type Word = Visit['pages']['word'];

/** "3 missing there, 1 unknown here: repaired", or that it was not compared yet. */
export function driftWords({ reconciliation: { last } }: DestinationReport, word: Word): string {
  if (!last) return 'not compared yet';
  const found = DRIFT.filter((kind) => (last.found[kind] ?? 0) > 0);
  return found.length === 0
    ? 'none'
    : `${found.map((kind) => `${(last.found[kind] ?? 0).toLocaleString('en')} ${word('finding', kind)}`).join(', ')}: repaired`;
}

function backfillWords({ backfill }: DestinationReport): string {
  if (!backfill) return '';
  const { done, total } = backfill;
  return done >= total ? 'done' : `${done.toLocaleString('en')} of ${total.toLocaleString('en')}`;
}

/** The progress or result of a comparison, in a sentence. */
function comparisonWords(progress: ReconciliationProgress, paused: boolean, word: Word): string {
  const kind = progress.dryRun ? 'Dry run' : 'Comparison';
  switch (progress.state) {
    case 'never':
      return progress.nextAt === undefined ? 'Never compared.' : `Not compared yet; due ${when(progress.nextAt)}.`;
    case 'asked_for':
      return `${kind} asked for; it begins within seconds.`;
    case 'running': {
      const read = plural(progress.read ?? 0, 'entry', 'entries');
      const where =
        progress.phase === 'reading' ? `${read} read there` : `${plural(progress.compared ?? 0, 'contact')} compared`;
      const waits = paused ? 'the destination is paused' : progress.why;
      const why = waits === undefined ? '' : ` Waiting: ${waits}.`;
      return `${kind} under way: ${where}.${why}`;
    }
    case 'finished': {
      const found = Object.entries(progress.found ?? {}).filter(([, count]) => count > 0);
      const list = found.map(([name, count]) => `${count.toLocaleString('en')} ${word('finding', name)}`).join(', ');
      const at = progress.finishedAt === undefined ? '' : ` of ${when(progress.finishedAt)}`;
      const nothing = progress.dryRun ? ' Nothing was changed.' : '';
      return `${kind}${at}: ${list === '' ? 'nothing to compare' : list}.${nothing}`;
    }
  }
}

interface DestinationPageParts {
  readonly reports: DestinationReports;
}

function destinationList(visit: Visit, all: readonly DestinationReport[]): List<DestinationReport> {
  const state = visit.query('state');
  const word = visit.pages.word.bind(visit.pages);
  return {
    name: 'destinations',
    title: 'Destinations',
    noun: ['destination', 'destinations'],
    filters: [
      {
        name: 'state',
        label: 'State',
        options: Object.keys(TONES).map((value) => ({ value, label: visit.pages.word('state', value) })),
      },
      { name: 'q', label: 'Name' },
    ],
    columns: [
      { label: 'Name', text: ({ name }) => name, sort: 'name' },
      {
        label: 'State',
        text: ({ state }) => visit.pages.word('state', state),
        tone: ({ state }) => TONES[state],
        sort: 'state',
      },
      { label: 'Pending', text: ({ pending }) => pending.toLocaleString('en'), num: true, sort: 'pending' },
      {
        label: 'Oldest pending',
        text: ({ oldest, pending }) => (pending === 0 ? '' : lasting(oldest)),
        num: true,
        sort: 'oldest',
      },
      { label: 'Backfill', text: backfillWords, num: true },
      { label: 'Drift', text: (report) => driftWords(report, word) },
      {
        label: 'Last sync',
        text: ({ lastToldAt }) => (lastToldAt === undefined ? 'never' : when(lastToldAt)),
        sort: 'sync',
      },
      {
        label: 'Last error',
        text: ({ lastError }) => (lastError ? `${lastError.message} (${when(lastError.at)})` : ''),
      },
      { label: 'Lists', text: ({ bindings }) => bindings.map(({ name }) => name).join(', ') },
    ],
    empty: {
      title: 'No destination',
      text: 'Destinations are in config/catalog.yaml: an outside system, an adapter, and its lists. A new one is filled automatically.',
    },
    order: { by: 'name', descending: false },
    rows: rowsOf(
      state === '' ? all : all.filter((report) => report.state === state),
      visit.query('q'),
      ({ name, adapter }) => `${name} ${adapter}`,
      {
        name: ({ name }) => name,
        state: ({ state }) => state,
        pending: ({ pending }) => pending,
        oldest: ({ pending, oldest }) => (pending === 0 ? 0 : oldest),
        sync: ({ lastToldAt }) => Number(lastToldAt ?? 0),
      },
    ),
  };
}

/** A destination as its card on the page shows it. */
function itemOf({ name, state, backfill, reconciliation }: DestinationReport, word: Word) {
  return {
    name,
    paused: state === 'paused',
    stuck: state === 'credentials_refused' || state === 'waiting',
    backfill:
      backfill && backfill.done < backfill.total
        ? {
            ...backfill,
            words: `${percent(backfill.done / backfill.total)} of ${plural(backfill.total, 'contact')}`,
          }
        : undefined,
    share: reconciliation.state === 'running' ? (reconciliation.share ?? 0) : undefined,
    percent: percent(reconciliation.share ?? 0),
    busy: reconciliation.state === 'running' || reconciliation.state === 'asked_for',
    comparison: comparisonWords(reconciliation, state === 'paused', word),
    next:
      reconciliation.state === 'finished' && reconciliation.nextAt !== undefined
        ? when(reconciliation.nextAt)
        : undefined,
  };
}

async function showDestinations({ reports }: Pick<DestinationPageParts, 'reports'>, visit: Visit) {
  const all = await reports.all();
  const word = visit.pages.word.bind(visit.pages);
  const spec = destinationList(visit, all);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('destinations', {
    title: 'Destinations',
    list: await viewList(visit, spec),
    manages: visit.may('destinations.manage'),
    items: all.map((report) => itemOf(report, word)),
  });
}

function destinationOf({ reports }: Pick<DestinationPageParts, 'reports'>, visit: Visit): string {
  const name = visit.param('name');
  if (!reports.names.includes(name)) throw new HushError('not_found', 'there is no such destination');
  return name;
}

async function changeDestination(parts: Pick<DestinationPageParts, 'reports'>, visit: Visit, act: 'pause' | 'resume') {
  const { reports } = parts;
  const name = destinationOf(parts, visit);
  await visit.record({
    kind: 'change',
    what: act === 'pause' ? 'destination_paused' : 'destination_resumed',
    about: name,
  });
  await reports[act](name);
  await visit.go(
    '/staff/destinations',
    act === 'pause' ? `Nothing is sent to ${name} for now. Changes are kept.` : `Changes are sent to ${name} again.`,
  );
}

async function compareDestination(parts: Pick<DestinationPageParts, 'reports'>, visit: Visit) {
  const { reports } = parts;
  const name = destinationOf(parts, visit);
  const dryRun = visit.field('dryRun') !== '';
  await visit.record({
    kind: 'change',
    what: dryRun ? 'destination_dry_run' : 'destination_compared',
    about: name,
  });
  await reports.reconcile(name, { dryRun, by: 'staff' });
  await visit.go(
    '/staff/destinations',
    dryRun
      ? `${name} is being compared. Differences are only counted.`
      : `${name} is being compared. Differences will be repaired.`,
  );
}

/** What each destination knows and waits for; pausing, resuming and comparing it. */
export function destinationPages(parts: DestinationPageParts) {
  return (shell: StaffShell): void => {
    shell.navigate({
      group: 'System',
      href: '/staff/destinations',
      label: 'Destinations',
      permission: 'destinations.read',
    });

    shell.get('/staff/destinations', 'destinations.read', (visit) => showDestinations(parts, visit));

    for (const act of ['pause', 'resume'] as const) {
      shell.post(
        `/staff/destinations/:name/${act}`,
        'destinations.manage',
        (visit) => changeDestination(parts, visit, act),
        '/staff/destinations',
      );
    }

    shell.post(
      '/staff/destinations/:name/reconcile',
      'destinations.manage',
      (visit) => compareDestination(parts, visit),
      '/staff/destinations',
    );
  };
}
