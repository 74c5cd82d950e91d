import { z } from 'zod';
import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Policy } from '../../core/policy.js';
import { REQUEST_KINDS, REQUEST_STATES } from '../../core/request.js';
import { isLate } from '../../core/request-clock.js';
import type { Subject } from '../../preferences/draft.js';
import type { Rights } from '../../rights/index.js';
import { clockedOf } from '../../rights/requests/answers.js';
import type { Named } from '../../rights/requests/intake.js';
import { parseReference, referenceOf } from '../../rights/requests/reference.js';
import type { RequestRecord, RequestStore } from '../../store/requests.js';
import { iso, type RequestReader } from './requests.js';
import type { ApiRequest, ApiRoutes } from './route.js';
import { contactSchema, jurisdictionSchema, time } from './schemas.js';

const words = (limit: number) => z.string().trim().min(1).max(limit);

const newRequestSchema = z
  .strictObject({
    /** The writer's own id: the same again gives the same answer and no second request. */
    id: words(200).optional(),
    kind: z.enum(REQUEST_KINDS),
    contacts: z.array(contactSchema).min(1, 'name at least one contact').max(10, 'at most 10 contacts a request'),
    brand: words(64).optional(),
    language: words(8).default('en'),
    jurisdiction: jurisdictionSchema.optional(),
    name: words(120).optional(),
    description: words(4000).optional(),
    postal: words(400).optional(),
    publicKey: words(20_000).optional(),
    agent: z.strictObject({ name: words(120), email: words(320).optional() }).optional(),
    receivedAt: time.optional(),
  })
  .openapi('NewRightsRequest');

const requestSchema = z
  .object({
    id: z.string(),
    reference: z.string(),
    kind: z.enum(REQUEST_KINDS),
    state: z.enum(REQUEST_STATES),
    way: z.string(),
    jurisdiction: z.string(),
    receivedAt: z.string(),
    due: z.string(),
    late: z.boolean(),
    acknowledgedAt: z.string().optional(),
    extendedAt: z.string().optional(),
    verifiedAt: z.string().optional(),
    closedAt: z.string().optional(),
    reason: z.string().optional(),
    receipts: z.array(z.string()),
    history: z.array(z.object({ at: z.string(), what: z.string() })).optional(),
  })
  .openapi('RightsRequest');

const listQuery = z.strictObject({
  state: z.enum(['open', 'late', ...REQUEST_STATES]).optional(),
  kind: z.enum(REQUEST_KINDS).optional(),
  skip: z.coerce.number().int().min(0).max(1_000_000).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});

interface RightsRequestParts {
  readonly rights: Rights;
  readonly store: RequestStore;
  readonly reader: RequestReader;
  readonly subjectByKey: (key: Buffer) => Promise<Subject | undefined>;
  readonly policy: Policy;
  readonly clock: Clock;
}

function requestJson(
  { policy, clock }: Pick<RightsRequestParts, 'policy' | 'clock'>,
  record: RequestRecord,
): Record<string, unknown> {
  const reason = record.denialReason ?? record.refusalReason ?? record.outcome;
  const times = {
    acknowledgedAt: record.acknowledgedAt,
    extendedAt: record.extendedAt,
    verifiedAt: record.verifiedAt,
    closedAt: record.closedAt,
  };
  return {
    id: record.id,
    reference: referenceOf(record.id),
    kind: record.kind,
    state: record.state,
    way: record.way,
    jurisdiction: record.jurisdiction,
    receivedAt: iso(record.receivedAt.getTime()),
    due: iso(record.due.getTime()),
    late: isLate(policy, clockedOf(record), clock.now()),
    ...Object.fromEntries(Object.entries(times).flatMap(([name, at]) => (at ? [[name, iso(at.getTime())]] : []))),
    ...(reason === undefined ? {} : { reason }),
    receipts: record.receipts.map((receipt) => `r_${receipt}`),
  };
}

async function openRequest(parts: RightsRequestParts, { body, key }: ApiRequest<z.infer<typeof newRequestSchema>>) {
  const { reader, rights } = parts;
  const contacts: Named[] = [];
  for (const [at, contact] of body.contacts.entries()) {
    contacts.push(await reader.subjectIn(`contacts.${at}`, contact, parts.subjectByKey));
  }
  const record = await rights.intake.receive(
    {
      kind: body.kind,
      way: 'api',
      contacts,
      language: body.language,
      brand: body.brand,
      jurisdiction: body.jurisdiction,
      name: body.name,
      description: body.description,
      postal: body.postal,
      publicKey: body.publicKey,
      agent: body.agent,
      receivedAt: body.receivedAt,
      ...(body.id === undefined ? {} : { writer: { name: `key:${key.id}`, id: body.id } }),
    },
    { id: `key:${key.id}`, name: key.name },
  );
  return requestJson(parts, record);
}

async function listRequests(
  parts: Pick<RightsRequestParts, 'clock' | 'store' | 'policy'>,
  { query }: ApiRequest<undefined, z.infer<typeof listQuery>>,
) {
  const { clock, store } = parts;
  const { state, kind, skip, limit } = query;
  const filter = {
    ...(state === 'open' || state === 'late' ? { open: true } : {}),
    ...(state === 'late' ? { dueBefore: new Date(clock.now()) } : {}),
    ...(state && state !== 'open' && state !== 'late' ? { state } : {}),
    ...(kind ? { kind } : {}),
  };
  const [rows, total] = await Promise.all([store.list(filter, skip, limit), store.count(filter)]);
  return { total, requests: rows.map((record) => requestJson(parts, record)) };
}

async function showRequest(
  parts: Pick<RightsRequestParts, 'store' | 'policy' | 'clock'>,
  { params }: ApiRequest<undefined>,
) {
  const { store } = parts;
  const id = parseReference(params.id ?? '');
  const record = id && (await store.get(id));
  if (!record) {
    throw new HushError('not_found', 'there is no such request', {
      remedy: 'check the reference; it has 15 letters and digits',
    });
  }
  return {
    ...requestJson(parts, record),
    history: record.history.map(({ at, what }) => ({ at: iso(at.getTime()), what })),
  };
}

/** Requests for marketing and ticket systems: codes and times. What a person wrote is for the console alone. */
export function rightsRequestRoutes(routes: ApiRoutes, parts: RightsRequestParts): void {
  routes.add({
    method: 'post',
    path: '/requests',
    operationId: 'createRightsRequest',
    tag: 'Rights requests',
    summary: 'Take in a rights request',
    description:
      'For requests that reach another system first. What only denies (opt_out, objection, consent_withdrawal) is in force when the answer is there; everything else is verified first. `receivedAt` is when the person asked: the clock runs from there.',
    scope: 'requests',
    takesContactKeys: true,
    conflict: 'This id was used before for another request',
    body: newRequestSchema,
    answer: requestSchema,
    handle: (call) => openRequest(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/requests',
    operationId: 'listRightsRequests',
    tag: 'Rights requests',
    summary: 'Rights requests by due date',
    description: 'Those that are due first, first. `state=late` are open ones past their deadline.',
    scope: 'requests',
    query: listQuery,
    answer: z.object({ total: z.number(), requests: z.array(requestSchema) }),
    handle: (call) => listRequests(parts, call),
  });

  routes.add({
    method: 'get',
    path: '/requests/:id',
    operationId: 'getRightsRequest',
    tag: 'Rights requests',
    summary: 'One rights request with its history in codes',
    scope: 'requests',
    answer: requestSchema,
    handle: (call) => showRequest(parts, call),
  });
}
