import type { Request, RequestHandler, Response } from 'express';
import { HushError } from '../../core/errors.js';
import { networkOf } from '../../core/ip-address.js';

/**
 * Bytes of bodies that may lie in memory for senders who have proven nothing yet, all together and of one network. A body
 * of at most `free` bytes is not counted, so that there is room for every form without a file and every opt-out.
 */
export interface BodyBudget {
  readonly total: number;
  readonly ofOneNetwork: number;
  readonly free: number;
}
export const BODY_BUDGET: BodyBudget = {
  total: 48 * 1024 * 1024,
  ofOneNetwork: 12 * 1024 * 1024,
  free: 64 * 1024,
};

/** Octets that the request says it has; undefined when it does not say. */
const declaredLength = (request: Request): number | undefined => {
  const text = request.headers['content-length'];
  return text === undefined ? undefined : Number(text);
};

/** Reserves room for a body before one byte of it is read, and gives it back when the answer is out or the peer is gone. */
export function createBodyBudget(parts: {
  readonly budget: BodyBudget;
  readonly clientAddress: (request: Request) => string;
  readonly onRefused: (reason: string) => void;
}) {
  const { budget } = parts;
  const ofNetworks = new Map<string, number>();
  let reserved = 0;

  /** Reserves room until the answer is out; false where there is none. */
  function reserve(request: Request, response: Response, bytes: number): boolean {
    const network = networkOf(parts.clientAddress(request));
    const mine = ofNetworks.get(network) ?? 0;
    if (mine + bytes > budget.ofOneNetwork || reserved + bytes > budget.total) {
      parts.onRefused('bodies');
      return false;
    }
    reserved += bytes;
    ofNetworks.set(network, mine + bytes);
    response.once('close', () => release(network, bytes));
    return true;
  }

  function release(network: string, bytes: number): void {
    reserved -= bytes;
    const left = (ofNetworks.get(network) ?? 0) - bytes;
    if (left > 0) ofNetworks.set(network, left);
    else ofNetworks.delete(network);
  }

  return {
    /** Room for what passes through memory of a longer body, until the answer is out; false where there is none. */
    reserve,

    /** Bytes reserved right now. */
    reserved: () => reserved,

    /**
     * To stand before whatever reads a body of at most `limit` bytes. Throws HushError: `too_large` for one that says that
     * it is larger, `rate_limited` where there is no room; nothing has been read then.
     */
    admit(limit: number): RequestHandler {
      return (request, response, next) => {
        const declared = declaredLength(request);
        if (declared !== undefined && !(declared <= limit)) {
          throw new HushError('too_large', `a body may have ${limit} bytes here`, { remedy: 'send less at once' });
        }
        const isChunked = request.headers['transfer-encoding'] !== undefined;
        const bytes = declared ?? (isChunked ? limit : 0);
        if (bytes > budget.free && !reserve(request, response, bytes)) {
          throw new HushError('rate_limited', 'too much is being sent at once', {
            retryAfter: 10,
            remedy: 'wait until what you send has arrived',
          });
        }
        next();
      };
    },
  };
}

export type Bodies = ReturnType<typeof createBodyBudget>;
