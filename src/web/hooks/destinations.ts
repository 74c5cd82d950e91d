import express, { type Request, Router } from 'express';
import type { WebhooksIn } from '../../inbound/webhooks.js';

/** Providers send batches; more than this is somebody else. */
const LARGEST = '10mb';

/** `/hooks/:destination`: the raw body goes to the adapter, which checks the signature before anything is read. */
export function destinationHooks(parts: {
  readonly webhooksIn: WebhooksIn;
  readonly publicUrl: () => string;
  readonly clientAddress: (request: Request) => string;
}): Router {
  const router = Router();
  const raw = express.raw({ type: () => true, limit: LARGEST });
  const answer = async (request: Request, body: Buffer) =>
    parts.webhooksIn.receive(String(request.params.destination), {
      method: request.method,
      url: `${parts.publicUrl()}${request.originalUrl}`,
      headers: Object.fromEntries(
        Object.entries(request.headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
      ),
      body,
      ip: parts.clientAddress(request),
    });
  router.post('/:destination', raw, async (request, response) => {
    const { status, type, body } = await answer(
      request,
      Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
    );
    response.status(status).type(type).send(body);
  });
  // Some providers try the address with a GET before they use it; nothing is recorded by one.
  router.get('/:destination', async (request, response) => {
    const { status, type, body } = await answer(request, Buffer.alloc(0));
    response.status(status).type(type).send(body);
  });
  return router;
}
