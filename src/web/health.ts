import { Router } from 'express';

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, 'ok' | string>>;
  /** Who answers questions about many contacts: the index in memory while it is `current`, else the store. */
  readonly decisionIndex?: string;
}

/**
 * `/livez`, formerly `/healthz`: this process lives. `/readyz`: it can acknowledge an opt-out now, in the store or in its journal.
 * `/readyz?full`: nothing is missing.
 */
export function healthRoutes(parts: { readonly readiness: (full: boolean) => Promise<Readiness> }): Router {
  const router = Router();
  router.get(['/livez', '/healthz'], (_request, response) =>
    response.set('Cache-Control', 'no-store').json({ alive: true }),
  );
  router.get('/readyz', async (request, response) => {
    const full = request.query.full !== undefined && request.query.full !== 'false';
    const readiness = await parts.readiness(full);
    response
      .status(readiness.ready ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json(readiness);
  });
  return router;
}
