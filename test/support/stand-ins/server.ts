import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request as a stand-in sees it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly params: Readonly<Record<string, string>>;
  readonly raw: Buffer;
  /** Undefined when the body is no JSON. */
  readonly json: unknown;
}

export interface Answer {
  readonly status: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * What goes wrong with a request: an answer instead of the real one (after its effect, if `afterEffect`), an answer that
 * never comes, or a connection that is cut.
 */
export type Fault =
  | { readonly kind: 'answer'; readonly answer: Answer; readonly afterEffect?: boolean }
  | { readonly kind: 'hang' }
  | { readonly kind: 'cut' };

export type Handler = (asked: Asked) => Answer;
export type Routes = Readonly<Record<string, Handler>>;

export interface StandInServer {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** The fault of the n-th request from now on, from 0; of those only whose path contains `path`, when given. */
  fault(fault: Fault, n?: number, path?: string): void;
  /** How many clients went away before they were answered. */
  dropped(): number;
  close(): Promise<void>;
}

export interface StandInRules {
  /** `METHOD /path/:name` to its handler. Other paths are a 404, as at the provider. */
  readonly routes: Routes;
  readonly authorised: (asked: Asked) => boolean;
  readonly unauthorised?: Answer;
}

interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly handler: Handler;
}

function compile(routes: Routes): Route[] {
  return Object.entries(routes).map(([key, handler]) => {
    const [method = '', path = ''] = key.split(' ');
    return {
      method,
      pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\/:(\w+)/g, '/(?<$1>[^/]+)')}$`),
      handler,
    };
  });
}

/** A provider as a strict server on a free port. */
export async function startServer(rules: StandInRules): Promise<StandInServer> {
  const routes = compile(rules.routes);
  const seen: Asked[] = [];
  const faults = new Map<number, Fault>();
  const byPath: { readonly fault: Fault; readonly path: string; left: number }[] = [];
  let count = 0;
  let dropped = 0;

  function faultOf(path: string): Fault | undefined {
    const planned = faults.get(count++);
    const due = byPath.filter((one) => path.includes(one.path) && one.left-- === 0);
    return planned ?? due[0]?.fault;
  }

  function answerTo(request: IncomingMessage, raw: Buffer): Answer {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const [path = ''] = (request.url ?? '/').split('?');
    const base = {
      method: request.method ?? '',
      path,
      query: url.searchParams,
      headers: request.headers,
      raw,
      json: parse(raw),
    };
    for (const route of routes) {
      const match = route.method === base.method ? route.pattern.exec(path) : null;
      if (!match) continue;
      const params = Object.fromEntries(Object.entries(match.groups ?? {}).map(([k, v]) => [k, decodeURIComponent(v)]));
      const asked = { ...base, params };
      seen.push(asked);
      if (!rules.authorised(asked)) return rules.unauthorised ?? { status: 401, json: { error: 'unauthorized' } };
      return route.handler(asked);
    }
    seen.push({ ...base, params: {} });
    return { status: 404, json: { error: `no such path: ${base.method}` } };
  }

  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const fault = faultOf(request.url ?? '');
      response.on('close', () => {
        if (!response.writableFinished) dropped++;
      });
      if (fault?.kind === 'hang') return;
      if (fault?.kind === 'cut') return void request.socket.destroy();
      const instead = fault?.kind === 'answer' ? fault : undefined;
      if (instead && !instead.afterEffect) return write(response, instead.answer);
      let answer: Answer;
      try {
        answer = answerTo(request, Buffer.concat(parts));
      } catch (error) {
        answer = error instanceof Refusal ? error.answer : { status: 500, text: String(error) };
      }
      write(response, instead ? instead.answer : answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address: AddressInfo | string | null = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked: seen,
    fault(fault, n = 0, path) {
      if (path === undefined) faults.set(count + n, fault);
      else byPath.push({ fault, path, left: n });
    },
    dropped: () => dropped,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

/** Thrown by handlers to refuse a request the way the provider does. */
export class Refusal extends Error {
  constructor(readonly answer: Answer) {
    super(`refused with ${answer.status}`);
  }
}

export function refuse(status: number, json: unknown): never {
  throw new Refusal({ status, json });
}

function parse(raw: Buffer): unknown {
  try {
    return JSON.parse(raw.toString('utf8'));
  } catch {
    return undefined;
  }
}

function write(response: ServerResponse, answer: Answer): void {
  const body = answer.text ?? (answer.json === undefined ? '' : JSON.stringify(answer.json));
  response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
  response.end(answer.status === 204 ? undefined : body);
}

/** What a provider accepts as an address: one @ outside quotes and a domain with a dot. */
export function looksLikeEmail(text: unknown): text is string {
  return (
    typeof text === 'string' && text.length <= 254 && /^("(?:[^"\\]|\\.)*"|[^\s@"]+)@[^\s@]+\.[^\s@]+$/u.test(text)
  );
}
