import { Router } from 'express';

export interface Readiness {
  readonly ready: boolean;
  readonly checks: Readonly<Record<string, 'ok' | string>>;
  /** Who answers questions about many contacts: the index in memory while it is `current`, else the store. */
  readonly decisionIndex?: string;
}

/** `/healthz`: this process lives. `/readyz`: it can acknowledge an opt-out now. */
export function healthRoutes(parts: { readonly readiness: () => Promise<Readiness> }): Router {
  const router = Router();
  router.get('/healthz', (_request, response) => response.set('Cache-Control', 'no-store').json({ alive: true }));
  router.get('/readyz', async (_request, response) => {
    const readiness = await parts.readiness();
    response
      .status(readiness.ready ? 200 : 503)
      .set('Cache-Control', 'no-store')
      .json(readiness);
  });
  return router;
}
