import { z } from 'zod';
import type { Adapter, Destination } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { createApi, read, targetReader } from './mechanics/api.js';
import { audienceUse, hashesByKind, moveOf } from './mechanics/audience.js';
import { inForce } from './mechanics/each.js';
import { e164 } from './mechanics/hashing.js';

const settings = z.strictObject({
  /** Of an app with "Audience Management" on the advertiser. */
  accessToken: z.string().min(1),
  advertiser: z.string().regex(/^\d{1,30}$/, 'digits only'),
  baseUrl: z.url().default('https://business-api.tiktok.com'),
});
const target = z.strictObject({
  /** Id of an audience made for streaming (`/segment/audience/`). */
  audience: z.string().min(1),
  use: audienceUse,
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const replySchema = z.object({ code: z.number(), message: z.string().default('') });
/** "batch_data … max size 10,000". */
const BATCH = 10_000;

/** @see https://business-api.tiktok.com/portal/docs?id=1737172488964097 (return codes) */
function faultOf(code: number): ProviderError['fault'] {
  if (code === 40_100 || code === 40_016 || code === 40_133) return 'rate_limited';
  if (code >= 50_000 || code === 40_700) return 'unavailable';
  // 40001 "no permission or invalid parameter", 40101 to 40132 tokens and authorisation, 40002 "the audience does not exist":
  // the data are hashes, which cannot be wrong one by one.
  return 'credentials';
}

/**
 * TikTok: people added to or removed from a streamed audience by SHA-256 of address or number, 10,000 a call.
 *
 * Every answer has status 200; the code in its body decides what went wrong.
 * @see https://business-api.tiktok.com/portal/docs?id=1739940585975809
 */
export const tiktok: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const api = createApi(parts.http, options.baseUrl, { 'access-token': options.accessToken });
    const targetOf = targetReader(target);

    async function change(
      where: Target,
      action: 'add' | 'delete',
      schema: string,
      hashes: readonly string[],
      signal: AbortSignal,
    ): Promise<void> {
      const answer = await api('POST', '/open_api/v1.3/segment/mapping/', signal, {
        json: {
          advertiser_ids: [options.advertiser],
          action,
          id_schema: [schema],
          batch_data: hashes.map((id) => [{ id, audience_ids: [where.audience] }]),
        },
      });
      const { code, message } = read(replySchema, answer);
      if (code !== 0) throw new ProviderError(faultOf(code), `code ${code}: ${redact(message, [options.accessToken])}`);
    }

    return {
      accepts: ['email', 'phone'],
      form: 'hashed',
      matchesMailboxes: true,
      limits: { suppress: BATCH, lift: BATCH },

      async send(binding, action, entries, signal) {
        const where = targetOf(binding);
        const move = moveOf(where.use, action);
        if (move === undefined) return inForce();
        for (const { schema, hashes } of hashesByKind(entries, e164)) {
          await change(where, move === 'add' ? 'add' : 'delete', schema, hashes, signal);
        }
        return inForce();
      },
    };
  },
};
