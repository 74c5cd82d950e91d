import { type Request, type RequestHandler, type Response, Router } from 'express';
import { HushError } from '../../core/errors.js';
import { UPLOAD_LIMIT } from '../../rights/requests/file-kind.js';
import { BODY_BUDGET } from '../middleware/body-budget.js';
import { HELD_BYTES, multipart, type TakeFile } from '../middleware/multipart.js';
import { receiveRightsForm, showRightsForm } from './rights-form.js';
import type { RightsPagesParts } from './rights-parts.js';
import { receiveRightsStatus, showRightsStatus } from './rights-status.js';

/** `/rights`: ask for what the law gives, as the person or for somebody else; then verify, follow, and write. */
export function rightsPages(parts: RightsPagesParts): Router {
  const { attachments } = parts.rights;
  const router = Router();

  /** Where there is no room for files the form is read all the same, so that nothing that was typed is lost. */
  async function takerOf(request: Request, response: Response): Promise<TakeFile> {
    const length = Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY);
    const bytes = Math.min(length, UPLOAD_LIMIT);
    const hasRoom = bytes <= BODY_BUDGET.free || parts.bodies.reserve(request, response, HELD_BYTES);
    if (hasRoom && (await parts.admitsUpload(request, bytes))) return attachments.store;
    return () => Promise.reject(new HushError('rate_limited', 'too many files are being sent', { field: 'file' }));
  }

  // Before one byte is read: who sent too much already need not upload.
  const read: RequestHandler[] = [
    async (request, _response, next) => {
      await parts.countUnread(request);
      next();
    },
    multipart({ takerOf, drop: attachments.drop }),
  ];
  router.get('/rights', (request, response) => showRightsForm(parts, request, response));
  router.post('/rights', ...read, (request, response) => receiveRightsForm(parts, request, response));
  router.get('/rights/:token', (request, response) => showRightsStatus(parts, request, response));
  router.post('/rights/:token', ...read, (request, response) => receiveRightsStatus(parts, request, response));
  return router;
}
