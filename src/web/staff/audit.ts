import { pipeline } from 'node:stream/promises';
import { cosigners } from '../../audit/cosigners.js';
import type { ExportJobs } from '../../audit/export-job.js';
import { DAY_MS, utcDay } from '../../core/calendar.js';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText, contactKeyText } from '../../core/keys.js';
import type { AuditTrail, TrailEntry } from '../../staff/audit-trail.js';
import type { AuditExport } from '../../store/audit-exports.js';
import { TRAIL_KINDS, type TrailFilter } from '../../store/audit-trail.js';
import type { LogStores } from '../../store/log-stores.js';
import { type List, sentAsCsv, viewList } from './list.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';
import { dateIn } from './words.js';

const TONES = { waiting: 'warn', running: 'warn', ready: 'yes', failed: 'no' } as const;

/** "2026-03-01 to 2026-03-31": its last day included. */
const periodText = ({ from, to }: AuditExport): string => `${utcDay(from)} to ${utcDay(to - 1)}`;

function stateText({ state, first, end, next, fault }: AuditExport): string {
  if (state === 'failed') return `failed: ${(fault ?? 'unknown').replaceAll('_', ' ')}; ask for a smaller period`;
  if (state !== 'running') return state === 'ready' ? 'ready' : 'waiting';
  const total = (end ?? 0) - (first ?? 0);
  return `${total > 0 ? Math.floor((((next ?? first ?? 0) - (first ?? 0)) / total) * 100) : 0} %`;
}

interface AuditPageParts {
  readonly trail: AuditTrail;
  readonly log: Pick<LogStores, 'checkpoints'>;
  readonly jobs: ExportJobs;
  /** Months for which the trail is kept. */
  readonly keepMonths: number;
}

function filterFrom(visit: Visit): TrailFilter {
  const to = dateIn(visit.query('to'));
  return {
    user: visit.query('user') || undefined,
    kind: TRAIL_KINDS.find((kind) => kind === visit.query('kind')),
    contact: contactKeyFromText(visit.query('contact')),
    from: dateIn(visit.query('from')),
    // To the end of the day named.
    to: to && new Date(to.getTime() + DAY_MS),
    search: visit.query('q').slice(0, 100) || undefined,
  };
}

/** The newest signed state of the log, and which witnesses have seen it or a state before. */
async function currentLog(parts: Pick<AuditPageParts, 'log'>) {
  const latest = await parts.log.checkpoints.latest();
  if (!latest) return undefined;
  return {
    size: latest.size.toLocaleString('en'),
    at: latest.at,
    witnesses: cosigners(latest),
    witnessed: await parts.log.checkpoints.witnesses(),
  };
}

async function trailList(
  { trail }: Pick<AuditPageParts, 'trail'>,
  { pages }: Pick<Visit, 'pages'>,
  filter: TrailFilter,
): Promise<List<TrailEntry>> {
  return {
    name: 'audit-trail',
    title: 'What staff did',
    noun: ['entry', 'entries'],
    filters: [
      {
        name: 'user',
        label: 'Who',
        options: (await trail.users()).map(({ id, name }) => ({ value: id, label: name })),
      },
      {
        name: 'kind',
        label: 'Kind',
        options: TRAIL_KINDS.map((value) => ({ value, label: pages.word('trail', value) })),
      },
      { name: 'contact', label: 'Contact (c_…)' },
      { name: 'from', label: 'From', type: 'date' },
      { name: 'to', label: 'To', type: 'date' },
      { name: 'q', label: 'Search' },
    ],
    columns: [
      { label: 'Time', text: (entry) => when(entry.at), sort: 'at' },
      { label: 'Who', text: (entry) => entry.name },
      { label: 'Role', text: (entry) => entry.roles.map((role) => role.replaceAll('_', ' ')).join(', ') },
      {
        label: 'Kind',
        text: (entry) => pages.word('trail', entry.kind),
        tone: (entry) => (entry.kind === 'refusal' ? 'no' : entry.kind === 'export' ? 'warn' : 'soft'),
      },
      { label: 'What', text: (entry) => pages.word('deed', entry.what) },
      {
        label: 'Contact',
        text: (entry) => (entry.contact ? contactKeyText(entry.contact) : ''),
        href: (entry) => (entry.contact ? `/staff/contacts/${contactKeyText(entry.contact)}` : undefined),
      },
      {
        label: 'Reason',
        text: (entry) => [entry.reason && pages.word('look', entry.reason), entry.note].filter(Boolean).join(': '),
      },
      { label: 'About', text: (entry) => entry.about ?? '' },
    ],
    empty: {
      title: 'Nothing found',
      text: 'Everything staff open, change or export is logged here before it happens. Remove a filter to see more.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: async (skip, limit, { descending }) => {
      const [rows, total] = await Promise.all([trail.list(filter, skip, limit, !descending), trail.count(filter)]);
      return { rows, total };
    },
  };
}

async function showTrail(parts: Pick<AuditPageParts, 'trail' | 'keepMonths' | 'log'>, visit: Visit) {
  const spec = await trailList(parts, visit, filterFrom(visit));
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('audit', {
    title: 'What staff did',
    list: await viewList(visit, spec),
    months: parts.keepMonths,
    log: await currentLog(parts),
    mayExport: visit.may('audit.export'),
  });
}

async function requestExport({ jobs }: Pick<AuditPageParts, 'jobs'>, visit: Visit) {
  const from = dateIn(visit.field('from'));
  const to = dateIn(visit.field('to'));
  if (!from || !to || to < from)
    throw new HushError('invalid', 'a period has a first and a last day', { remedy: 'write both as 2026-03-31' });
  await visit.record({
    kind: 'export',
    what: 'ledger',
    about: `${visit.field('from')} to ${visit.field('to')}`,
  });
  // To the end of the day named.
  await jobs.begin({ from: from.getTime(), to: to.getTime() + DAY_MS }, visit.user);
  await visit.go('/staff/audit/exports', 'The file is being made. You can leave this page and come back.');
}

function exportList({ jobs }: Pick<AuditPageParts, 'jobs'>): List<AuditExport> {
  return {
    name: 'ledger-exports',
    title: 'Exports of the ledger',
    noun: ['export', 'exports'],
    filters: [],
    columns: [
      { label: 'Requested', text: ({ at }) => when(at) },
      { label: 'By', text: ({ byName }) => byName },
      {
        label: 'Period',
        text: periodText,
        href: ({ id, state }) => (state === 'ready' ? `/staff/audit/exports/${id}/file` : undefined),
      },
      { label: 'State', text: stateText, tone: ({ state }) => TONES[state] },
      {
        label: 'Entries',
        num: true,
        text: ({ first, end }) => (first === undefined || end === undefined ? '' : (end - first).toLocaleString('en')),
      },
      { label: 'Available until', text: ({ until }) => (until === undefined ? '' : when(until)) },
    ],
    empty: {
      title: 'No export yet',
      text: 'Ask for a period on the audit page. The file is made in the background; then you can download it here.',
    },
    order: { by: 'at', descending: true },
    time: 'at',
    rows: jobs.list,
  };
}

async function showExports(parts: Pick<AuditPageParts, 'jobs'>, visit: Visit) {
  const spec = exportList(parts);
  if (await sentAsCsv(visit, spec)) return;
  await visit.page('list', {
    title: spec.title,
    intro:
      'Made in the background, compressed with gzip. Reload to see the progress. Check a file with: hush verify FILE --vkey KEY',
    list: await viewList(visit, spec),
  });
}

async function sendExport({ jobs }: Pick<AuditPageParts, 'jobs'>, visit: Visit) {
  const job = await jobs.get(visit.param('id'));
  if (job?.state !== 'ready') throw new HushError('not_found', 'there is no such export to fetch');
  await visit.record({ kind: 'export', what: 'ledger_fetched', about: `${job.id} ${periodText(job)}` });
  visit.response
    .status(200)
    .type('application/gzip')
    .set('Cache-Control', 'no-store')
    .set('Content-Length', String(job.bytes))
    .set('Content-Disposition', `attachment; filename="ledger-${periodText(job).replaceAll(' ', '-')}.ndjson.gz"`);
  await pipeline(jobs.file(job), visit.response);
}

/** Who looked, who changed, who exported; and a period of the ledger with its proofs. */
export function auditPages(parts: AuditPageParts) {
  return (shell: StaffShell): void => {
    shell.navigate({ group: 'System', href: '/staff/audit', label: 'Audit', permission: 'audit.read' });

    shell.get('/staff/audit', 'audit.read', (visit) => showTrail(parts, visit));

    shell.post('/staff/audit/exports', 'audit.export', (visit) => requestExport(parts, visit), '/staff/audit');

    shell.get('/staff/audit/exports', 'audit.export', (visit) => showExports(parts, visit));

    shell.get('/staff/audit/exports/:id/file', 'audit.export', (visit) => sendExport(parts, visit));
  };
}
