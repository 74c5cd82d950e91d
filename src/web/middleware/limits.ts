import type { Request } from 'express';
import type { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { HushError } from '../../core/errors.js';
import { networkOf } from '../../core/ip-address.js';

/** Uses a minute and network. A genuine link is never limited; what is counted are tokens that are not ours, and forms. */
export interface Limits {
  readonly badTokens: number;
  readonly forms: number;
  /** Opt-outs by form; as many as other forms unless given. Counted apart: nothing else uses up a network's last opt-out. */
  readonly denials?: number;
  readonly badKeys: number;
}
export const LIMITS: Limits = { badTokens: 600, forms: 30, denials: 120, badKeys: 120 };

/** Megabytes of files an hour and network from senders who have proven nothing: what they send lies in the store. */
const UPLOADED_MB = 240;

/** Acts a minute and link that do not deny. What denies is never refused. */
const ACTS_PER_LINK = 30;

/** Counts in Redis, so that all processes count together; while Redis is away each counts for itself. */
export function createLimits(parts: {
  readonly redis: Redis;
  readonly namespace: string;
  readonly limits: Limits;
  readonly clientAddress: (request: Request) => string;
  readonly onRefused: (reason: string) => void;
}) {
  const make = (name: keyof Limits | 'linkActs' | 'unread' | 'uploads', points: number, duration = 60) =>
    new RateLimiterRedis({
      storeClient: parts.redis,
      keyPrefix: `{${parts.namespace}}:limit:${name}`,
      points,
      duration,
      inMemoryBlockOnConsumed: points + 1,
      insuranceLimiter: new RateLimiterMemory({ points, duration }),
    });
  const { badTokens, forms, denials = forms, badKeys } = parts.limits;
  const limiters = {
    badTokens: make('badTokens', badTokens),
    forms: make('forms', forms),
    denials: make('denials', denials),
    // Of a form whose body is not read yet nobody knows which of the two it is.
    unread: make('unread', forms + denials),
    badKeys: make('badKeys', badKeys),
  };
  const linkActs = make('linkActs', ACTS_PER_LINK);
  const uploads = make('uploads', UPLOADED_MB, 3600);

  /** Counts an act of a link (by its tag) that does not deny; false when there were too many within a minute. */
  async function admitsAct(link: string): Promise<boolean> {
    try {
      await linkActs.consume(link);
      return true;
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) return true;
      parts.onRefused('linkActs');
      return false;
    }
  }

  /** Counts bytes of files before they are read; false when a network has sent too many within the hour. */
  async function admitsUpload(request: Request, bytes: number): Promise<boolean> {
    try {
      await uploads.consume(networkOf(parts.clientAddress(request)), Math.ceil(bytes / 1024 / 1024));
      return true;
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) return true;
      parts.onRefused('uploads');
      return false;
    }
  }

  const count =
    (name: keyof typeof limiters) =>
    async (request: Request): Promise<void> => {
      try {
        await limiters[name].consume(networkOf(parts.clientAddress(request)));
      } catch (refused) {
        if (!(refused instanceof RateLimiterRes)) return;
        parts.onRefused(name);
        throw new HushError('rate_limited', 'too many requests from this network', {
          retryAfter: refused.msBeforeNext / 1000,
          remedy: 'wait a minute',
        });
      }
    };
  return {
    badToken: count('badTokens'),
    form: count('forms'),
    denial: count('denials'),
    unread: count('unread'),
    badKey: count('badKeys'),
    admitsAct,
    admitsUpload,
  };
}

export type RateLimits = ReturnType<typeof createLimits>;
