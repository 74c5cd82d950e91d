import { randomUUID } from 'node:crypto';
import compression from 'compression';
import express, { type ErrorRequestHandler, type Express, type Router } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { pinoHttp } from 'pino-http';
import { HushError } from '../core/errors.js';
import { safePath } from '../logger.js';
import { trustProxySetting } from './client-address.js';

/** Where routers go. Machines get problem documents, people pages. */
export interface AppParts {
  readonly log: Logger;
  readonly trustProxy: string | undefined;
  readonly production: boolean;
  /** Paths of machines with their routers, in order. */
  readonly machines: readonly (readonly [path: string, router: Router])[];
  /** For people, in order. */
  readonly people: readonly Router[];
  readonly problems: ErrorRequestHandler;
}

/** True for paths whose errors are problem documents. */
export function isMachinePath(path: string): boolean {
  return /^\/(v1|hooks)(\/|$)/.test(path);
}

/** True for paths of the staff console. */
export function isConsolePath(path: string): boolean {
  return /^\/staff(\/|$)/.test(path);
}

export function createApp(parts: AppParts): Express {
  const app = express();
  app.set('trust proxy', trustProxySetting(parts.trustProxy));
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.disable('x-powered-by');
  app.use(
    pinoHttp({
      logger: parts.log,
      genReqId: (_request, response) => {
        const id = randomUUID();
        response.setHeader('X-Request-Id', id);
        return id;
      },
      // Neither headers nor addresses: a path without its tokens is all that is needed to find a fault.
      serializers: {
        req: ({ method, url, id }) => ({ id, method, path: safePath(url) }),
        res: ({ statusCode }) => ({ status: statusCode }),
      },
      customLogLevel: (_request, response, error) => (error || response.statusCode >= 500 ? 'warn' : 'debug'),
    }),
  );
  app.use((request, response, next) => {
    response.locals.requestId = request.id;
    next();
  });
  app.use(
    helmet({
      contentSecurityPolicy: {
        useDefaults: false,
        directives: {
          defaultSrc: ["'none'"],
          styleSrc: ["'self'"],
          imgSrc: ["'self'", 'data:'],
          formAction: ["'self'"],
          frameSrc: ["'self'"],
          baseUri: ["'none'"],
          frameAncestors: ["'none'"],
        },
      },
      referrerPolicy: { policy: 'no-referrer' },
      strictTransportSecurity: parts.production ? { maxAge: 31_536_000 } : false,
      crossOriginEmbedderPolicy: false,
    }),
  );
  // Styles alone: a page holds what only its reader may know, beside what a stranger may have written into its address.
  app.use(['/assets', '/staff/assets'], compression());
  for (const [path, router] of parts.machines) app.use(path, router);
  app.use(express.urlencoded({ extended: false, limit: '64kb', parameterLimit: 300 }));
  for (const router of parts.people) app.use(router);
  app.use(() => {
    throw new HushError('not_found', 'there is nothing under this path', { remedy: 'see /docs for what there is' });
  });
  app.use(parts.problems);
  return app;
}
