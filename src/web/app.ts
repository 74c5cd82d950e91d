import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import compression from 'compression';
import express, { type ErrorRequestHandler, type Express, type RequestHandler, type Router } from 'express';
import helmet from 'helmet';
import type { Logger } from 'pino';
import { HushError } from '../core/errors.js';
import { trustProxySetting } from './client-address.js';
import { requestLog } from './middleware/request-log.js';

/** Where routers go. Machines get problem documents, people pages. */
export interface AppParts {
  readonly log: Logger;
  readonly trustProxy: string | undefined;
  readonly production: boolean;
  /** Paths of machines with their routers, in order. */
  readonly machines: readonly (readonly [path: string, router: Router])[];
  /** For people, in order. */
  readonly people: readonly RequestHandler[];
  readonly problems: ErrorRequestHandler;
}

/** True for paths whose errors are problem documents. */
export function isMachinePath(path: string): boolean {
  return /^\/(v1|hooks)(\/|$)/.test(path);
}

/** True for paths of the staff console, in capitals too, as routes are found. */
export function isConsolePath(path: string): boolean {
  return /^\/staff(\/|$)/i.test(path);
}

/** The headers that protect every answer. They never change, so helmet makes them once and not for each request. */
function protectiveHeaders(production: boolean): readonly (readonly [name: string, value: string])[] {
  const request = new IncomingMessage(new Socket());
  const response = new ServerResponse(request);
  const protect = helmet({
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
    strictTransportSecurity: production ? { maxAge: 31_536_000 } : false,
    crossOriginEmbedderPolicy: false,
  });
  protect(request, response, () => undefined);
  const headers = Object.entries(response.getHeaders()).map(([name, value]) => [name, String(value)] as const);
  if (headers.length === 0) throw new Error('helmet has set no headers');
  return headers;
}

export function createApp(parts: AppParts): Express {
  const app = express();
  app.set('trust proxy', trustProxySetting(parts.trustProxy));
  app.set('etag', false);
  app.set('query parser', 'simple');
  app.disable('x-powered-by');
  app.use(requestLog(parts.log));
  const headers = protectiveHeaders(parts.production);
  app.use((_request, response, next) => {
    for (const [name, value] of headers) response.setHeader(name, value);
    next();
  });
  // Styles alone: a page holds what only its reader may know, beside what a stranger may have written into its address.
  app.use(['/assets', '/staff/assets'], compression());
  for (const [path, router] of parts.machines) app.use(path, router);
  app.use(express.urlencoded({ extended: false, limit: '64kb', parameterLimit: 300 }));
  for (const handler of parts.people) app.use(handler);
  app.use(() => {
    throw new HushError('not_found', 'there is nothing under this path', { remedy: 'see /docs for what there is' });
  });
  app.use(parts.problems);
  return app;
}
