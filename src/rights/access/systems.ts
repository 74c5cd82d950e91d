import { createHash } from 'node:crypto';
import { z } from 'zod';
import { backoff } from '../../core/backoff.js';
import type { AccessSystem } from '../../core/catalog.js';
import type { ContactType } from '../../core/contact-point.js';
import { abortAfter, type Machine } from '../../core/machine.js';
import type { AskedSystem } from '../../store/access-packages.js';
import { comparable } from '../../sync/destinations/mechanics/hashing.js';
import { signDelivery } from '../../sync/destinations/mechanics/standard-webhooks.js';
import type { HttpClient } from '../../sync/http.js';
import { ProviderError } from '../../sync/provider-error.js';

/** A contact as a system is asked about it. */
export interface QueriedContact {
  readonly type: ContactType;
  readonly address: string;
}

const CALL_MS = 20_000;
const MINUTE = 60_000;
const RETRIES = { firstMs: MINUTE, maxMs: 6 * 60 * MINUTE };

const responseBody = z.object({
  /** False: more may come; what there is, is shown as a part. */
  complete: z.boolean().default(true),
  data: z.unknown().optional(),
});

/** Doubling from a minute to six hours; a system that says when to come back is asked then. */
export function nextTry(attempts: number, retryAfter?: number): number {
  return retryAfter === undefined ? backoff(attempts, RETRIES) : Math.max(retryAfter * 1000, MINUTE);
}

export interface QueryResult {
  readonly system: AskedSystem;
  /** The answer's content, to be kept sealed. */
  readonly data?: unknown;
}

/**
 * Asks one system what it holds, in a request signed as Standard Webhooks has it. The id stays the same over all tries, so
 * that a system can see that it is one request. `third_party` systems get SHA-256 of the address, never the address.
 *
 * 200 with JSON `{complete?, data}` answers; 204 and 404 say that nothing is held; 202 asks to come again; 401, 403 and 410
 * refuse; everything else is tried again until the deadline.
 */
export function createAskSystem(parts: {
  readonly http: HttpClient;
  readonly now: () => number;
  readonly machine: Pick<Machine, 'after'>;
  /** Private addresses are refused. */
  readonly publicOnly: boolean;
}) {
  return async function ask(
    system: AccessSystem,
    query: AskedSystem,
    subject: { readonly package: string; readonly request: string; readonly contacts: readonly QueriedContact[] },
  ): Promise<QueryResult> {
    const now = parts.now();
    const attempts = query.attempts + 1;
    const body = JSON.stringify({
      type: 'access.requested',
      timestamp: new Date(now).toISOString(),
      data: {
        request: subject.request,
        answerBy: new Date(query.deadline).toISOString(),
        contacts: subject.contacts.map(({ type, address }) =>
          system.role === 'third_party'
            ? { type, sha256: createHash('sha256').update(comparable(type, address)).digest('hex') }
            : { type, address },
        ),
      },
    });
    const again = (fault: string, retryAfter?: number): QueryResult => {
      const due = now + nextTry(attempts, retryAfter);
      const over = due >= query.deadline;
      // The last try is made at the deadline itself.
      return { system: { ...query, attempts, fault, due: over ? query.deadline : due } };
    };
    try {
      const response = await parts.http.request({
        method: 'POST',
        url: system.url,
        headers: {
          'content-type': 'application/json',
          ...signDelivery(system.secret, `msg_${subject.package}_${system.name}`, Math.floor(now / 1000), body),
        },
        body,
        signal: abortAfter(parts.machine, CALL_MS),
        also: [404, 410],
        publicOnly: parts.publicOnly,
        secrets: subject.contacts.map(({ address }) => address),
      });
      if (response.status === 404 || response.status === 204)
        return { system: { ...query, attempts, state: 'nothing_held', at: now } };
      if (response.status === 410)
        return { system: { ...query, attempts, state: 'refused', fault: 'http_410', at: now } };
      if (response.status === 202) return again('http_202', Number(response.headers.get('retry-after')) || undefined);
      const read = responseBody.safeParse(response.json);
      if (!read.success) return again('unreadable_answer');
      const { complete, data } = read.data;
      return { system: { ...query, attempts, state: complete ? 'answered' : 'partial', at: now }, data };
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error;
      if (error.fault === 'credentials')
        // A private address where none is allowed, or our signature is not accepted: somebody has to look at it.
        return { system: { ...query, attempts, state: 'refused', fault: 'credentials', at: now } };
      return again(error.fault, error.retryAfter);
    }
  };
}

export type AskSystem = ReturnType<typeof createAskSystem>;
