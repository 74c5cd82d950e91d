import { z } from 'zod';
import type { Adapter, Destination } from '../destination.js';
import { ProviderError } from '../destination.js';
import { type HttpResponse, redact } from '../http.js';
import { at, createApi, misconfigured, read, targetReader } from './mechanics/api.js';
import { audienceUse, hashesByKind, moveOf } from './mechanics/audience.js';
import { inForce } from './mechanics/each.js';
import { digitsOnly } from './mechanics/hashing.js';
import { hmac } from './mechanics/incoming.js';

const settings = z.strictObject({
  /** Of a system user with `ads_management` on the audience. */
  accessToken: z.string().min(1),
  /** Proves that a call comes from the app: needed where it "requires app secret". */
  appSecret: z.string().min(1).optional(),
  /** Each version of the Graph API is switched off about two years after it came out. */
  version: z
    .string()
    .regex(/^v\d{2,3}\.\d$/)
    .default('v24.0'),
  baseUrl: z.url().default('https://graph.facebook.com'),
});
const target = z.strictObject({
  audience: z.string().regex(/^\d{1,30}$/, 'digits only'),
  use: audienceUse,
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const failure = z.object({
  error: z.object({ code: z.number(), message: z.string().default(''), error_subcode: z.number().optional() }),
});
const taken = z.object({ num_received: z.number(), num_invalid_entries: z.number().default(0) });
const usage = z.record(z.string(), z.array(z.object({ estimated_time_to_regain_access: z.number().default(0) })));
/** "You can add up to 10,000 people to an audience in a request." */
const BATCH = 10_000;
/** Session ids are 64-bit numbers; this much a JSON number can say exactly. */
const SESSIONS = 2 ** 47;

/** @see https://developers.facebook.com/docs/graph-api/guides/error-handling and …/overview/rate-limiting */
function faultOf(code: number): ProviderError['fault'] {
  if ([4, 17, 32, 341, 368, 613].includes(code) || (code >= 80_000 && code <= 80_014)) return 'rate_limited';
  if (code === 1 || code === 2) return 'unavailable';
  if (code === 3 || code === 10 || code === 102 || code === 190 || code === 2650 || (code >= 200 && code <= 299))
    return 'credentials';
  // 100, "invalid parameter", and whatever else is about the audience: the data are hashes, which cannot be wrong one by one.
  return 'credentials';
}

/** Seconds until calls are taken again. Meta says minutes, in a header of its own. */
function waitOf(answer: HttpResponse): number | undefined {
  try {
    const usages = usage.parse(JSON.parse(answer.headers.get('x-business-use-case-usage') ?? ''));
    const minutes = Math.max(
      0,
      ...Object.values(usages).flatMap((list) => list.map((one) => one.estimated_time_to_regain_access)),
    );
    return minutes > 0 ? Math.min(minutes * 60, 3600) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Meta Custom Audiences: people added to or removed from an audience by SHA-256 of address or number, 10,000 a call, with
 * a session that says which calls belong together. Meta never tells who is in an audience.
 *
 * Errors come as 400 with a code, so the code decides what went wrong, not the status.
 * @see https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences
 * @see https://developers.facebook.com/docs/marketing-api/reference/custom-audience/users/
 */
export const meta: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const secrets = [options.accessToken, ...(options.appSecret === undefined ? [] : [options.appSecret])];
    const base = `${options.baseUrl.replace(/\/+$/, '')}/${options.version}`;
    const api = createApi(parts.http, base, { authorization: `Bearer ${options.accessToken}` }, secrets);
    const targetOf = targetReader(target);
    const proof =
      options.appSecret === undefined
        ? {}
        : { appsecret_proof: hmac('sha256', options.appSecret, 'hex', options.accessToken) };

    async function change(
      where: Target,
      method: 'POST' | 'DELETE',
      schema: string,
      hashes: readonly string[],
      session: Readonly<Record<string, unknown>>,
      signal: AbortSignal,
    ): Promise<void> {
      const answer = await api(method, at`/${where.audience}/users`, signal, {
        query: proof,
        json: { payload: { schema: [schema], data: hashes.map((hash) => [hash]) }, session },
        also: [400, 401, 403],
      });
      const failed = failure.safeParse(answer.json).data?.error;
      if (failed)
        throw new ProviderError(
          faultOf(failed.code),
          `code ${failed.code}: ${redact(failed.message, secrets)}`,
          waitOf(answer),
        );
      if (answer.status >= 400) throw misconfigured(`${answer.status} ${redact(answer.text, secrets)}`);
      if (read(taken, answer).num_invalid_entries > 0) throw new ProviderError('refused', 'some entries are not valid');
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
        const calls = hashesByKind(entries, digitsOnly);
        const session_id = 1 + Math.floor(parts.machine.random() * (SESSIONS - 1));
        for (const [index, { schema, hashes }] of calls.entries()) {
          const session = {
            session_id,
            batch_seq: index + 1,
            last_batch_flag: index === calls.length - 1,
            estimated_num_total: entries.length,
          };
          await change(where, move === 'add' ? 'POST' : 'DELETE', schema, hashes, session, signal);
        }
        return inForce();
      },
    };
  },
};
