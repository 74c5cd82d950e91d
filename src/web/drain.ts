import { once } from 'node:events';
import type { Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** How long (ms) a server that shuts down gives those who call it. */
export interface DrainTimes {
  /** It listens on for at least so long: a balancer sees `/readyz` answer 503, and sends nobody here any more. */
  readonly notice: number;
  /** It stops listening, and closes idle connections, when nothing has come for so long. */
  readonly quiet: number;
}

/** Between two looks at what comes in (ms). */
const LOOK_MS = 50;
/** After this part of the whole limit it stops listening though people keep coming: the rest is for their answers. */
const LISTENING_SHARE = 0.6;

/**
 * Counts for how many looks nothing has come and nothing is under way. Looks, not time: after the process stood still, those
 * who wait to be accepted are accepted before the second look.
 */
function watchTraffic(server: Server, quietMs: number) {
  const looksNeeded = Math.ceil(quietMs / LOOK_MS);
  let underWay = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  let hasCome = false;
  let quietLooks = 0;
  /** Connections without a request so far, such as browsers open ahead of time. Node takes none of them for idle. */
  const unused = new Set<Socket>();

  function note(): void {
    hasCome = true;
    lastAt = performance.now();
  }
  server.on('connection', (socket) => {
    note();
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    note();
    unused.delete(socket);
    underWay++;
    response.once('close', () => {
      note();
      underWay--;
    });
  });
  return {
    /** Begins to count. A server that has been quiet already needs one look more. */
    begin(): void {
      const isQuietAlready = underWay === 0 && performance.now() - lastAt > quietMs;
      quietLooks = isQuietAlready ? looksNeeded - 1 : 0;
      hasCome = false;
    },
    async look(): Promise<void> {
      await sleep(LOOK_MS);
      quietLooks = hasCome || underWay > 0 ? 0 : quietLooks + 1;
      hasCome = false;
    },
    isQuiet: (): boolean => quietLooks >= looksNeeded,
    closeIdle(): void {
      server.closeIdleConnections();
      for (const socket of unused) if (socket.bytesRead === 0) socket.destroy();
    },
  };
}

/**
 * Lets an HTTP server end without one failed request. A request fails when its connection waits to be accepted while the
 * server stops listening, or when it is sent on an idle connection that is just being closed. So the server listens on, with
 * `Connection: close` on every answer, until nobody comes any more. Then it stops listening, closes what is idle, and waits
 * for the rest.
 *
 * @returns what drains `server`: resolves when all connections have ended, of which the last are cut after `limitMs`
 */
export function createDrain(server: Server, times: DrainTimes): (limitMs: number) => Promise<void> {
  const traffic = watchTraffic(server, times.quiet);
  const noticeLooks = Math.ceil(times.notice / LOOK_MS);

  return async (limitMs) => {
    if (!server.listening) return;
    const limit = setTimeout(() => server.closeAllConnections(), limitMs);
    // The client learns with its answer that this connection ends, instead of sending into a closed one.
    server.prependListener('request', (_request, response) => response.setHeader('Connection', 'close'));
    traffic.begin();
    const mostLooks = (limitMs * LISTENING_SHARE) / LOOK_MS;
    for (let looks = 0; looks < mostLooks && (looks < noticeLooks || !traffic.isQuiet()); looks++) await traffic.look();
    // In the same turn of the event loop in which it has accepted those who waited.
    await nextTurn();
    const closed = once(server, 'close');
    // http.Server.close() would cut idle connections on which a request may be on its way: only stop listening.
    NetServer.prototype.close.call(server);
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    while (!isClosed) {
      if (traffic.isQuiet()) traffic.closeIdle();
      await Promise.race([closed, traffic.look()]);
    }
    clearTimeout(limit);
    // It has closed already: this ends the timer by which it looks for slow connections, and with it frees all that it holds.
    server.close(() => undefined);
  };
}
