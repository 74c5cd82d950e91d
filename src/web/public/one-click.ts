import type { IncomingMessage, ServerResponse } from 'node:http';
import { HushError } from '../../core/errors.js';
import type { Accepted } from '../../preferences/draft.js';
import type { Link } from '../../preferences/links.js';

/** Of the body only enough is kept to tell our own page's button from a mail program's post. */
const MAX_READ_CHARS = 2048;
/** A body that trickles is not waited for longer (ms): the opt-out does not depend on it. */
const BODY_WAIT = 5000;
const LARGEST = 256 * 1024;
/** Of a target that `mendLinkTarget` has seen. */
const PATH = /^\/u\/([^/?]+)(?:\?|$)/;

export interface OneClick {
  readonly read: (token: string) => Link | undefined;
  readonly optOut: (link: Link, evidence: Readonly<Record<string, string>>) => Promise<Accepted>;
  /** Answers people who pressed the button on our page, and every failure. */
  readonly page: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onAcknowledged: (seconds: number) => void;
  readonly onFault: (error: unknown) => void;
  readonly phone: string;
  readonly clientAddress: (request: IncomingMessage) => string;
}

/** What the page needs to go on with: an opt-out that is already recorded, or one that could not be. */
export interface OneClickResult {
  readonly link: Link;
  readonly accepted: Accepted | undefined;
}

const results = new WeakMap<IncomingMessage, OneClickResult>();

export function oneClickResult(request: IncomingMessage): OneClickResult | undefined {
  return results.get(request);
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    let size = 0;
    const done = () => {
      clearTimeout(timer);
      resolve(text);
    };
    const timer = setTimeout(done, BODY_WAIT);
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (text.length < MAX_READ_CHARS) text += chunk.toString('latin1', 0, MAX_READ_CHARS);
      if (size > LARGEST) done();
    });
    request.on('end', done);
    request.on('error', done);
    request.on('close', done);
  });
}

/** What a mail program gets: it shows none of it. */
export function sendUnsubscribed(
  response: ServerResponse,
  { id }: Pick<Accepted, 'id'>,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `Unsubscribed. Receipt: ${id}\n`;
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  response.end(text);
}

/** Nothing was recorded, and the mail program is to try again. */
export function sendUnconfirmed(response: ServerResponse, phone: string): void {
  response.writeHead(503, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Retry-After': '10',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  });
  response.end(`Your opt-out could not be confirmed just now. Please try again in a minute, or call ${phone}.\n`);
}

/**
 * `POST /u/:token`, RFC 8058 one-click, in front of Express because it is the hottest path there is: any POST with a
 * genuine token is an opt-out, whatever its body; durable before the 200; no redirect, no cookie, nothing else read.
 * Returns false for every other request.
 */
export function createOneClick(parts: OneClick): (request: IncomingMessage, response: ServerResponse) => boolean {
  async function handle(request: IncomingMessage, response: ServerResponse, link: Link): Promise<void> {
    const began = performance.now();
    const evidence = {
      ip: parts.clientAddress(request),
      userAgent: String(request.headers['user-agent'] ?? '').slice(0, 200),
    };
    // The act does not wait for the body, and the answer does not come before both.
    const [accepted, body] = await Promise.all([
      parts
        .optOut(link, evidence)
        .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error)))),
      readBody(request),
    ]);
    if (accepted instanceof Error) {
      if (!(accepted instanceof HushError)) parts.onFault(accepted);
      if (body.includes('from=page')) {
        results.set(request, { link, accepted: undefined });
        parts.page(request, response);
        return;
      }
      sendUnconfirmed(response, parts.phone);
      return;
    }
    parts.onAcknowledged((performance.now() - began) / 1000);
    if (body.includes('from=page')) {
      results.set(request, { link, accepted });
      parts.page(request, response);
      return;
    }
    sendUnsubscribed(response, accepted, request.complete ? {} : { Connection: 'close' });
    if (!request.complete) setTimeout(() => request.destroy(), 1000).unref();
  }

  return (request, response) => {
    if (request.method !== 'POST') return false;
    const token = PATH.exec(request.url ?? '')?.[1];
    if (token === undefined) return false;
    const link = parts.read(token);
    if (link?.kind !== 'mailed') return false;
    void handle(request, response, link).catch((error: unknown) => {
      parts.onFault(error);
      response.destroy();
    });
    return true;
  };
}
