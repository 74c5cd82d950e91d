import { pipeline } from 'node:stream/promises';
import { type Request, type Response, Router } from 'express';
import { longDate } from '../../core/calendar.js';
import { brandById, type Catalog } from '../../core/catalog.js';
import type { AccessDelivery } from '../../rights/access/delivery.js';
import { accessTokenIn } from '../../rights/access/download.js';
import type { Pages } from './pages.js';

/** `/access/:token`: what we hold, for whoever has the link and the passphrase. Looking at the page changes nothing. */
export function accessPages(parts: {
  readonly pages: Pages;
  readonly delivery: AccessDelivery;
  readonly catalog: Catalog;
  /** Counts a token that was not ours; throws when there were too many from one network. */
  readonly refuse: (request: Request) => Promise<void>;
  /** Counts a use of the form; throws when there were too many from one network. */
  readonly countForm: (request: Request) => Promise<void>;
}): Router {
  const { pages, delivery, catalog } = parts;
  const router = Router();

  async function gone(request: Request, response: Response): Promise<void> {
    await parts.refuse(request);
    const { t } = pages.context(request);
    const { phone } = catalog.group;
    pages.message(request, response, 410, undefined, {
      title: t('access.goneTitle'),
      heading: t('access.goneTitle'),
      text: t('access.gone', { phone }),
      ways: [{ href: `tel:+1${phone.replace(/\D/g, '')}`, label: phone }],
    });
  }

  async function show(request: Request, response: Response, status: number, error?: string): Promise<void> {
    const token = accessTokenIn(String(request.params.token));
    const link = await delivery.look(token);
    if (!link) return gone(request, response);
    const { language } = pages.context(request);
    pages.send(request, response, status, 'access', brandById(catalog, link.brand), {
      action: `/access/${token}?lang=${language}`,
      until: longDate(language, link.until),
      error,
    });
  }

  router.get('/access/:token', (request, response) => show(request, response, 200));

  router.post('/access/:token', async (request, response) => {
    const { passphrase } = (request.body ?? {}) as Record<string, unknown>;
    const { t } = pages.context(request);
    // Every try costs us a tenth of a second of work.
    await parts.countForm(request);
    const entered = typeof passphrase === 'string' ? passphrase.slice(0, 200) : '';
    const fetched = await delivery.fetch(String(request.params.token), entered);
    switch (fetched.outcome) {
      case 'gone':
        return gone(request, response);
      case 'busy':
        return show(request, response, 409, t('access.busy'));
      case 'wrong':
        return show(request, response, 403, t('access.wrongLeft', { left: fetched.left }));
      case 'open': {
        response
          .status(200)
          .type('application/zip')
          .set('Cache-Control', 'no-store')
          .set('Content-Length', String(fetched.size))
          .set('Content-Disposition', 'attachment; filename="access.zip"');
        try {
          // Ends only when the last byte was handed to the connection; a broken one leaves the link as it was.
          await pipeline(fetched.bytes, response);
        } catch (error) {
          await fetched.done(false);
          if (!response.destroyed) response.destroy();
          if (!(error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE')) throw error;
          return;
        }
        await fetched.done(true);
      }
    }
  });

  return router;
}
