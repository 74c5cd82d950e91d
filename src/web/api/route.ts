import { OpenAPIRegistry, OpenApiGeneratorV31 } from '@asteasolutions/zod-to-openapi';
import type { Request, Response, Router } from 'express';
import { z } from 'zod';
import { HushError } from '../../core/errors.js';
import type { KeyScope } from '../../core/key-scopes.js';
import type { ApiKey } from '../../store/api-keys.js';
import { readJsonBody } from '../middleware/json.js';
import { faultsOf } from './remedies.js';

export interface ApiRequest<Body = undefined, Query = undefined> {
  readonly body: Body;
  readonly query: Query;
  readonly params: Readonly<Record<string, string>>;
  readonly key: ApiKey;
  readonly request: Request;
  readonly response: Response;
}

export interface RouteDefinition<Body, Query> {
  readonly method: 'get' | 'post' | 'delete' | 'patch';
  /** Express path under /v1, such as `/receipts/:id`. */
  readonly path: string;
  /** What a generated client calls it, as `recordEvents`. */
  readonly operationId: string;
  /** The group it is shown in. */
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly scope: KeyScope;
  readonly body?: z.ZodType<Body>;
  /** Reads bodies of a usual form faster, as `body` would; undefined for every other, and for whatever is wrong. */
  readonly quickBody?: (bytes: Buffer) => Body | undefined;
  readonly query?: z.ZodType<Query>;
  readonly answer: z.ZodType | string;
  /** When this route answers 409. */
  readonly conflict?: string;
  /** True where a contact can be named by its key alone, and a key that nobody has is a 404. */
  readonly takesContactKeys?: boolean;
  /** Media types of a body that the handler reads itself as a stream; the only ones when there is no `body`. */
  readonly streams?: readonly string[];
  /** Further media types that are streams where the query has this field, and are refused without it. */
  readonly streamsWith?: { readonly query: string; readonly types: readonly string[] };
  /** A value is sent as JSON; undefined means the handler answered by itself. */
  readonly handle: (request: ApiRequest<Body, Query>) => Promise<unknown>;
}

/** The first fault in plain words, all of them in `errors`. */
export function invalidFrom(error: z.ZodError, prefix = ''): HushError {
  const errors = faultsOf(error.issues).map(({ path, remedy }) => ({
    field: `${prefix}${path.join('.')}` || 'body',
    message: remedy,
  }));
  const [first] = errors;
  return new HushError('invalid', first ? `${first.field}: ${first.message}` : 'the request is not valid', {
    field: first?.field ?? 'body',
    remedy: first?.message ?? 'see /docs',
    errors: errors.slice(0, 20),
  });
}

const hasBody = (request: Request): boolean =>
  request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;

/** What can go wrong on a route, by status; a fault of ours (500) aside, which no caller can plan for. */
function faultsOfRoute({
  method,
  path,
  conflict,
  takesContactKeys,
}: Pick<RouteDefinition<unknown, unknown>, 'method' | 'path' | 'conflict' | 'takesContactKeys'>): Record<
  number,
  string
> {
  return {
    400: 'A field is wrong; it is named, with the remedy',
    401: 'No key, or one that is not known',
    403: 'The key lacks a scope',
    ...(path.includes(':') ? { 404: 'There is nothing under this id or name, or not yet' } : {}),
    ...(takesContactKeys ? { 404: 'Nobody is known under the key of a contact' } : {}),
    // A JSON body is read even on routes that take none.
    ...(method === 'get' ? {} : { 408: 'The body did not arrive in time; nothing was done' }),
    ...(conflict === undefined ? {} : { 409: conflict }),
    ...(method === 'get' ? {} : { 413: 'The body is larger than 5 MB' }),
    429: 'Too many unknown keys from this network; Retry-After says when to try again',
    503: 'The record cannot be reached, so nothing is confirmed; Retry-After says when to try again',
  };
}

const readJson = readJsonBody('5mb');

type Authenticate = (request: Request) => Promise<ApiKey>;

/** Made when the routes are: zod schemas made before `schemas.ts` ran have no `openapi`. */
const problemSchema = () =>
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    detail: z.string(),
    code: z.string(),
    field: z.string().optional(),
    remedy: z.string().optional(),
    errors: z.array(z.object({ field: z.string(), message: z.string() })).optional(),
  });

/** The key of the request. Throws HushError `unauthorized`, or `forbidden` when it lacks the route's scope. */
async function authorise(authenticate: Authenticate, request: Request, scope: KeyScope): Promise<ApiKey> {
  const key = await authenticate(request);
  if (key.scopes.includes(scope)) return key;
  throw new HushError('forbidden', `this key lacks the scope ${scope}`, {
    remedy: `make a key with it: hush keys create --scopes ${scope}`,
  });
}

function streamsOf(
  { streams = [], streamsWith }: Pick<RouteDefinition<unknown, unknown>, 'streams' | 'streamsWith'>,
  { query }: Request,
): string[] {
  return [...streams, ...(streamsWith && query[streamsWith.query] !== undefined ? streamsWith.types : [])];
}

/** Reads a body of JSON, unless the handler reads a stream. Throws HushError `invalid` for one of another media type. */
async function readBody<Body, Query>(
  route: RouteDefinition<Body, Query>,
  request: Request,
  response: Response,
): Promise<Body | undefined> {
  if (route.streams !== undefined && request.is(streamsOf(route, request))) return undefined;
  const known = await readJson(request, response, route.quickBody);
  if (known !== undefined) return known;
  if (route.body ? request.body === undefined && hasBody(request) : route.streams) {
    const types = [...(route.body ? ['application/json'] : []), ...(route.streams ?? [])];
    throw new HushError('invalid', `the body is not marked as ${route.body ? 'JSON' : types.join(' or ')}`, {
      field: 'content-type',
      remedy: `send Content-Type: ${types.join(' or ')}`,
    });
  }
  return route.body && parsed(route.body, request.body ?? {});
}

function parsed<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const result = schema.safeParse(value);
  if (!result.success) throw invalidFrom(result.error);
  return result.data;
}

/** One request of a route: the key first, so that whoever has none for it has us read and parse nothing. */
async function answerRequest<Body, Query>(
  route: RouteDefinition<Body, Query>,
  authenticate: Authenticate,
  request: Request,
  response: Response,
): Promise<void> {
  const key = await authorise(authenticate, request, route.scope);
  const body = await readBody(route, request, response);
  const query = route.query && parsed(route.query, request.query);
  const result = await route.handle({
    body: body as Body,
    query: query as Query,
    params: request.params as Record<string, string>,
    key,
    request,
    response,
  });
  if (result !== undefined && !response.headersSent) response.json(result);
}

const successOf = ({ answer }: Pick<RouteDefinition<unknown, unknown>, 'answer'>) => ({
  description: 'Done',
  content:
    typeof answer === 'string' ? { [answer]: { schema: z.string() } } : { 'application/json': { schema: answer } },
});

function bodyDescription({
  body,
  streams,
  streamsWith,
}: Pick<RouteDefinition<unknown, unknown>, 'body' | 'streams' | 'streamsWith'>) {
  if (!body && !streams) return {};
  const streamed = Object.fromEntries(
    [...(streams ?? []), ...(streamsWith?.types ?? [])].map((type) => [type, { schema: z.string() }]),
  );
  return {
    body: { required: true, content: { ...(body ? { 'application/json': { schema: body } } : {}), ...streamed } },
  };
}

/** A route as OpenAPI describes it, with every status that it can answer. */
function describeRoute<Body, Query>(
  registry: OpenAPIRegistry,
  problem: z.ZodType,
  route: RouteDefinition<Body, Query>,
) {
  const names = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1] ?? '');
  const faults = Object.entries(faultsOfRoute(route)).map(([status, description]) => [
    status,
    { description, content: { 'application/problem+json': { schema: problem } } },
  ]);
  registry.registerPath({
    method: route.method,
    path: `/v1${route.path.replace(/:(\w+)/g, '{$1}')}`,
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description ? { description: route.description } : {}),
    security: [{ key: [route.scope] }],
    request: {
      ...(route.query ? { query: route.query as never } : {}),
      ...(names.length > 0 ? { params: z.object(Object.fromEntries(names.map((name) => [name, z.string()]))) } : {}),
      ...bodyDescription(route),
    },
    responses: { 200: successOf(route), ...Object.fromEntries(faults) },
  });
}

/** Collects routes, so that the requests checked and the description served come from the same schemas. */
export function createApiRoutes(router: Router, authenticate: Authenticate) {
  const registry = new OpenAPIRegistry();
  registry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, hk_…',
  });
  const problem = registry.register('Problem', problemSchema());
  /** By path: what may be done there. */
  const methods = new Map<string, string[]>();

  return {
    add<Body = undefined, Query = undefined>(route: RouteDefinition<Body, Query>): void {
      router[route.method](route.path, (request: Request, response: Response) =>
        answerRequest(route, authenticate, request, response),
      );
      const others = route.method === 'get' ? ['GET', 'HEAD'] : [route.method.toUpperCase()];
      methods.set(route.path, [...(methods.get(route.path) ?? []), ...others]);
      describeRoute(registry, problem, route);
    },

    /** Answers every other method of the paths that were added: 405 with what is allowed, and OPTIONS with the same. */
    refuseOtherMethods(): void {
      for (const [path, known] of methods) {
        const allowed = [...known, 'OPTIONS'].join(', ');
        router.all(path, (request: Request, response: Response) => {
          response.set('Allow', allowed);
          if (request.method === 'OPTIONS') {
            response.status(204).end();
            return;
          }
          throw new HushError('method_not_allowed', `${request.method} cannot be used here`, {
            remedy: `use ${known.join(' or ')}; see /docs`,
          });
        });
      }
    },

    /** OpenAPI 3.1 of everything added so far. */
    document(publicUrl: string): object {
      return new OpenApiGeneratorV31(registry.definitions).generateDocument({
        openapi: '3.1.0',
        info: {
          title: 'Hush',
          version: '1',
          description:
            'Marketing preferences and opt-outs. Errors are RFC 9457 problem documents. Times are RFC 3339, UTC.',
        },
        servers: [{ url: publicUrl }],
      });
    },
  };
}

export type ApiRoutes = ReturnType<typeof createApiRoutes>;
