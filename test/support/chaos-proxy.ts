import { request as ask, createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Shares of requests (0 to 1, rounded up to whole requests of 20) that go wrong in each way; the rest go through. */
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

const FATES = ['refused', 'failedAfter', 'unanswered', 'late', 'limited'] as const;
type Fate = (typeof FATES)[number];
/** Requests among which each kind of fault comes at least once: a slow machine makes few requests, and none may be spared. */
const DECK = 20;

/** Stands between Hush and a stand-in and does what networks and providers do. Calm until told otherwise. */
export async function startChaosProxy(target: string, random: () => number) {
  let chaos: Chaos | undefined;
  const counts = { requests: 0, refused: 0, failedAfter: 0, unanswered: 0, late: 0, limited: 0 };
  const pending = new Set<NodeJS.Timeout>();
  let deck: (Fate | undefined)[] = [];

  /** What happens to the next request. */
  function deal(shares: Chaos): Fate | undefined {
    if (deck.length === 0) {
      deck = FATES.flatMap((fate) => Array<Fate | undefined>(Math.ceil(shares[fate] * DECK)).fill(fate));
      deck = [...deck, ...Array<undefined>(Math.max(0, DECK - deck.length)).fill(undefined)]
        .map((fate) => ({ fate, order: random() }))
        .sort((a, b) => a.order - b.order)
        .map(({ fate }) => fate);
    }
    return deck.pop();
  }

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
    switch (deal(chaos)) {
      case 'refused':
        counts.refused++;
        response.writeHead(503).end();
        return;
      case 'limited':
        counts.limited++;
        response.writeHead(429, { 'retry-after': '1' }).end();
        return;
      case 'failedAfter':
        counts.failedAfter++;
        await forward(request, body);
        response.writeHead(500).end();
        return;
      case 'unanswered':
        counts.unanswered++;
        await forward(request, body);
        return;
      case 'late': {
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
