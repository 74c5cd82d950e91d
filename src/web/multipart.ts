import express, { type NextFunction, type Request, type RequestHandler, type Response, Router } from 'express';
import { HushError } from '../core/errors.js';

/** A file as a form sent it: name and type are what the sender says. */
export interface Upload {
  readonly field: string;
  readonly name: string;
  readonly bytes: Buffer;
}

const sent = new WeakMap<Request, readonly Upload[]>();

/** The files of a form; empty ones, of fields nobody filled in, are left out. */
export const uploadsOf = (request: Request): readonly Upload[] => sent.get(request) ?? [];

const PARTS = 100;

/** Parses what the runtime itself can: no parser of our own between strangers and us. RFC 7578 */
async function parse(request: Request, body: Buffer): Promise<void> {
  let form: FormData;
  try {
    form = await new globalThis.Response(new Uint8Array(body), {
      headers: { 'content-type': request.get('content-type') ?? '' },
    }).formData();
  } catch {
    throw new HushError('invalid', 'the form did not arrive whole', { remedy: 'send it again' });
  }
  const fields: Record<string, string> = Object.create(null);
  const files: Upload[] = [];
  let count = 0;
  for (const [name, value] of form) {
    if (++count > PARTS) throw new HushError('invalid', 'the form has too many fields', { remedy: 'send it again' });
    if (typeof value === 'string') fields[name] ??= value;
    else if (value.size > 0)
      files.push({ field: name, name: value.name, bytes: Buffer.from(await value.arrayBuffer()) });
  }
  request.body = fields;
  sent.set(request, files);
}

/**
 * Reads `multipart/form-data` of at most `limit` bytes into `request.body` and `uploadsOf(request)`; other bodies pass
 * through untouched. `before` may refuse first, so that nobody has us read what will be refused.
 */
export function multipart(limit: number, before?: (request: Request) => Promise<void>): RequestHandler[] {
  const raw = express.raw({ type: 'multipart/form-data', limit });
  return [
    async (request: Request, _response: Response, next: NextFunction) => {
      if (request.method === 'POST') await before?.(request);
      next();
    },
    raw,
    async (request: Request, _response: Response, next: NextFunction) => {
      if (request.method === 'POST' && Buffer.isBuffer(request.body)) await parse(request, request.body);
      next();
    },
  ];
}

/** A file of 5 MB and the fields around it. */
export const UPLOAD_LIMIT = 5 * 1024 * 1024 + 256 * 1024;

/** Reads files that staff attach, ahead of the console: its forms are checked by the token that is inside the body. */
export function staffUploads(): Router {
  const router = Router();
  router.post('/staff/requests/:id/files', ...multipart(UPLOAD_LIMIT));
  return router;
}
