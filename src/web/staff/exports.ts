import { once } from 'node:events';
import { HushError } from '../../core/errors.js';
import type { Approvals, ListWanted } from '../../staff/approvals.js';
import type { SuppressionExport } from '../../suppression/export.js';
import { iso } from '../api/requests.js';
import { csvText } from './csv.js';
import type { StaffShell } from './shell.js';

/** Fetching a list with readable addresses that a second person confirmed: by whoever asked, once, within the day. */
export function exportPages(parts: { readonly approvals: Approvals; readonly suppressionExport: SuppressionExport }) {
  return (shell: StaffShell): void => {
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
