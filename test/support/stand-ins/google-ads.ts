import { z } from 'zod';
import { googleTokens } from './google-token.js';
import { refuse, startServer } from './server.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const identifiers = z.strictObject({
  userIdentifiers: z
    .array(z.union([z.strictObject({ hashedEmail: hash }), z.strictObject({ hashedPhoneNumber: hash })]))
    .length(1),
});
const jobBody = z.strictObject({
  job: z.strictObject({
    type: z.literal('CUSTOMER_MATCH_USER_LIST'),
    customerMatchUserListMetadata: z.strictObject({ userList: z.string() }),
  }),
});
const operationsBody = z.strictObject({
  enablePartialFailure: z.literal(true),
  operations: z
    .array(z.union([z.strictObject({ create: identifiers }), z.strictObject({ remove: identifiers })]))
    .max(100_000),
});
const searchBody = z.strictObject({ query: z.string() });

interface Job {
  readonly changes: { readonly hash: string; readonly add: boolean }[];
  run: boolean;
  looks: number;
}

/** Google Ads with the customer 123 and the user list 456. Jobs take effect when they are asked about a second time. */
export async function startGoogleAds(refreshToken = 'google-stand-in-refresh') {
  const members = new Set<string>();
  const removed = new Set<string>();
  const jobs = new Map<string, Job>();
  /** A hash whose operation is refused, as one that looks unhashed would be. */
  const refusedHashes = new Set<string>();
  const token = googleTokens(refreshToken);
  const fail = (status: number, code: string) =>
    refuse(status, { error: { code: status, status: code, message: `Request contains an invalid argument: ${code}` } });
  const parse = <T>(schema: z.ZodType<T>, json: unknown): T => {
    const parsed = schema.safeParse(json);
    return parsed.success ? parsed.data : fail(400, 'INVALID_ARGUMENT');
  };
  const jobAt = (id = '') => jobs.get(id) ?? fail(404, 'NOT_FOUND');
  const base = '/v24/customers/123';
  const server = await startServer({
    authorised: ({ path, headers }) =>
      path === '/token' ||
      (token.isCurrent(headers.authorization) && headers['developer-token'] === 'developer-stand-in'),
    unauthorised: { status: 401, json: { error: { code: 401, status: 'UNAUTHENTICATED' } } },
    routes: {
      'POST /token': token.issue,
      [`POST ${base}/offlineUserDataJobs:create`]: ({ json }) => {
        const { userList } = parse(jobBody, json).job.customerMatchUserListMetadata;
        if (userList !== 'customers/123/userLists/456') return fail(400, 'USER_LIST_NOT_FOUND');
        const id = String(jobs.size + 1);
        jobs.set(id, { changes: [], run: false, looks: 0 });
        return { status: 200, json: { resourceName: `customers/123/offlineUserDataJobs/${id}` } };
      },
      [`POST ${base}/offlineUserDataJobs/:id:addOperations`]: ({ params, json }) => {
        const job = jobAt(params.id);
        if (job.run) return fail(400, 'JOB_ALREADY_RUN');
        const errors: unknown[] = [];
        for (const [index, operation] of parse(operationsBody, json).operations.entries()) {
          const add = 'create' in operation;
          const [first] = (add ? operation.create : operation.remove).userIdentifiers;
          const text = first ? ('hashedEmail' in first ? first.hashedEmail : first.hashedPhoneNumber) : '';
          if (refusedHashes.has(text)) {
            const fieldPathElements = [{ fieldName: 'operations', index }, { fieldName: add ? 'create' : 'remove' }];
            errors.push({ message: 'The identifier is not valid', location: { fieldPathElements } });
          } else job.changes.push({ hash: text, add });
        }
        const partialFailureError = { code: 3, message: 'Multiple errors in details', details: [{ errors }] };
        return { status: 200, json: errors.length > 0 ? { partialFailureError } : {} };
      },
      [`POST ${base}/offlineUserDataJobs/:id:run`]: ({ params }) => {
        jobAt(params.id).run = true;
        return { status: 200, json: { name: `customers/123/operations/${params.id}` } };
      },
      [`POST ${base}/googleAds:search`]: ({ json }) => {
        const { query } = parse(searchBody, json);
        const id = /resource_name = 'customers\/123\/offlineUserDataJobs\/(\d+)'$/.exec(query)?.[1];
        const job = jobAt(id);
        if (!job.run) return { status: 200, json: { results: [{ offlineUserDataJob: { status: 'PENDING' } }] } };
        if (++job.looks === 2) {
          for (const change of job.changes) {
            members[change.add ? 'add' : 'delete'](change.hash);
            removed[change.add ? 'delete' : 'add'](change.hash);
          }
        }
        const status = job.looks < 2 ? 'RUNNING' : 'SUCCESS';
        return { status: 200, json: { results: [{ offlineUserDataJob: { status } }] } };
      },
    },
  });
  return {
    ...server,
    refreshToken,
    members,
    removed,
    refusedHashes,
    jobs,
    tokens: token.count,
    endTokens: () => {
      token.expire();
    },
  };
}
