import { z } from 'zod';
import type { Adapter, Destination, Entry, JobState, Sent } from '../destination.js';
import { ProviderError } from '../destination.js';
import { type HttpResponse, redact } from '../http.js';
import { createApi, misconfigured, read, refusedForGood, targetReader } from './mechanics/api.js';
import { audienceUse, moveOf, refusedAsAWhole } from './mechanics/audience.js';
import { inForce, type Parked } from './mechanics/each.js';
import { createGoogleToken } from './mechanics/google-token.js';
import { e164, googleEmail, hexHash } from './mechanics/hashing.js';

const digits = z.string().regex(/^\d{1,20}$/, 'digits only, without dashes');
const accountTypes = [
  'GOOGLE_ADS',
  'DISPLAY_VIDEO_PARTNER',
  'DISPLAY_VIDEO_ADVERTISER',
  'DATA_PARTNER',
  'GOOGLE_AD_MANAGER_AUDIENCE_LINK',
] as const;
const account = z.strictObject({ type: z.enum(accountTypes).default('GOOGLE_ADS'), id: digits });
const settings = z.strictObject({
  /** The account that owns the audiences. */
  account,
  /** The account through which the user of the refresh token reaches it, such as its manager. */
  loginAccount: account.optional(),
  /** Of a data partner: the account linked to it, which the data come from. */
  linkedAccount: account.optional(),
  clientId: z.string().min(1),
  clientSecret: z.string().min(1),
  /** With the scope `https://www.googleapis.com/auth/datamanager`. */
  refreshToken: z.string().min(1),
  /** That you have accepted https://support.google.com/adspolicy/answer/6299717, without which nothing is added. */
  customerMatchTerms: z.literal('accepted', 'write accepted once you have accepted the Customer Match terms'),
  baseUrl: z.url().default('https://datamanager.googleapis.com'),
  tokenUrl: z.url().default('https://oauth2.googleapis.com/token'),
});
const consent = z.enum(['granted', 'denied']);
const target = z.strictObject({
  /** Id of the audience (user list). */
  audience: digits,
  use: audienceUse,
  /** What is said to Google with those who are added to an exclusion audience. Nothing is said unless given. */
  consent: z.strictObject({ adUserData: consent.optional(), adPersonalization: consent.optional() }).optional(),
});

type Settings = z.infer<typeof settings>;
type Target = z.infer<typeof target>;

/** "At most 10000 AudienceMember resources can be sent in a single request." */
const BATCH = 10_000;

const taken = z.object({ requestId: z.string().min(1) });
const failure = z.object({
  error: z.object({
    message: z.string().default(''),
    status: z.string().default(''),
    details: z
      .array(
        z.object({
          reason: z.string().optional(),
          fieldViolations: z
            .array(
              z.object({
                field: z.string().default(''),
                reason: z.string().default(''),
                description: z.string().default(''),
              }),
            )
            .default([]),
        }),
      )
      .default([]),
  }),
});
const counts = z.array(z.object({ reason: z.string().default(''), recordCount: z.coerce.number().default(0) }));
const requestStatus = z.object({
  requestStatusPerDestination: z.array(
    z.object({
      requestStatus: z.string().default('REQUEST_STATUS_UNKNOWN'),
      errorInfo: z.object({ errorCounts: counts.default([]) }).optional(),
    }),
  ),
});

/**
 * Google's Data Manager API: members of an audience of Google Ads or Display & Video 360, added and removed by SHA-256 of
 * address or number, 10,000 a request. A request is processed in the background for half an hour and more, so it is polled.
 *
 * It "fails fast": where one member is not valid nothing of the request is taken, and the answer names the members.
 * @see https://developers.google.com/data-manager/api/reference/rest/v1/audienceMembers/ingest
 * @see https://developers.google.com/data-manager/api/devguides/concepts/understand-errors
 * @see https://developers.google.com/data-manager/api/devguides/diagnostics
 * The messages are those of the SDK `@google-ads/datamanager` 0.3.0 (google/ads/datamanager/v1).
 */
export const googleDataManager: Adapter<Settings, Target> = {
  settings,
  target,
  create(options, parts): Destination {
    const token = createGoogleToken(parts.http, options, parts.now);
    const targetOf = targetReader(target);
    const api = createApi(parts.http, options.baseUrl, {});
    const secrets = [options.clientSecret, options.refreshToken];
    const accounts = {
      operatingAccount: accountJson(options.account),
      ...(options.loginAccount ? { loginAccount: accountJson(options.loginAccount) } : {}),
      ...(options.linkedAccount ? { linkedAccount: accountJson(options.linkedAccount) } : {}),
    };

    async function call(
      method: 'GET' | 'POST',
      path: string,
      signal: AbortSignal,
      more: object,
    ): Promise<HttpResponse> {
      const headers = { authorization: `Bearer ${await token.get(signal)}` };
      try {
        const answer = await refusedAsAWhole(api(method, path, signal, { headers, also: [400, 403, 404], ...more }));
        if (answer.status === 403 || answer.status === 404) throw refusalOf(answer, secrets);
        return answer;
      } catch (error) {
        if (error instanceof ProviderError && error.fault === 'credentials') token.again();
        throw error;
      }
    }

    /** Sends members, and once more without those that Google named as not valid. */
    async function change(
      move: 'ingest' | 'remove',
      where: Target,
      entries: readonly Entry[],
      signal: AbortSignal,
    ): Promise<Sent> {
      const request = async (members: readonly Entry[]) =>
        call('POST', `/v1/audienceMembers:${move}`, signal, {
          json: {
            destinations: [{ ...accounts, productDestinationId: where.audience }],
            audienceMembers: members.map((entry) => ({ userData: { userIdentifiers: [identifier(entry)] } })),
            encoding: 'HEX',
            ...(move === 'ingest' ? additions(where) : {}),
          },
        });
      const first = await request(entries);
      if (first.status < 400) return accepted(first);
      const parked = invalidMembers(entries, first);
      const named = new Set(parked.map(({ ref }) => ref));
      const left = entries.filter(({ ref }) => !named.has(ref));
      if (entries.length === 1 && parked.length === 1) return inForce(parked);
      // Hashes that are all wrong are wrong by something else.
      if (parked.length === 0 || left.length === 0) throw refusalOf(first, secrets);
      const second = await request(left);
      // Others again: the worker halves the batch.
      if (second.status >= 400) throw refusalOf(second, secrets, invalidMembers(left, second).length > 0);
      return { ...accepted(second), parked };
    }

    return {
      accepts: ['email', 'phone'],
      form: 'hashed',
      matchesMailboxes: true,
      limits: { suppress: BATCH, lift: BATCH },

      async send(binding, action, entries, signal): Promise<Sent> {
        const where = targetOf(binding);
        const move = moveOf(where.use, action);
        if (move === undefined) return inForce();
        return change(move === 'add' ? 'ingest' : 'remove', where, entries, signal);
      },

      async poll(job, signal): Promise<JobState> {
        const answer = await call('GET', '/v1/requestStatus:retrieve', signal, { query: { requestId: job } });
        // `INVALID_REQUEST_ID`: it never was one, or Google no longer knows it.
        if (answer.status >= 400) return 'failed';
        const [status] = read(requestStatus, answer).requestStatusPerDestination;
        return stateOf(status?.requestStatus ?? '', status?.errorInfo?.errorCounts ?? []);
      },
    };
  },
};

const accountJson = ({ type, id }: z.infer<typeof account>) => ({ accountType: type, accountId: id });

function identifier(entry: Entry) {
  return entry.type === 'phone'
    ? { phoneNumber: hexHash('sha256', e164(entry.address)) }
    : { emailAddress: hexHash('sha256', googleEmail(entry.address)) };
}

/** What goes with members who are added, and is unknown where they are removed. */
function additions({ consent: given }: Target) {
  const said = (value: z.infer<typeof consent>) => (value === 'granted' ? 'CONSENT_GRANTED' : 'CONSENT_DENIED');
  return {
    termsOfService: { customerMatchTermsOfServiceStatus: 'ACCEPTED' },
    ...(given
      ? {
          consent: {
            ...(given.adUserData ? { adUserData: said(given.adUserData) } : {}),
            ...(given.adPersonalization ? { adPersonalization: said(given.adPersonalization) } : {}),
          },
        }
      : {}),
  };
}

const accepted = (answer: HttpResponse): Sent => ({ status: 'accepted', job: read(taken, answer).requestId });

/** The entries that the answer names, as `audience_members.audience_members[3].user_data`. */
function invalidMembers(entries: readonly Entry[], answer: HttpResponse): Parked[] {
  const violations = failure.safeParse(answer.json).data?.error.details.flatMap((one) => one.fieldViolations) ?? [];
  const found = new Map<string, Parked>();
  for (const { field, reason, description } of violations) {
    const at = /\baudience_?members\[(\d+)\]/i.exec(field)?.[1];
    const entry = at === undefined ? undefined : entries[Number(at)];
    // What is not about a member is about the account or the audience, and so about all of them.
    if (!entry) return [];
    found.set(entry.ref, { ref: entry.ref, why: redact(`${reason} ${description}`.trim()) });
  }
  return [...found.values()];
}

/** What an operator must do in Google's or our own settings before it can be other. */
const REMEDIES: Readonly<Record<string, string>> = {
  TERMS_AND_CONDITIONS_NOT_SIGNED: 'accept the Customer Match terms in the account',
  EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED: 'make the declaration on EU political advertising in the account',
  NOT_ALLOWLISTED: 'ask Google to allow the account this feature',
  ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA: 'ask Google to allow the account uploaded audiences',
  INVALID_USER_LIST_ID: 'correct the audience in the catalog',
  INVALID_DESTINATION: 'correct account and audience in the catalog',
  INVALID_USER_LIST_TYPE: 'name an audience that takes addresses and numbers (Customer Match)',
  DATA_PARTNER_USER_LIST_MUTATE_NOT_ALLOWED: 'have the owner of the account share the audience',
  USER_LIST_MUTATION_NOT_SUPPORTED: 'name an audience that can be changed',
  SENSITIVE_USER_LIST_IMMUTABLE: 'name an audience that can be changed',
  OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH: 'correct loginAccount in the catalog',
};

/** A refusal of the account or the audience, with Google's reason. `ofMembers`: one that names members, to be halved. */
function refusalOf(answer: HttpResponse, secrets: readonly string[], ofMembers = false): ProviderError {
  const error = failure.safeParse(answer.json).data?.error;
  const reasons = error?.details.flatMap((one) => [
    ...one.fieldViolations.map(({ reason }) => reason),
    ...(one.reason === undefined ? [] : [one.reason]),
  ]);
  const names = [...new Set(reasons ?? [])].filter((reason) => /^[A-Z0-9_]{3,}$/.test(reason));
  const known = names.find((reason) => REMEDIES[reason] !== undefined);
  const said = redact(error ? `${names.join(' ')} ${error.message}`.trim() : answer.text, secrets);
  if (ofMembers) return new ProviderError('refused', `${answer.status} ${said}`);
  if (known !== undefined) return refusedForGood(`${known}: ${REMEDIES[known]}, then resume`);
  return misconfigured(`${answer.status} ${said}`);
}

/** Reasons that pass by themselves. All others are about consent, the account or the data, and stay. */
const PASSING = /INTERNAL_ERROR|UNSPECIFIED/;

function stateOf(status: string, errors: z.infer<typeof counts>): JobState {
  if (status === 'SUCCESS') return 'done';
  if (status !== 'FAILED' && status !== 'PARTIAL_SUCCESS') return 'working';
  const why = errors
    .map(({ reason, recordCount }) => `${reason.replace(/^PROCESSING_ERROR_(?:REASON_)?/, '')} (${recordCount})`)
    .join(', ');
  if (errors.length === 0 || errors.some(({ reason }) => PASSING.test(reason))) return 'failed';
  if (status === 'FAILED') return { stopped: `Google took nobody: ${why}. Mend the reason, then resume` };
  return { incomplete: `Google took a part only: ${why}` };
}
