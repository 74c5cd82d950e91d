import type { Request, Response } from 'express';
import { HushError } from '../../core/errors.js';

/**
 * The body piece by piece. `release` ends the reading, also in the middle: the rest is taken and dropped, because a client
 * that is still sending would not read the answer, and closing the connection on it would take the answer along.
 */
export function bodyOf(request: Request): { body: AsyncIterable<Uint8Array>; release: () => Promise<void> } {
  const body = request.iterator({ destroyOnReturn: false });
  return {
    body,
    async release() {
      // Not waited for: a piece may still be asked for, and its sender may take its time.
      void Promise.resolve(body.return?.())
        .catch(() => undefined)
        .then(() => request.resume());
    },
  };
}

/**
 * Over HTTP/1.0 the end of the connection is the end of the answer, so half a list would look like a whole one. Throws
 * HushError `invalid`.
 */
export function mustSayBrokenOff(request: Request): void {
  if (request.httpVersion !== '1.0') return;
  throw new HushError('invalid', 'an answer over HTTP/1.0 cannot say that it broke off', {
    field: 'http-version',
    remedy: 'use HTTP/1.1; for nginx in between: proxy_http_version 1.1',
  });
}

/** Until more may be written. A reader that is gone never drains: whoever goes on asks whether it is `destroyed`. */
export function drained(response: Response): Promise<void> {
  if (response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
