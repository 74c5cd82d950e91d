import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { HushError } from '../core/errors.js';
import { isMachinePath } from './app.js';
import { mendLinkTarget } from './link-target.js';
import { problemOf } from './middleware/problem.js';
import { listenOn } from './server.js';

const HTML = 'text/html; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';
const RETRY_AFTER_S = 5;
const HEADERS = {
  'Cache-Control': 'no-store',
  'Retry-After': String(RETRY_AFTER_S),
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { ...HEADERS, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function page(title: string, text: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<body style="max-width: 36em; margin: 3em auto; padding: 0 1em; font: 1.1em/1.5 system-ui, sans-serif">
<h1>${title}</h1>
<p>${text}</p>
`;
}

const callText = (phone: string): string => `call <a href="tel:${phone}">${phone}</a>`;

/** What somebody sees who pressed the button of an unsubscribe page that was loaded before. `receipt`: undefined where nothing was kept. */
export function showResult(response: ServerResponse, receipt: string | undefined, phone: string): void {
  if (receipt === undefined) showAway(response, phone);
  else
    send(
      response,
      200,
      HTML,
      page(
        'You are unsubscribed',
        `Your choice is kept. Receipt: ${receipt}. If messages still come after a day, ${callText(phone)}.`,
      ),
    );
}

function showAway(response: ServerResponse, phone: string): void {
  const text = `Your choices cannot be shown or changed just now, and nothing was recorded. Please try again in a few minutes, or ${callText(phone)}.`;
  send(response, 503, HTML, page('Not available right now', text));
}

export interface WaitingRoom {
  /** Resolves with the port. */
  listen(port: number): Promise<number>;
  /** Lets go of the port; what is under way ends first. */
  close(): Promise<void>;
}

/**
 * Answers while a store that the start needs is away: the process lives, what is missing is said, and everybody else hears to try
 * again or to call. One-click opt-outs are taken where `oneClick` can keep them.
 */
export function createWaitingRoom(parts: {
  readonly phone: string;
  /** What is missing, as one line. */
  readonly missing: () => string;
  /** As `createOneClick` makes it; undefined without a journal. */
  readonly oneClick: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
}): WaitingRoom {
  const { phone, missing, oneClick } = parts;

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://hush.localhost');
    if (pathname === '/livez' || pathname === '/healthz') {
      send(response, 200, JSON_TYPE, JSON.stringify({ alive: true }));
      return;
    }
    if (pathname === '/readyz') {
      const full = searchParams.has('full') && searchParams.get('full') !== 'false';
      const journals = oneClick !== undefined;
      const store = `${missing()}${journals ? ' One-click opt-outs are kept in the journal.' : ''}`;
      const ready = journals && !full;
      send(response, ready ? 200 : 503, JSON_TYPE, JSON.stringify({ ready, checks: { store } }));
      return;
    }
    if (!isMachinePath(pathname)) {
      showAway(response, phone);
      return;
    }
    const problem = problemOf(
      new HushError('unavailable', 'The record cannot be reached right now, so nothing is confirmed.', {
        remedy: 'try again in a few seconds',
      }),
    );
    send(response, 503, 'application/problem+json; charset=utf-8', JSON.stringify(problem));
  }

  const server = createServer((request, response) => {
    try {
      request.url = mendLinkTarget(request.url ?? '/');
      if (!oneClick?.(request, response)) answer(request, response);
    } catch {
      // A target that is no URL.
      send(response, 400, 'text/plain; charset=utf-8', 'This is no address.\n');
    }
  });

  return {
    listen: (port) => listenOn(server, port),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}
