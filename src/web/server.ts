import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HushError } from '../core/errors.js';
import { createDrain, type DrainTimes } from './drain.js';
import { mendLinkTarget } from './link-target.js';
import { problemOf } from './middleware/problem.js';

/** Bodies without limit: only a standstill ends them. */
const STREAMS = /^(application\/x-ndjson|text\/csv)\b/i;

/** How long (ms) connections are waited for: enough for a phone on a bad line, too little to hold a server with. */
export interface Patience extends DrainTimes {
  readonly headers: number;
  /** Of a whole body, unless it is a stream; one with files has longer, at `SLOWEST`. */
  readonly body: number;
  /** Without one byte in either direction while a body is on its way, or an answer on its. */
  readonly standstill: number;
}
const PATIENCE: Patience = { headers: 15_000, body: 120_000, standstill: 30_000, notice: 5000, quiet: 1000 };
/** Bytes a second of a form with files: photos from a phone on a bad line. */
const SLOWEST = 40_000;
const MAX_BODY_BYTES = 32 * 1024 * 1024;
const WITH_FILES = /^multipart\/form-data\b/i;
/** Bytes of a body or an answer that wait in memory: lists are read in pieces of it (Node's own from 22 on). */
const READ_BYTES = 64 * 1024;
/** After the answer to a request whose body is still coming: time (ms) for the answer to be read. */
const PARTING = 3000;

function endSlow(request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) {
    request.destroy();
    return;
  }
  const problem = problemOf(
    new HushError('too_slow', 'The request did not arrive in time, and nothing was done.', {
      remedy: 'send it again; send large ones in parts',
    }),
  );
  const body = JSON.stringify(problem);
  response.writeHead(408, {
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body, () => request.destroy());
}

/** Opens a port; resolves with its number. */
export function listenOn(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

export interface WebServer {
  readonly server: Server;
  /** Resolves with the port. */
  listen(port: number): Promise<number>;
  /** Lets no more in once nobody comes, and lets every connection end with an answer; at most `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

/**
 * The HTTP server: `first` may take a request before `app` sees it. What either throws ends that one request, never the
 * process, and goes to `onFault`.
 */
export function createWebServer(
  first: (request: IncomingMessage, response: ServerResponse) => boolean,
  app: RequestListener,
  onFault: (error: unknown) => void,
  given: Partial<Patience> = {},
): WebServer {
  const patience = { ...PATIENCE, ...given };
  const under = new WeakMap<Socket, { request: IncomingMessage; response: ServerResponse }>();

  function watch(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    under.set(socket, { request, response });
    response.once('close', () => {
      if (under.get(socket)?.request === request) under.delete(socket);
    });
    if (request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined) return;
    const type = request.headers['content-type'] ?? '';
    // Past what a form may have, it is no longer read for its files.
    const bytes = WITH_FILES.test(type) ? Math.min(Number(request.headers['content-length'] ?? 0), MAX_BODY_BYTES) : 0;
    const body = Math.max(patience.body, (bytes / SLOWEST) * 1000);
    const late = STREAMS.test(type)
      ? undefined
      : setTimeout(() => request.complete || endSlow(request, response), body).unref();
    request.once('close', () => clearTimeout(late));
    response.once('finish', () => {
      clearTimeout(late);
      if (!request.complete) setTimeout(() => request.complete || request.destroy(), PARTING).unref();
    });
  }

  const server = createServer({ highWaterMark: READ_BYTES }, (request, response) => {
    watch(request, response);
    try {
      request.url = mendLinkTarget(request.url ?? '/');
      if (!first(request, response)) app(request, response);
    } catch (error) {
      onFault(error);
      if (!response.headersSent) response.writeHead(500, { Connection: 'close' });
      response.end();
    }
  });
  server.headersTimeout = patience.headers;
  // Node's own limit knows no streams: it would end a scrub of a million rows after so much time.
  server.requestTimeout = 0;
  server.setTimeout(patience.standstill, (socket) => {
    const current = under.get(socket);
    if (current && !current.request.complete) endSlow(current.request, current.response);
    // A handler at work, such as a long poll, is waited for; a reader that does not read is not.
    else if (!current || socket.writableLength > 0) socket.destroy();
  });
  server.keepAliveTimeout = 65_000;
  server.maxHeadersCount = 100;

  return {
    server,
    listen: (port) => listenOn(server, port),
    drain: createDrain(server, patience),
  };
}
