import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Shares of requests (0 to 1) that go wrong in each way; the rest go through. */
export interface Chaos {
  /** 503, nothing done. */
  readonly refused: number;
  /** Done, then 500. */
  readonly failedAfter: number;
  /** Done at once, never answered. */
  readonly unanswered: number;
  /** Done only `lateMs` after the client has gone, and never answered. */
  readonly late: number;
  readonly lateMs: number;
  /** 429 with `Retry-After: 1`. */
  readonly limited: number;
  /** Answered after this many ms. */
  readonly lagMs: number;
}

/** Stands between Hush and a stand-in and does what networks and providers do. Calm until told otherwise. */
export async function startChaosProxy(target: string, random: () => number) {
  let chaos: Chaos | undefined;
  const counts = { requests: 0, refused: 0, failedAfter: 0, unanswered: 0, late: 0, limited: 0 };
  const pending = new Set<NodeJS.Timeout>();

  function forward(request: IncomingMessage, body: Buffer): Promise<{ status: number; type: string; body: Buffer }> {
    const url = new URL(request.url ?? '/', target);
    return new Promise((resolve, reject) => {
      const headers = { ...request.headers, host: url.host };
      const onward = ask(url, { method: request.method, headers }, (answer) => {
        const parts: Buffer[] = [];
        answer.on('data', (part: Buffer) => parts.push(part));
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 502,
            type: String(answer.headers['content-type'] ?? 'application/json'),
            body: Buffer.concat(parts),
          }),
        );
      });
      onward.on('error', reject);
      onward.end(body);
    });
  }

  async function handle(request: IncomingMessage, response: ServerResponse, body: Buffer): Promise<void> {
    counts.requests++;
    const pass = async () => {
      const answer = await forward(request, body);
      response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
    };
    if (!chaos) return pass();
    const chance = random();
    let bound = chaos.refused;
    if (chance < bound) {
      counts.refused++;
      response.writeHead(503).end();
      return;
    }
    bound += chaos.limited;
    if (chance < bound) {
      counts.limited++;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return;
    }
    bound += chaos.failedAfter;
    if (chance < bound) {
      counts.failedAfter++;
      await forward(request, body);
      response.writeHead(500).end();
      return;
    }
    bound += chaos.unanswered;
    if (chance < bound) {
      counts.unanswered++;
      await forward(request, body);
      return;
    }
    bound += chaos.late;
    if (chance < bound) {
      counts.late++;
      const { lateMs } = chaos;
      const gone = new Promise<void>((resolve) => response.once('close', resolve));
      await gone;
      const timer = setTimeout(() => {
        pending.delete(timer);
        void forward(request, body).catch(() => undefined);
      }, lateMs);
      pending.add(timer);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, random() * (chaos?.lagMs ?? 0)));
    await pass();
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      handle(request, response, Buffer.concat(parts)).catch(() => response.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    /** Undefined: everything goes through from now on; what was to land late still does. */
    unleash(next: Chaos | undefined) {
      chaos = next;
    },
    stillToLand: () => pending.size,
    async close() {
      for (const timer of pending) clearTimeout(timer);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
