import type { Request, Response } from 'express';

/**
 * The body piece by piece. `release` ends the reading, also in the middle: the rest is taken and dropped, because a client
 * that is still sending would not read the answer, and closing the connection on it would take the answer along.
 */
export function bodyOf(request: Request): { body: AsyncIterable<Uint8Array>; release: () => Promise<void> } {
  const body = request.iterator({ destroyOnReturn: false });
  return {
    body,
    async release() {
      await body.return?.();
      request.resume();
    },
  };
}

/** Until more may be written. A reader that is gone never drains. */
export function drained(response: Response): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
