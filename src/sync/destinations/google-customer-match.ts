import { z } from 'zod';
import type { Adapter, Destination, Entry, Sent } from '../destination.js';
import { ProviderError } from '../destination.js';
import { redact } from '../http.js';
import { createApi, misconfigured, read, refusedForGood, targetReader } from './mechanics/api.js';
import { audienceUse, moveOf, refusedAsAWhole } from './mechanics/audience.js';
import { inForce } from './mechanics/each.js';
import { createGoogleToken } from './mechanics/google-token.js';
import { e164, googleEmail, hexHash } from './mechanics/hashing.js';

const digits = z.string().regex(/^\d{1,20}$/, 'digits only, without dashes');
const settings = z.strictObject({
  customerId: digits,
  /** The manager account through which the customer is reached. */
  loginCustomerId: digits.optional(),
  developerToken: z.string().min(1),
  clientId: z.string().min(1),
  clientSecret: z.string().min(1),
  /** With the scope `https://www.googleapis.com/auth/adwords`. */
  refreshToken: z.string().min(1),
  /** Each version of the interface is switched off about a year after it came out. */
  version: z
    .string()
    .regex(/^v\d{2,3}$/)
    .default('v24'),
  baseUrl: z.url().default('https://googleads.googleapis.com'),
  tokenUrl: z.url().default('https://oauth2.googleapis.com/token'),
});
const target = z.strictObject({
  /** Id of the user list. */
  audience: digits,
  use: audienceUse,
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

const createdJob = z.object({ resourceName: z.string().regex(/^customers\/\d+\/offlineUserDataJobs\/\d+$/) });
const added = z.object({
  partialFailureError: z
    .object({
      message: z.string().default('refused'),
      details: z
        .array(
          z.object({
            errors: z
              .array(
                z.object({
                  message: z.string().default('refused'),
                  errorCode: z.record(z.string(), z.unknown()).default({}),
                  location: z
                    .object({
                      fieldPathElements: z
                        .array(z.object({ fieldName: z.string(), index: z.coerce.number().optional() }))
                        .default([]),
                    })
                    .optional(),
                }),
              )
              .default([]),
          }),
        )
        .default([]),
    })
    .optional(),
});
const searched = z.object({
  results: z.array(z.object({ offlineUserDataJob: z.object({ status: z.string() }) })).default([]),
});
/** A request takes 100,000 identifiers; ours have one each, and less is quicker to say again. */
const BATCH = 10_000;

/**
 * Google Ads Customer Match: a user list, changed by offline user data jobs (create, add operations, run, poll). Only
 * SHA-256 of normalised addresses and numbers leave. A job takes up to a day; "maximum of 100,000 user identifiers" a request.
 * @see https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started
 * @see https://developers.google.com/google-ads/api/rest/reference/rest/v24/customers.offlineUserDataJobs
 */
export const googleCustomerMatch: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const token = createGoogleToken(parts.http, options, parts.now);
    const targetOf = targetReader(target);
    const api = createApi(parts.http, `${options.baseUrl.replace(/\/+$/, '')}/${options.version}`, {
      'developer-token': options.developerToken,
      ...(options.loginCustomerId === undefined ? {} : { 'login-customer-id': options.loginCustomerId }),
    });
    const customer = `customers/${options.customerId}`;

    async function call(path: string, signal: AbortSignal, json: unknown) {
      const headers = { authorization: `Bearer ${await token.get(signal)}` };
      try {
        // An answer is pages long, and what is wrong stands near its end: it is read here, whole.
        const answer = await refusedAsAWhole(api('POST', path, signal, { json, headers, also: [400, 403] }));
        if (answer.status >= 400) throw faultIn(answer.status, answer.text, [headers.authorization.slice(7)]);
        return answer;
      } catch (error) {
        if (error instanceof ProviderError && error.fault === 'credentials') token.again();
        throw error;
      }
    }

    const identifier = (entry: Entry) =>
      entry.type === 'phone'
        ? { hashedPhoneNumber: hexHash('sha256', e164(entry.address)) }
        : { hashedEmail: hexHash('sha256', googleEmail(entry.address)) };

    return {
      accepts: ['email', 'phone'],
      form: 'hashed',
      matchesMailboxes: true,

      limits: { suppress: BATCH, lift: BATCH },

      async send(binding, action, entries, signal): Promise<Sent> {
        const where = targetOf(binding);
        const move = moveOf(where.use, action);
        if (move === undefined) return inForce();
        const job = read(
          createdJob,
          await call(`/${customer}/offlineUserDataJobs:create`, signal, {
            job: {
              type: 'CUSTOMER_MATCH_USER_LIST',
              customerMatchUserListMetadata: { userList: `${customer}/userLists/${where.audience}` },
            },
          }),
        ).resourceName;
        const operation = move === 'add' ? 'create' : 'remove';
        const answer = await call(`/${job}:addOperations`, signal, {
          enablePartialFailure: true,
          operations: entries.map((entry) => ({ [operation]: { userIdentifiers: [identifier(entry)] } })),
        });
        const parked = failuresOf(entries, answer);
        await call(`/${job}:run`, signal, {});
        return { status: 'accepted', job, ...(parked.length > 0 ? { parked } : {}) };
      },

      async poll(job, signal) {
        const query = `SELECT offline_user_data_job.status FROM offline_user_data_job WHERE offline_user_data_job.resource_name = '${createdJob.parse({ resourceName: job }).resourceName}'`;
        const { results } = read(searched, await call(`/${customer}/googleAds:search`, signal, { query }));
        const status = results[0]?.offlineUserDataJob.status;
        return status === 'SUCCESS' ? 'done' : status === 'FAILED' || status === undefined ? 'failed' : 'working';
      },
    };
  },
};

/**
 * Google takes Customer Match through this interface from developer tokens alone that used it before April 2026.
 * @see https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started
 */
const CLOSED = 'CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE';
const MOVE = `${CLOSED}: Google takes Customer Match from this developer token through its Data Manager API only. Write adapter: google-data-manager for this destination (docs/destinations/google-data-manager.md) and start anew`;

/** A refusal about the account or the list: it stops the destination, for good where Google has closed this way. */
function stopped(text: string, shown: string): ProviderError {
  return text.includes(CLOSED) ? refusedForGood(MOVE) : misconfigured(shown);
}

/** What a refused call means. People are hashes here, which cannot be wrong one by one: nobody is parked for it. */
function faultIn(status: number, text: string, secrets: readonly string[]): ProviderError {
  // Another job works on the same list.
  if (text.includes('CONCURRENT_MODIFICATION'))
    return new ProviderError('unavailable', 'another job works on this user list');
  return stopped(text, `${status} ${redact(text, secrets)}`.trim());
}

/** Codes that are about the account or the list, whichever operation they are said of. */
const NOT_ABOUT_A_PERSON =
  /NOT_(?:ALLOWLISTED|WHITELISTED|ENABLED|ELIGIBLE|AUTHORI[SZ]ED|ACCEPTED|PERMITTED|ALLOWED)|PERMISSION|DENIED|SUSPENDED|CUSTOMER_|USER_LIST|DEVELOPER_TOKEN/;

/**
 * The entries whose operations were refused. What is about the account, what names no operation, and what all of several
 * operations are refused for, stops the destination.
 */
function failuresOf(entries: readonly Entry[], answer: Parameters<typeof read>[1]): NonNullable<Sent['parked']> {
  const failure = read(added, { json: answer.json ?? {} }).partialFailureError;
  if (!failure) return [];
  const errors = failure.details.flatMap((detail) => detail.errors);
  const account = errors.find(({ errorCode, message }) =>
    NOT_ABOUT_A_PERSON.test(`${Object.values(errorCode).join(' ')} ${message}`),
  );
  if (account) {
    const said = `${Object.values(account.errorCode).join(' ')} ${account.message}`.trim();
    throw stopped(said, redact(said));
  }
  const parked = failure.details.flatMap(({ errors }) =>
    errors.flatMap(({ message, location }) => {
      const at = location?.fieldPathElements.find((element) => element.fieldName === 'operations')?.index;
      const entry = at === undefined ? undefined : entries[at];
      return entry ? [{ ref: entry.ref, why: redact(message) }] : [];
    }),
  );
  const everybody = entries.length > 1 && new Set(parked.map(({ ref }) => ref)).size === entries.length;
  if (parked.length === 0 || everybody) throw misconfigured(redact(parked[0]?.why ?? failure.message));
  return parked;
}
