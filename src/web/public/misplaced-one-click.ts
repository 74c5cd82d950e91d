import express, { type Request, type Response, Router } from 'express';
import { HushError } from '../../core/errors.js';
import type { Accepted } from '../../preferences/draft.js';
import type { Link, Links } from '../../preferences/links.js';
import { multipart } from '../middleware/multipart.js';
import { sendUnconfirmed, sendUnsubscribed } from './one-click.js';

/** Bytes. The body of a mail program has some 200; our own forms are urlencoded and were parsed before. */
const LARGEST = 64 * 1024;

/** Whether a form says `List-Unsubscribe=One-Click` and nothing else: only a mail program sends that (RFC 8058 §3.1). */
export function isOneClickBody(body: unknown): boolean {
  const fields = typeof body === 'string' ? Object.fromEntries(new URLSearchParams(body)) : body;
  if (typeof fields !== 'object' || fields === null) return false;
  const [[name, value] = ['', ''], ...others] = Object.entries(fields);
  return (
    others.length === 0 &&
    name.trim().toLowerCase() === 'list-unsubscribe' &&
    typeof value === 'string' &&
    value.trim().toLowerCase() === 'one-click'
  );
}

/**
 * One-click posts to another of our links, because somebody put the wrong one into `List-Unsubscribe`. On a preference page
 * it is the opt-out of the link's scope, and so it is on a confirmation: who wants no mail must not confirm any. Posts of
 * forms go on to the page.
 */
export function misplacedOneClick(parts: {
  readonly links: Pick<Links, 'open'>;
  readonly optOut: (link: Link, evidence: Readonly<Record<string, string>>) => Promise<Accepted>;
  readonly evidenceOf: (request: Request) => Record<string, string>;
  readonly onAcknowledged: (seconds: number) => void;
  readonly phone: string;
}): Router {
  const router = Router();

  async function optOut(link: Link, request: Request, response: Response): Promise<void> {
    const began = performance.now();
    try {
      const accepted = await parts.optOut(link, parts.evidenceOf(request));
      parts.onAcknowledged((performance.now() - began) / 1000);
      sendUnsubscribed(response, accepted);
    } catch (error) {
      if (!(error instanceof HushError)) throw error;
      sendUnconfirmed(response, parts.phone);
    }
  }

  router.post(
    ['/p/:token', '/confirm/:token'],
    multipart(undefined, LARGEST),
    express.text({ type: () => true, limit: LARGEST }),
    (request, response, next) => {
      if (!isOneClickBody(request.body)) return next();
      const link = parts.links.open(String(request.params.token));
      if (link?.kind !== 'mailed' && link?.kind !== 'confirm') return next();
      return optOut(link, request, response);
    },
  );
  return router;
}
