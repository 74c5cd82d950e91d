import { exportPeriod } from '../../audit/export.js';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText, contactKeyText } from '../../core/keys.js';
import type { Verifier } from '../../core/note.js';
import type { AuditTrail, TrailEntry } from '../../staff/audit-trail.js';
import { TRAIL_DAYS, TRAIL_KINDS, type TrailFilter } from '../../store/audit-trail.js';
import type { LogStores } from '../../store/log-stores.js';
import { type List, sentAsCsv, viewList } from './list.js';
import { when } from './render.js';
import type { StaffShell, Visit } from './shell.js';

const DAY = 86_400_000;

function dateIn(text: string): Date | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  return Number.isNaN(time) ? undefined : new Date(time);
}

/** Who looked, who changed, who exported; and a period of the ledger with its proofs. */
export function auditPages(parts: {
  readonly trail: AuditTrail;
  readonly log: LogStores;
  readonly verifiers: () => readonly Verifier[];
  readonly clock: Clock;
}) {
  const { trail } = parts;

  function filterFrom(visit: Visit): TrailFilter {
    const to = dateIn(visit.query('to'));
    return {
      user: visit.query('user') || undefined,
      kind: TRAIL_KINDS.find((kind) => kind === visit.query('kind')),
      contact: contactKeyFromText(visit.query('contact')),
      from: dateIn(visit.query('from')),
      // To the end of the day named.
      to: to && new Date(to.getTime() + DAY),
      search: visit.query('q').slice(0, 100) || undefined,
    };
  }

  return (shell: StaffShell): void => {
    shell.navigate({ href: '/staff/audit', label: 'Audit', permission: 'audit.read' });

    shell.get('/staff/audit', 'audit.read', async (visit) => {
      const filter = filterFrom(visit);
      const { pages } = visit;
      const spec: List<TrailEntry> = {
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
          { label: 'Time', text: (entry) => when(entry.at) },
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
          title: 'Nothing fits',
          text: 'Every look at a person, every change and every export of staff is written down here before it happens. Take a filter away to see more.',
        },
        rows: async (skip, limit) => {
          const [rows, total] = await Promise.all([trail.list(filter, skip, limit), trail.count(filter)]);
          return { rows, total };
        },
      };
      if (await sentAsCsv(visit, spec)) return;
      await visit.page('audit', {
        title: 'What staff did',
        list: await viewList(visit, spec),
        years: Math.round(TRAIL_DAYS / 365),
        mayExport: visit.may('audit.export'),
      });
    });

    shell.post('/staff/audit/ledger', 'audit.export', async (visit) => {
      const from = dateIn(visit.field('from'));
      const to = dateIn(visit.field('to'));
      if (!from || !to || to < from)
        throw new HushError('invalid', 'a period has a first and a last day', { remedy: 'write both as 2026-03-31' });
      const latest = await parts.log.checkpoints.latest();
      if (!latest)
        throw new HushError('unavailable', 'no checkpoint has been signed yet', { remedy: 'try again in a second' });
      await visit.record({ kind: 'export', what: 'ledger', about: `${visit.field('from')} to ${visit.field('to')}` });
      const { response } = visit;
      response
        .status(200)
        .type('application/x-ndjson')
        .set('Cache-Control', 'no-store')
        .set('Content-Disposition', `attachment; filename="ledger-${visit.field('from')}-${visit.field('to')}.ndjson"`);
      await exportPeriod(
        { stores: parts.log, verifiers: parts.verifiers(), from: from.getTime(), to: to.getTime() + DAY },
        response,
      );
      response.end();
    });
  };
}
