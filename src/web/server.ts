import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { Server as NetServer } from 'node:net';

/** Without a request for so long (ms) a connection is closed during shutdown. */
const QUIET = 1000;

export interface WebServer {
  readonly server: Server;
  /** Resolves with the port. */
  listen(port: number): Promise<number>;
  /** Stops accepting, finishes what is under way, and lets every connection end with an answer; at most `limitMs`. */
  drain(limitMs: number): Promise<void>;
}

/** The HTTP server: `first` may take a request before `app` sees it. */
export function createWebServer(
  first: (request: IncomingMessage, response: ServerResponse) => boolean,
  app: RequestListener,
): WebServer {
  let draining = false;
  let lastRequest = 0;
  const server = createServer((request, response) => {
    lastRequest = performance.now();
    // The client learns with its answer that this connection ends, instead of sending into a closed one.
    if (draining) response.setHeader('Connection', 'close');
    if (!first(request, response)) app(request, response);
  });
  // Slow bodies and headers: enough for a phone on a bad line, too little to hold a server with.
  server.headersTimeout = 15_000;
  server.requestTimeout = 120_000;
  server.keepAliveTimeout = 65_000;
  server.maxHeadersCount = 100;

  return {
    server,
    listen: (port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, () => {
          const address = server.address();
          resolve(typeof address === 'object' && address ? address.port : port);
        });
      }),
    async drain(limitMs) {
      if (!server.listening) return;
      draining = true;
      lastRequest = performance.now();
      // http.Server.close() would cut idle connections on which a request may be on its way: only stop listening.
      const closed = new Promise<void>((resolve) => {
        NetServer.prototype.close.call(server, () => resolve());
      });
      const quiet = setInterval(() => {
        if (performance.now() - lastRequest > QUIET) server.closeIdleConnections();
      }, 100);
      const limit = setTimeout(() => server.closeAllConnections(), limitMs);
      await closed;
      clearInterval(quiet);
      clearTimeout(limit);
    },
  };
}
