import { type RequestHandler, Router } from 'express';
import { multipart, UPLOAD_LIMIT } from '../multipart.js';
import { rightsForm } from './rights-form.js';
import type { RightsPagesParts } from './rights-parts.js';
import { rightsStatus } from './rights-status.js';

/** `/rights`: ask for what the law gives, as the person or for somebody else; then verify, follow, and write. */
export function rightsPages(parts: RightsPagesParts): Router {
  const router = Router();
  // Before one byte is read: who sent too much already need not upload, and there is room for what comes.
  const read: RequestHandler[] = [
    async (request, _response, next) => {
      await parts.countUnread(request);
      next();
    },
    parts.bodies.admit(UPLOAD_LIMIT),
    multipart(UPLOAD_LIMIT),
  ];
  const form = rightsForm(parts);
  const status = rightsStatus(parts);
  router.get('/rights', form.show);
  router.post('/rights', ...read, form.send);
  router.get('/rights/:token', status.show);
  router.post('/rights/:token', ...read, status.send);
  return router;
}
