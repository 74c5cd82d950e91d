import { z } from 'zod';
import { googleTokens } from './google-token.js';
import { refuse, startServer } from './server.js';

const account = z.strictObject({
  accountType: z.enum([
    'GOOGLE_ADS',
    'DISPLAY_VIDEO_PARTNER',
    'DISPLAY_VIDEO_ADVERTISER',
    'DATA_PARTNER',
    'GOOGLE_ANALYTICS_PROPERTY',
    'GOOGLE_AD_MANAGER_AUDIENCE_LINK',
  ]),
  accountId: z.string().regex(/^\d+$/),
});
const destination = z.strictObject({
  reference: z.string().optional(),
  loginAccount: account.optional(),
  linkedAccount: account.optional(),
  operatingAccount: account,
  productDestinationId: z.string().min(1),
});
const consent = z.strictObject({
  adUserData: z.enum(['CONSENT_GRANTED', 'CONSENT_DENIED']).optional(),
  adPersonalization: z.enum(['CONSENT_GRANTED', 'CONSENT_DENIED']).optional(),
});
const identifier = z.union([z.strictObject({ emailAddress: z.string() }), z.strictObject({ phoneNumber: z.string() })]);
const member = z.strictObject({
  destinationReferences: z.array(z.string()).optional(),
  userData: z.strictObject({ userIdentifiers: z.array(identifier).min(1).max(10) }),
  consent: consent.optional(),
});
const removal = z.strictObject({
  destinations: z.array(destination).min(1).max(10),
  audienceMembers: z.array(member).min(1).max(10_000),
  validateOnly: z.boolean().optional(),
  encoding: z.literal('HEX'),
});
const ingestion = removal.extend({
  consent: consent.optional(),
  termsOfService: z.strictObject({ customerMatchTermsOfServiceStatus: z.enum(['ACCEPTED', 'REJECTED']) }).optional(),
});

interface Job {
  readonly hashes: readonly string[];
  readonly add: boolean;
  looks: number;
}

interface Violation {
  readonly field: string;
  readonly reason: string;
  readonly description?: string;
}

/** A refusal as the service gives it. */
export function dataManagerError(code: number, status: string, violations: readonly Violation[] = []) {
  const details = [
    { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: status, domain: 'datamanager.googleapis.com' },
    ...(violations.length > 0
      ? [{ '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: violations }]
      : []),
  ];
  return { error: { code, message: 'There was a problem with the request.', status, details } };
}

/**
 * The Data Manager API with the Google Ads account 123, reached through its manager 100, and the audience 456. One request
 * fails as a whole where one member is not valid. What is taken counts when its status is asked about a second time.
 */
export async function startGoogleDataManager(refreshToken = 'google-stand-in-refresh') {
  const members = new Set<string>();
  const removed = new Set<string>();
  const jobs = new Map<string, Job>();
  const consents: unknown[] = [];
  /** Hashes that are not valid, as those of something that was hashed twice would be. */
  const invalidHashes = new Set<string>();
  const token = googleTokens(refreshToken);
  const fail = (code: number, status: string, ...violations: Violation[]) =>
    refuse(code, dataManagerError(code, status, violations));

  function take(add: boolean, json: unknown) {
    const parsed = (add ? ingestion : removal).safeParse(json);
    if (!parsed.success) {
      const field = parsed.error.issues[0]?.path.join('.') ?? '';
      return fail(400, 'INVALID_ARGUMENT', { field, reason: 'INVALID_FORMAT' });
    }
    const { destinations, audienceMembers, termsOfService } = parsed.data as z.infer<typeof ingestion>;
    const [to] = destinations;
    if (to?.operatingAccount.accountId !== '123' || (to.loginAccount && to.loginAccount.accountId !== '100'))
      return fail(403, 'PERMISSION_DENIED');
    if (to.productDestinationId !== '456')
      return fail(400, 'INVALID_ARGUMENT', {
        field: 'destinations[0].product_destination_id',
        reason: 'INVALID_USER_LIST_ID',
      });
    if (add && termsOfService?.customerMatchTermsOfServiceStatus !== 'ACCEPTED')
      return fail(400, 'INVALID_ARGUMENT', { field: 'terms_of_service', reason: 'TERMS_AND_CONDITIONS_NOT_SIGNED' });
    const hashes = audienceMembers.flatMap(({ userData }) =>
      userData.userIdentifiers.map((one) => ('emailAddress' in one ? one.emailAddress : one.phoneNumber)),
    );
    const violations = hashes.flatMap((hash, index): Violation[] => {
      const field = `audience_members.audience_members[${index}].user_data.user_identifiers`;
      if (!/^[0-9a-f]*$/.test(hash))
        return [{ field, reason: 'INVALID_HEX_ENCODING', description: 'Email is not hex encoded.' }];
      return hash.length === 64 && !invalidHashes.has(hash) ? [] : [{ field, reason: 'INVALID_SHA256_FORMAT' }];
    });
    if (violations.length > 0) return fail(400, 'INVALID_ARGUMENT', ...violations);
    if (add) consents.push((parsed.data as z.infer<typeof ingestion>).consent);
    const requestId = `request-${jobs.size + 1}`;
    jobs.set(requestId, { hashes, add, looks: 0 });
    return { status: 200, json: { requestId } };
  }

  const server = await startServer({
    authorised: ({ path, headers }) => path === '/token' || token.isCurrent(headers.authorization),
    unauthorised: { status: 401, json: dataManagerError(401, 'UNAUTHENTICATED') },
    routes: {
      'POST /token': token.issue,
      'POST /v1/audienceMembers:ingest': ({ json }) => take(true, json),
      'POST /v1/audienceMembers:remove': ({ json }) => take(false, json),
      'GET /v1/requestStatus:retrieve': ({ query }) => {
        const job = jobs.get(query.get('requestId') ?? '');
        if (!job) return fail(400, 'INVALID_ARGUMENT', { field: 'request_id', reason: 'INVALID_REQUEST_ID' });
        if (++job.looks === 2) {
          for (const hash of job.hashes) {
            members[job.add ? 'add' : 'delete'](hash);
            removed[job.add ? 'delete' : 'add'](hash);
          }
        }
        const requestStatus = job.looks < 2 ? 'PROCESSING' : 'SUCCESS';
        return { status: 200, json: { requestStatusPerDestination: [{ requestStatus }] } };
      },
    },
  });
  return { ...server, refreshToken, members, removed, invalidHashes, jobs, consents, tokens: token.count };
}
