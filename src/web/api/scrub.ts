import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { z } from 'zod';
import { openCsv } from '../../suppression/csv-rows.js';
import { SCRUB_OUTPUTS, type Scrub, scrubColumns } from '../../suppression/scrub.js';
import type { RequestReader } from './requests.js';
import type { ApiRoutes } from './route.js';
import { questionFields } from './schemas.js';
import { bodyOf, drained, mustSayBrokenOff } from './streams.js';

const CSV = 'text/csv';

function begin(request: Request, response: Response): void {
  // The bytes are the caller's, and so is what they are encoded in.
  const charset = /;\s*charset="?([\w-]{1,40})/i.exec(request.get('content-type') ?? '')?.[1] ?? 'utf-8';
  response.status(200).type(`${CSV}; charset=${charset}`);
  response.set('Trailer', 'Hush-Rows, Hush-Allowed, Hush-Denied, Hush-Reasons');
}

export function scrubRoutes(
  routes: ApiRoutes,
  parts: { readonly scrub: Scrub; readonly reader: RequestReader; readonly log: Logger },
): void {
  const { scrub, reader, log } = parts;

  routes.add({
    method: 'post',
    path: '/scrub',
    operationId: 'scrubList',
    tag: 'Decisions',
    summary: 'Scrub a list: which rows may be used',
    description:
      'CSV in, CSV out, both as a stream without limit: read the answer while you send. `column` names the column with the contact (email, phone, `system:value` or `c_…`); without it, and as `email` or `phone`, the usual headers are known (Email, E-Mail, Email Address, Telefon, …). A first line `sep=;` says the delimiter. Rows pass byte for byte, or with `output=annotated` with the columns allowed, reason and since added. A cell that is no contact is denied as `invalid_contact`, a row with more cells than the header, or with a wrong quote that hides where its cells end, as `invalid_row`. Trailers count: Hush-Rows, Hush-Allowed, Hush-Denied, Hush-Reasons. A connection that breaks is no whole answer: discard what came.',
    scope: 'decisions',
    query: z.strictObject({
      ...questionFields,
      column: z.string().min(1).max(200).optional(),
      output: z.enum(SCRUB_OUTPUTS).default('allowed'),
    }),
    streams: [CSV],
    answer: CSV,
    async handle({ query, request, response }) {
      mustSayBrokenOff(request);
      const { column, output, ...fields } = query;
      const question = reader.decisionQuery(fields);
      const { body, release } = bodyOf(request);
      try {
        const csv = await openCsv(body, (names) => scrubColumns(names, column));
        const { pieces, counts } = scrub.run(csv, { column, output, question });
        for await (const piece of pieces) {
          if (!response.headersSent) begin(request, response);
          if (!response.write(piece)) await drained(response);
          if (response.destroyed) return undefined;
        }
        response.addTrailers({
          'Hush-Rows': String(counts.rows),
          'Hush-Allowed': String(counts.allowed),
          'Hush-Denied': String(counts.denied),
          'Hush-Reasons': Object.entries(counts.reasons)
            .map(([reason, count]) => `${reason}=${count}`)
            .join(', '),
        });
        response.end();
      } catch (error) {
        if (!response.headersSent) throw error;
        log.warn({ err: error, reqId: response.locals.requestId }, 'a scrub broke off');
        // The status is sent: only a broken connection says that the answer is not whole.
        response.destroy(error instanceof Error ? error : new Error('failed part-way'));
      } finally {
        await release();
      }
      return undefined;
    },
  });
}
