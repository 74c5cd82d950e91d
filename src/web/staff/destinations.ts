import { HushError } from '../../core/errors.js';
import type { DestinationReport, DestinationReports } from '../../staff/destination-report.js';
import { type List, rowsOf, sentAsCsv, viewList } from './list.js';
import { lasting, when } from './render.js';
import type { StaffShell } from './shell.js';

const TONES: Readonly<Record<DestinationReport['state'], string>> = {
  in_step: 'yes',
  working: 'soft',
  waiting: 'warn',
  paused: 'warn',
  credentials_refused: 'no',
  failing: 'no',
};

/** "3 missing, 1 unknown", or that nobody has compared yet. */
export function driftWords({ drift }: DestinationReport): string {
  if (!drift) return 'not compared yet';
  const found = Object.entries(drift).filter(([, count]) => count > 0);
  return found.length === 0 ? 'none' : found.map(([name, count]) => `${count} ${name}`).join(', ');
}

/** What each destination knows and waits for; pausing and resuming it. */
export function destinationPages(parts: {
  readonly reports: DestinationReports;
  readonly wake: (destination: string) => void;
}) {
  const { reports } = parts;
  return (shell: StaffShell): void => {
    shell.navigate({ href: '/staff/destinations', label: 'Destinations', permission: 'destinations.read' });

    shell.get('/staff/destinations', 'destinations.read', async (visit) => {
      const all = await reports.all();
      const wanted = visit.query('state');
      const spec: List<DestinationReport> = {
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
          { label: 'Name', text: ({ name }) => name },
          { label: 'State', text: ({ state }) => visit.pages.word('state', state), tone: ({ state }) => TONES[state] },
          { label: 'To be told', text: ({ pending }) => pending.toLocaleString('en'), num: true },
          { label: 'Oldest waits', text: ({ oldest, pending }) => (pending === 0 ? '' : lasting(oldest)), num: true },
          { label: 'Drift', text: driftWords },
          { label: 'Last told', text: ({ lastToldAt }) => (lastToldAt === undefined ? 'never' : when(lastToldAt)) },
          {
            label: 'Last error',
            text: ({ lastError }) => (lastError ? `${lastError.message} (${when(lastError.at)})` : ''),
          },
          { label: 'Lists', text: ({ bindings }) => bindings.join(', ') },
        ],
        empty: {
          title: 'No destination',
          text: 'Destinations are in config/catalog.yaml: an outside system, an adapter, and the lists it is told about. A new one is backfilled by itself.',
        },
        rows: rowsOf(
          wanted === '' ? all : all.filter(({ state }) => state === wanted),
          visit.query('q'),
          ({ name, adapter }) => `${name} ${adapter}`,
        ),
      };
      if (await sentAsCsv(visit, spec)) return;
      await visit.page('destinations', {
        title: 'Destinations',
        list: await viewList(visit, spec),
        acts: visit.may('destinations.manage')
          ? all.map(({ name, state }) => ({
              name,
              paused: state === 'paused',
              stuck: state === 'credentials_refused' || state === 'waiting',
            }))
          : [],
      });
    });

    for (const act of ['pause', 'resume'] as const) {
      shell.post(`/staff/destinations/:name/${act}`, 'destinations.manage', async (visit) => {
        const name = visit.param('name');
        if (!reports.names.includes(name)) throw new HushError('not_found', 'there is no such destination');
        await visit.record({
          kind: 'change',
          what: act === 'pause' ? 'destination_paused' : 'destination_resumed',
          about: name,
        });
        await reports[act](name);
        if (act === 'resume') parts.wake(name);
        await visit.go(
          '/staff/destinations',
          act === 'pause' ? `${name} is told nothing for now. What is to be told is kept.` : `${name} is told again.`,
        );
      });
    }
  };
}
