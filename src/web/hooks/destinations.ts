import express, { type Request, type Response, Router } from 'express';
import type { WebhooksIn } from '../../inbound/webhooks.js';
import type { Bodies } from '../middleware/body-budget.js';

/** Providers send batches; more than this is somebody else. */
const LARGEST = 10 * 1024 * 1024;

/**
 * `/hooks/:destination`: who sends is looked at before the body, as far as it can be told without; then the raw body goes to
 * the adapter, which checks the signature before anything is read.
 */
export function destinationHooks(parts: {
  readonly webhooksIn: WebhooksIn;
  readonly publicUrl: () => string;
  readonly clientAddress: (request: Request) => string;
  readonly bodies: Pick<Bodies, 'admit'>;
}): Router {
  const router = Router();
  const headOf = (request: Request) => ({
    method: request.method,
    url: `${parts.publicUrl()}${request.originalUrl}`,
    headers: Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
    ),
    ip: parts.clientAddress(request),
  });

  async function bodyOf(request: Request, response: Response, limit: number): Promise<Buffer> {
    const raw = express.raw({ type: () => true, limit });
    await new Promise<void>((resolve, reject) => {
      raw(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
    });
    return Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  }

  router.post('/:destination', async (request, response) => {
    const head = headOf(request);
    const name = String(request.params.destination);
    const { isProven, unprovenBytes } = parts.webhooksIn.admit(name, head);
    const limit = isProven ? LARGEST : Math.min(unprovenBytes, LARGEST);
    if (!isProven) {
      // Throws where there is no room.
      parts.bodies.admit(limit)(request, response, () => undefined);
    }
    const body = await bodyOf(request, response, limit);
    const result = await parts.webhooksIn.receive(name, { ...head, body });
    response.status(result.status).type(result.type).send(result.body);
  });
  // Some providers try the address with a GET before they use it; nothing is recorded by one.
  router.get('/:destination', async (request, response) => {
    const name = String(request.params.destination);
    const { status, type, body } = await parts.webhooksIn.receive(name, { ...headOf(request), body: Buffer.alloc(0) });
    response.status(status).type(type).send(body);
  });
  return router;
}
