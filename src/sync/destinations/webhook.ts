import { z } from 'zod';
import type { Adapter, Destination } from '../destination.js';
import { misconfigured } from './mechanics/api.js';
import { inForce } from './mechanics/each.js';
import { signDelivery, webhookSecret } from './mechanics/standard-webhooks.js';

const settings = z.strictObject({
  baseUrl: z.url({ protocol: /^https?$/ }),
  secret: webhookSecret,
  /** For receivers on the same network; never where somebody else may set the URL. */
  allowPrivate: z.boolean().default(false),
  batch: z.number().int().min(1).max(1000).default(100),
});
const target = z.strictObject({
  /** Goes along as `list`, for a receiver that keeps several. */
  list: z.string().min(1).max(200).optional(),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

/** A receiver that takes one entry a call would fall behind if every call waited for the last. */
const LANES = 4;

/**
 * Any system that can receive a POST, after the Standard Webhooks specification. The body is a state, not an event: what
 * holds for these addresses at `timestamp`. Every call has an id of its own: were it derived from the content, a receiver
 * that drops known ids would lose an opt-out made again after a lift.
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export const webhook: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    return {
      accepts: ['email', 'phone', 'postal', 'id'],
      form: 'readable',
      limits: { suppress: options.batch, lift: options.batch },
      lanes: LANES,
      async send(binding, action, entries, signal) {
        const now = parts.now();
        const body = JSON.stringify({
          type: action === 'suppress' ? 'suppression.added' : 'suppression.removed',
          timestamp: new Date(now).toISOString(),
          data: {
            binding: binding.name,
            ...(target.parse(binding.target).list === undefined ? {} : { list: target.parse(binding.target).list }),
            scope: binding.scope,
            entries: entries.map((entry) => ({
              type: entry.type,
              address: entry.address,
              reason: entry.reason,
              ...(entry.since === undefined ? {} : { since: new Date(entry.since).toISOString() }),
              ...(entry.receipt === undefined ? {} : { receipt: entry.receipt }),
            })),
          },
        });
        const answer = await parts.http.request({
          method: 'POST',
          url: options.baseUrl,
          headers: {
            'content-type': 'application/json',
            ...signDelivery(
              options.secret,
              `msg_${parts.machine.randomBytes(16).toString('hex')}`,
              Math.floor(now / 1000),
              body,
            ),
          },
          body,
          signal,
          also: [410],
          ...(options.allowPrivate ? {} : { publicOnly: true }),
        });
        // "410 Gone: the endpoint should be disabled" (Standard Webhooks, operational considerations).
        if (answer.status === 410) throw misconfigured('the receiver answered 410 Gone: it wants no more');
        return inForce();
      },
    };
  },
};
