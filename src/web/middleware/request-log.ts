import { randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Logger } from 'pino';
import { safePath } from '../../logger.js';

/**
 * Names each request by an id (`response.locals.requestId`, `X-Request-Id`), and logs how it ended: what failed as a
 * warning, the rest for debugging. Neither headers nor addresses: a path without its tokens is all that is needed to find a
 * fault.
 */
export function requestLog(log: Logger): RequestHandler {
  return (request, response, next) => {
    const id = randomUUID();
    const began = performance.now();
    response.locals.requestId = id;
    response.setHeader('X-Request-Id', id);
    response.once('close', () => {
      const failed = response.statusCode >= 500;
      if (!failed && !log.isLevelEnabled('debug')) return;
      const fields = {
        req: { id, method: request.method, path: safePath(request.originalUrl) },
        res: { status: response.statusCode },
        responseTime: Math.round(performance.now() - began),
      };
      const outcome = failed
        ? 'request failed'
        : response.writableFinished
          ? 'request completed'
          : 'request broken off';
      log[failed ? 'warn' : 'debug'](fields, outcome);
    });
    next();
  };
}
