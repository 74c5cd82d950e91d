import { stringify } from 'csv-stringify/sync';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import { contactKeyFromText } from '../../core/keys.js';
import { CHANNELS, PURPOSES } from '../../core/scope.js';
import { neutralised } from '../../core/spreadsheet-cell.js';
import type { SuppressionExport } from '../../suppression/export.js';
import { iso, type RequestReader } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';
import { drained, mustSayBrokenOff } from './streams.js';

const COLUMNS = ['contact', 'type', 'address', 'hash', 'reason', 'since'] as const;

const exportSuppressionsQuery = z.strictObject({
  brand: z.string(),
  channel: z.enum(CHANNELS),
  purpose: z.enum(PURPOSES),
  topic: z.string().optional(),
  include: z.enum(['all', 'standing']).default('all'),
  format: z.enum(['ndjson', 'csv']).default('ndjson'),
  hash: z.enum(['none', 'sha256', 'md5']).default('none'),
  readers: z.enum(['programs', 'people']).default('programs'),
  after: z.string().optional(),
});

interface SuppressionParts {
  readonly suppressionExport: SuppressionExport;
  readonly reader: RequestReader;
  readonly cursor: () => Promise<string>;
}

async function exportSuppressions(
  parts: Pick<SuppressionParts, 'reader' | 'cursor' | 'suppressionExport'>,
  { query, key, request, response }: ApiRequest<undefined, z.infer<typeof exportSuppressionsQuery>>,
) {
  mustSayBrokenOff(request);
  if (query.hash === 'none' && !key.scopes.includes('export')) {
    throw new HushError('forbidden', 'readable addresses need the scope export', {
      field: 'hash',
      remedy: 'ask for hash=sha256, or use a key with the scope export',
    });
  }
  const after = query.after === undefined ? undefined : contactKeyFromText(query.after);
  if (query.after !== undefined && !after)
    throw new HushError('invalid', 'this is not a key of a contact', {
      field: 'after',
      remedy: 'give the last `contact` you received',
    });
  const { at: _at, ...question } = parts.reader.decisionQuery(query);
  // Read first: whatever changes while the export runs comes again in the feed.
  response.set('Hush-Cursor', await parts.cursor());
  if (request.method !== 'HEAD') response.set('Trailer', 'Hush-Keyed-Only');
  response.status(200).type(query.format === 'csv' ? 'text/csv' : 'application/x-ndjson');
  if (request.method === 'HEAD') {
    response.end();
    return undefined;
  }
  const csvColumns = COLUMNS.filter((column) => column !== (query.hash === 'none' ? 'hash' : 'address'));
  if (query.format === 'csv') response.write(`${csvColumns.join(',')}\r\n`);
  let keyedOnly = 0;
  try {
    for await (const page of parts.suppressionExport.pages({
      question,
      include: query.include,
      hash: query.hash,
      after,
    })) {
      keyedOnly += page.keyedOnly;
      const rows = page.rows.map(({ since, ...row }) => ({
        ...row,
        ...(row.address !== undefined && query.format === 'csv' && query.readers === 'people'
          ? { address: neutralised(row.address) }
          : {}),
        ...(since === undefined ? {} : { since: iso(since) }),
      }));
      const text =
        query.format === 'csv'
          ? stringify(rows, { columns: [...csvColumns], record_delimiter: 'windows' })
          : rows.map((row) => `${JSON.stringify(row)}\n`).join('');
      if (text !== '' && !response.write(text)) await drained(response);
      if (response.destroyed) return undefined;
    }
    response.addTrailers({ 'Hush-Keyed-Only': String(keyedOnly) });
    response.end();
  } catch (error) {
    // Nothing is sent yet: an answer that says why. Afterwards only a broken connection says that it is not whole.
    if (!response.headersSent) {
      response.removeHeader('Trailer');
      throw error;
    }
    response.destroy(error instanceof Error ? error : new Error('failed part-way'));
  }
  return undefined;
}

export function suppressionRoutes(routes: ApiRoutes, parts: SuppressionParts): void {
  routes.add({
    method: 'get',
    path: '/suppressions',
    operationId: 'exportSuppressions',
    tag: 'Suppressions',
    summary: 'Every contact the decision denies',
    description:
      'Streamed; resume with `after` set to the last `contact` received. The header Hush-Cursor says from where to go on with /v1/changes. `include=standing` leaves out who merely lacks consent. Readable addresses need the scope `export`. `readers=people` (CSV) neutralises cells that a spreadsheet would run as formulas; /v1/imports and /v1/scrub read them back.',
    scope: 'suppressions',
    query: exportSuppressionsQuery,
    answer: 'application/x-ndjson',
    handle: (call) => exportSuppressions(parts, call),
  });
}
