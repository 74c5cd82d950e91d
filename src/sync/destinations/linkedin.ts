import { z } from 'zod';
import type { Adapter, Destination } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { at, createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { audienceUse, moveOf, refusedAsAWhole } from './mechanics/audience.js';
import { inForce } from './mechanics/each.js';
import { hexHash, plainEmail } from './mechanics/hashing.js';

const settings = z.strictObject({
  /** Of a member with `rw_dmp_segments` on the ad account. */
  accessToken: z.string().min(1),
  /** Month of the interface, such as `202609`. Each is supported for a year. */
  version: z
    .string()
    .regex(/^20\d{4}$/, 'year and month, such as 202609')
    .default('202609'),
  baseUrl: z.url().default('https://api.linkedin.com'),
});
const target = z.strictObject({
  /** Number of a DMP segment of the type USER_LIST_UPLOAD or USER. */
  audience: z.string().regex(/^\d{1,30}$/, 'digits only'),
  use: audienceUse,
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const answers = z.object({
  elements: z.array(
    z.object({
      status: z.number(),
      error: z.object({ message: z.string().optional() }).optional(),
      message: z.string().optional(),
    }),
  ),
});
/** "You can add or remove up to 5,000 users in a request"; 600 requests a minute. */
const BATCH = 5000;

/**
 * LinkedIn Matched Audiences: people added to or removed from a DMP segment by SHA-256 of their address, 5,000 a call, 600
 * calls a minute. Changes show in campaigns after up to two days; nobody can read who is in a segment.
 * @see https://learn.microsoft.com/en-us/linkedin/marketing/matched-audiences/create-and-manage-segment-users
 */
export const linkedin: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const api = createApi(parts.http, options.baseUrl, {
      authorization: `Bearer ${options.accessToken}`,
      'linkedin-version': options.version,
      'x-restli-protocol-version': '2.0.0',
    });
    const targetOf = targetReader(target);

    return {
      // Segments know addresses only.
      accepts: ['email'],
      form: 'hashed',
      matchesMailboxes: true,
      limits: { suppress: BATCH, lift: BATCH },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        const move = moveOf(where.use, action);
        if (move === undefined) return inForce();
        const answer = await refusedAsAWhole(
          api('POST', at`/rest/dmpSegments/${where.audience}/users`, signal, {
            headers: { 'x-restli-method': 'BATCH_CREATE' },
            json: {
              elements: entries.map((entry) => ({
                action: move === 'add' ? 'ADD' : 'REMOVE',
                userIds: [{ idType: 'SHA256_EMAIL', idValue: hexHash('sha256', plainEmail(entry.address)) }],
              })),
            },
            missing: `segment ${where.audience}`,
          }),
        );
        const { elements } = read(answers, answer);
        if (elements.length !== entries.length)
          throw new ProviderError('unavailable', 'the answer is not about as many people as were sent');
        const forbidden = elements.find(({ status }) => status === 401 || status === 403);
        if (forbidden)
          throw misconfigured(
            `${forbidden.status} ${redact(forbidden.error?.message ?? forbidden.message ?? 'refused')}`,
          );
        // Each has a status of its own, in the order sent.
        if (elements.some(({ status }) => status === 429 || status >= 500))
          throw new ProviderError('unavailable', 'some people were not taken for now');
        return inForce(
          elements.flatMap(({ status, error, message }, index) => {
            const entry = entries[index];
            return status >= 400 && entry
              ? [{ ref: entry.ref, why: `${status} ${redact(error?.message ?? message ?? 'refused')}` }]
              : [];
          }),
        );
      },
    };
  },
};
