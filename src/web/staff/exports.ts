import { once } from 'node:events';
import { brandById, type Catalog } from '../../core/catalog.js';
import { HushError } from '../../core/errors.js';
import { CHANNELS, PURPOSES } from '../../core/scope.js';
import type { Approvals, ListWanted } from '../../staff/approvals.js';
import type { SuppressionExport } from '../../suppression/export.js';
import { iso } from '../api/requests.js';
import { csvText } from './csv.js';
import type { StaffShell } from './shell.js';

/** Asking for a list with readable addresses, and fetching one that a second person approved: by whoever asked, once, within the day. */
export function exportPages(parts: {
  readonly approvals: Approvals;
  readonly suppressionExport: SuppressionExport;
  readonly catalog: Catalog;
}) {
  const { approvals, catalog } = parts;
  return (shell: StaffShell): void => {
    shell.get('/staff/exports', 'exports.request', (visit) =>
      visit.page('export', {
        title: 'Ask for a list of addresses',
        brands: catalog.brands.filter(({ retired }) => !retired),
        channels: CHANNELS,
        purposes: PURPOSES.filter((purpose) => purpose !== 'legal' && purpose !== 'service'),
      }),
    );
    shell.post('/staff/exports', 'exports.request', async (visit) => {
      const channel = CHANNELS.find((item) => item === visit.field('channel'));
      const purpose = PURPOSES.find((item) => item === visit.field('purpose'));
      const brand = visit.field('brand');
      const reason = visit.field('reason');
      if (!channel || !purpose || !brandById(catalog, brand) || reason === '') {
        throw new HushError('invalid', 'a list has a brand, a channel, a purpose and a reason', {
          remedy: 'fill in all four',
        });
      }
      const id = await approvals.requestExport(visit.user, { brand, channel, purpose }, reason);
      await visit.record({ kind: 'change', what: 'export_requested', note: reason, about: id });
      await visit.go(
        `/staff/approvals/${id}`,
        'Waiting for a second person. Once approved you can download it for a day, once.',
      );
    });

    shell.post(
      '/staff/exports/:id/fetch',
      'exports.request',
      async (visit) => {
        const approval = await parts.approvals.get(visit.param('id'));
        if (!approval || !(await parts.approvals.useExport(visit.user, approval))) {
          throw new HushError('not_found', 'there is no such list to fetch');
        }
        const { brand, channel, purpose } = approval.details as unknown as ListWanted;
        await visit.record({
          kind: 'export',
          what: 'addresses',
          about: `${approval.id} ${brand} ${channel} ${purpose}`,
        });
        const { response } = visit;
        response
          .status(200)
          .type('text/csv; charset=utf-8')
          .set('Cache-Control', 'no-store')
          .set('Content-Disposition', `attachment; filename="suppressed-${brand}-${channel}-${purpose}.csv"`);
        response.write(csvText(['contact', 'type', 'address', 'reason', 'since'], []));
        const question = { brand, channel, purpose, topic: '*' };
        for await (const { rows } of parts.suppressionExport.pages({ question, include: 'standing', hash: 'none' })) {
          const lines = rows.map((row) => [
            row.contact,
            row.type,
            row.address ?? '',
            row.reason,
            row.since === undefined ? '' : iso(row.since),
          ]);
          const [head, ...rest] = lines;
          if (head && !response.write(csvText(head, rest))) await once(response, 'drain');
        }
        response.end();
      },
      '/staff/approvals/:id',
    );
  };
}
